package rules

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

var first, second, thirdLease = store.LeaseID{1}, store.LeaseID{2}, store.LeaseID{3}

func newGrant() *Grant {
	return NewGrant(&store.Grant{ID: store.GrantID{1}, Owner: store.OwnerID{1}, Refresh: store.Sealed("rt 1"), Scope: "openid", Audience: "api"})
}

func commit(l store.LeaseID, generation uint64, token string) *store.Commit {
	return &store.Commit{Grant: store.GrantID{1}, Lease: l, Generation: generation, Token: store.Sealed(token), Now: now}
}

// begin takes the lease for one millisecond.
func begin(t *testing.T, g *Grant, l store.LeaseID, at store.Micros) store.Refresh {
	t.Helper()
	out, err := g.Begin(l, at, time.Millisecond)
	require.NoError(t, err)
	return out
}

func mustCommit(t *testing.T, g *Grant, c *store.Commit) {
	t.Helper()
	changed, err := g.Commit(c, false)
	require.NoError(t, err)
	require.True(t, changed)
}

func spares(g *Grant) (tokens []string) {
	for _, sp := range g.State().Spares {
		tokens = append(tokens, string(sp.Token))
	}
	return tokens
}

func TestLease(t *testing.T) {
	g := newGrant()
	out := begin(t, g, first, now)
	assert.Equal(t, store.Refresh{RefreshState: g.State(), Until: now + 1000}, out)
	assert.Equal(t, now+1500, begin(t, g, first, now+500).Until, "its holder prolongs it")
	assert.Equal(t, now+1500, begin(t, g, first, now).Until, "it never gets shorter")

	_, err := g.Begin(second, now+1500, time.Millisecond)
	assert.Equal(t, &store.BusyError{Until: now + 1500}, err)
	out = begin(t, g, second, now+1501)
	assert.True(t, out.InDoubt)
	assert.Equal(t, now+1500, out.Doubt)

	assert.False(t, g.End(first, 1, store.RefreshDone), "another lease has followed")
	assert.True(t, g.End(second, 1, store.RefreshUnknown))
	assert.True(t, begin(t, g, thirdLease, now+1502).InDoubt, "the doubt is left")
	assert.True(t, g.End(thirdLease, 1, store.RefreshDone))
	assert.False(t, begin(t, g, first, now+1503).InDoubt, "the doubt was ended")
}

// A lease that lapses, comes back and lapses again leaves one doubt, with its last
// instant.
func TestOneDoubtForEachLease(t *testing.T) {
	g := newGrant()
	begin(t, g, first, now)
	begin(t, g, second, now+2000)
	begin(t, g, first, now+4000)
	out := begin(t, g, thirdLease, now+6000)
	assert.Equal(t, []Doubt{{first, now + 5000}, {second, now + 3000}}, g.Doubts)
	assert.Equal(t, now+5000, out.Doubt)
	mustCommit(t, g, commit(first, 1, "rt 2"))
	assert.Equal(t, []Doubt{{second, now + 3000}}, g.Doubts, "a commit resolves the doubt of its lease")
}

func TestCommit(t *testing.T) {
	g := newGrant()
	changed, err := g.Commit(commit(first, 2, "rt"), false)
	assert.Equal(t, store.ErrConflict, err)
	assert.False(t, changed)

	c := commit(first, 1, "rt 2")
	mustCommit(t, g, c)
	c.Token[0] = 'x'
	assert.Equal(t, "rt 2", string(g.State().Token))
	assert.Equal(t, uint64(2), g.State().Generation)
	changed, err = g.Commit(commit(first, 1, "rt 2"), true)
	assert.NoError(t, err)
	assert.False(t, changed)

	g.Dead = true
	mustCommit(t, g, commit(second, 1, "late"))
	assert.False(t, g.Dead)
	assert.Equal(t, "rt 2", string(g.State().Token), "a spare never overwrites")
	assert.Equal(t, []string{"late"}, spares(g))
	for n := range store.MaxSpares {
		mustCommit(t, g, commit(store.LeaseID{9, byte(n)}, 1, string(rune('a'+n))))
	}
	assert.Len(t, spares(g), store.MaxSpares)
	assert.Equal(t, "h", spares(g)[0], "newest first")
	assert.NotContains(t, spares(g), "late", "the oldest one is dropped")
	assert.NotEqual(t, NewCommit(first, store.Sealed("a")), NewCommit(first, store.Sealed("b")))
	assert.NotEqual(t, NewCommit(first, store.Sealed("a")), NewCommit(second, store.Sealed("a")))
}

func TestRefusal(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile  func(g *Grant)
		generation uint64
		dead       bool
		spares     []string
	}{
		"of everything":              {func(*Grant) {}, 1, true, nil},
		"of an older generation":     {func(g *Grant) { g.Generation++ }, 1, false, nil},
		"but a spare has arrived":    {func(g *Grant) { _, _ = g.Commit(commit(second, 0, "new"), false) }, 1, false, []string{"new"}},
		"but the grant has moved on": {func(g *Grant) { _, _ = g.Commit(commit(first, 1, "rt 2"), false) }, 1, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGrant()
			mustCommit(t, g, commit(thirdLease, 0, "old"))
			begin(t, g, first, now)
			c.meanwhile(g)
			require.True(t, g.End(first, c.generation, store.RefreshRefused))
			assert.Equal(t, c.dead, g.Dead)
			assert.Equal(t, c.spares, spares(g), "spares that the lease was shown are dropped")
			_, err := g.Begin(second, now, time.Millisecond)
			assert.Equal(t, c.dead, err == store.ErrDead)
		})
	}
}

func TestOutcomesThatChangeNothing(t *testing.T) {
	for _, outcome := range []store.Outcome{store.RefreshNotSent, store.RefreshUnknown} {
		g := newGrant()
		mustCommit(t, g, commit(thirdLease, 0, "spare"))
		begin(t, g, first, now)
		begin(t, g, second, now+2000)
		doubts := slices.Clone(g.Doubts)
		require.True(t, g.End(second, 1, outcome))
		assert.Equal(t, []string{"spare"}, spares(g))
		assert.Equal(t, doubts, g.Doubts)
		assert.False(t, g.Dead)
		assert.Zero(t, g.Lease)
	}
}

func TestReplaceGrant(t *testing.T) {
	r := store.Replacement{Grant: store.GrantID{1}, Owner: store.OwnerID{1}, Lease: thirdLease, Generation: 1, Token: store.Sealed("new"), Scope: "s", Audience: "a"}
	g := newGrant()
	mustCommit(t, g, commit(second, 0, "spare"))
	begin(t, g, first, now)
	begin(t, g, second, now+2000)
	g.Dead = true
	lease := g.Lease
	changed, err := g.Replace(&r, false)
	require.NoError(t, err)
	assert.True(t, changed)
	assert.Equal(t, store.RefreshState{Generation: 2, Token: store.Sealed("new"), Scope: "s", Audience: "a"}, g.State())
	assert.False(t, g.Dead)
	assert.Empty(t, g.Doubts)
	assert.Equal(t, lease, g.Lease)

	changed, err = g.Replace(&r, true)
	assert.NoError(t, err)
	assert.False(t, changed)
	_, err = g.Replace(&r, false)
	assert.Equal(t, store.ErrConflict, err)
	r.Owner[0]++
	_, err = g.Replace(&r, true)
	assert.ErrorAs(t, err, new(*store.ArgumentError))
}
