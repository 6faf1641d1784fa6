package killtest_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// longVariable asks for tests at their full size.
const longVariable = "CI_LONG"

// kills is how often processes die at each place, and elsewhere.
type kills struct{ each, rest int }

// Four processes serve the tokens of many users. The test kills them with SIGKILL and
// starts new ones: before they ask the provider, while its answer is in flight, before
// the commit, before the rotation of the mytoken, and at random. The provider rotates
// strictly. No token delivers more than its limit. Every charged use was delivered, or
// its outcome is unknown. Every login is usable unless an answer of the provider never
// arrived. Revoked tokens stay revoked.
//
// proves P3, P4, P5, P6, P8
func TestProcessesAreKilled(t *testing.T) {
	for _, engine := range []struct {
		name       string
		on         func(testing.TB) site
		short, all kills
	}{
		{"PostgreSQL", onPostgreSQL, kills{35, 60}, kills{200, 200}},
		{"MariaDB", onMariaDB, kills{4, 8}, kills{35, 60}},
		{"SQLite", onSQLite, kills{4, 8}, kills{35, 60}},
	} {
		t.Run(engine.name, func(t *testing.T) {
			k := engine.short
			if os.Getenv(longVariable) != "" {
				k = engine.all
			}
			deaths := slices.Repeat([]place{atRandom}, k.rest)
			for _, at := range places {
				deaths = append(deaths, slices.Repeat([]place{at}, k.each)...)
			}
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			w := newWorld(t, engine.on(t))
			r := newRun(w, w.logins(50), deaths, seed)
			r.rnd.Shuffle(len(deaths), func(i, j int) { deaths[i], deaths[j] = deaths[j], deaths[i] })
			r.drive()
			r.verdict()
			t.Logf("%d kills: %v", r.kills, r.hits)
			require.GreaterOrEqual(t, r.kills, len(deaths))
			for _, at := range places {
				require.GreaterOrEqual(t, r.hits[at], k.each, "kills %s", at)
			}
		})
	}
}
