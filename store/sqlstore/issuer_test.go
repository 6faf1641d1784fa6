package sqlstore_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/sqlstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

var (
	writing = regexp.MustCompile(`\b(INSERT|UPDATE|DELETE)\b`)
	locking = regexp.MustCompile(`\bFOR (NO KEY )?UPDATE\b`)
)

// commits counts the statements of one request that wait for the disk: each COMMIT, and
// each statement outside of a transaction that writes.
func commits(all []statement) (n int) {
	open := false
	for _, st := range all {
		switch {
		case st.text == "BEGIN":
			open = true
		case st.text == "COMMIT":
			open = false
			n++
		case st.text == "ROLLBACK":
			open = false
		case !open && writing.MatchString(locking.ReplaceAllString(st.text, "")):
			n++
		}
	}
	return n
}

// cost is what a request may take: round trips and commits before its answer, and round
// trips after it.
type cost struct{ trips, commits, later int }

// These are the most round trips and commits that a request to an issuer may take, with the
// beginning and the end of transactions. The store holds the end of the lease up until the
// client has its answer, which shows that nobody waits for it.
func TestRoundTripsOfAnIssuer(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.migrate(t)
		sp := &spy{Connector: s.connector}
		release, ended := make(chan struct{}), make(chan struct{})
		steps := storetest.NewFaulty(s.on(t, s.connectBy(t, sp)), func(c storetest.Call) error {
			switch {
			case c.Method == "EndRefresh" && c.Before:
				<-release
			case c.Method == "EndRefresh":
				ended <- struct{}{}
			}
			return nil
		})
		scene := func(rotation optest.Rotation) (*mytokentest.Service, mytoken.Secret) {
			service, err := mytokentest.Start(mytokentest.Options{Store: steps, Provider: optest.Options{Rotation: rotation}})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, service.Close()) })
			issued, err := service.Login(t.Context(), "alice", mytoken.Properties{
				Capabilities: capability.Set{capability.AT, capability.CreateMytoken, capability.Tokeninfo},
				Restrictions: restriction.List{{UsagesAT: restriction.Usages(100), UsagesOther: restriction.Usages(100)}},
			})
			require.NoError(t, err)
			return service, issued.Token
		}
		off, stays := scene(optest.RotateOff)
		strict, rotates := scene(optest.RotateStrict)
		id, client := issuer.NewUseID(), mytokentest.Client
		access := func(service *mytokentest.Service, token mytoken.Secret, id issuer.UseID) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := service.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: token, ID: id, Client: client})
				return err
			}
		}
		for _, c := range []struct {
			name                        string
			once                        bool
			sqlite, postgresql, mariadb cost
			do                          func(context.Context) error
		}{
			{"access token", false, cost{8, 1, 1}, cost{2, 1, 1}, cost{2, 1, 1}, access(off, stays, issuer.UseID{})},
			{"access token with an ID", true, cost{15, 2, 1}, cost{3, 2, 1}, cost{3, 2, 1}, access(off, stays, id)},
			{"access token that rotates the refresh token", false, cost{12, 2, 0}, cost{3, 2, 0}, cost{3, 2, 0}, access(strict, rotates, issuer.UseID{})},
			{"introspection", false, cost{5, 1, 0}, cost{1, 1, 0}, cost{1, 1, 0}, func(ctx context.Context) error {
				_, err := off.Issuer.Introspect(ctx, issuer.IntrospectRequest{Token: stays, Client: client})
				return err
			}},
			{"derivation", false, cost{11, 1, 0}, cost{2, 1, 0}, cost{3, 1, 0}, func(ctx context.Context) error {
				_, err := off.Issuer.Derive(ctx, issuer.DeriveRequest{Token: stays, Client: client})
				return err
			}},
		} {
			most := map[sqlstore.Dialect]cost{sqlstore.SQLite: c.sqlite, sqlstore.PostgreSQL: c.postgresql, sqlstore.MySQL: c.mariadb}[s.dialect]
			measure := func() (before, after []statement) {
				sp.taken()
				require.NoError(t, c.do(t.Context()), "%s", c.name)
				before = sp.taken()
				if most.later > 0 {
					release <- struct{}{}
					<-ended
				}
				return before, sp.taken()
			}
			if !c.once {
				measure() // statements are prepared now, and the owner's tokens are counted
			}
			beats := steps.Calls("Beat")
			before, after := measure()
			if !c.once && steps.Calls("Beat") > beats {
				before, after = measure() // the next heartbeat is 5 s away
			}
			got := cost{len(before), commits(before), len(after)}
			if got.trips > most.trips || got.commits > most.commits || got.later > most.later {
				t.Errorf("%s takes %+v, at most %+v was expected:\n%s\nafter the answer:\n%s", c.name, got, most, texts(before), texts(after))
			} else {
				t.Logf("%s takes %+v", c.name, got)
			}
		}
	})
}

func texts(all []statement) string {
	var out []string
	for _, st := range all {
		text := strings.Join(strings.Fields(st.text), " ")
		out = append(out, fmt.Sprintf("%.300s", text))
	}
	return strings.Join(out, "\n")
}
