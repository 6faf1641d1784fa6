package issuer_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
)

// refuseScope makes the provider answer invalid_grant if it is asked for the scope by
// name, as if the user had not agreed to it.
func refuseScope(scope string, asked *atomic.Int64) func(optest.FaultPoint) optest.Fault {
	return func(at optest.FaultPoint) optest.Fault {
		asked.Add(1)
		if slices.Contains(at.Scopes, scope) && len(at.Scopes) == 1 {
			return optest.Fault{Refuse: "invalid_grant"}
		}
		return optest.Fault{}
	}
}

// requireSuspect checks that a request has to wait because the provider refuses the login.
func requireSuspect(t *testing.T, err error, wait time.Duration) {
	t.Helper()
	require.False(t, is[*issuer.ReconnectError](err), "%v", err)
	requireWait(t, err, wait)
}

// suspectWorld is a world at a provider that rotates or never does.
func suspectWorld(t *testing.T, never bool) *world {
	rotation := optest.RotateStrict
	if never {
		rotation = optest.RotateOff
	}
	return newWorld(t, rotation, worldOptions{limit: 99, upstream: func(c *oidcupstream.Config) { c.RefreshTokensNeverRotate = never }})
}

// The holder of a child asks for a scope to which the user did not agree, and the provider
// says invalid_grant. The use is refused and not charged. The login goes on for everybody
// else, and asking again and again costs the provider nothing.
//
// proves P3, P5
func TestRefusedScopeDoesNotEndTheLogin(t *testing.T) {
	for _, never := range []bool{false, true} {
		for _, worked := range []bool{false, true} {
			t.Run(fmt.Sprintf("never rotates=%t, worked=%t", never, worked), func(t *testing.T) {
				w := suspectWorld(t, never)
				used := int64(0)
				if worked {
					_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
					require.NoError(t, err)
					used++
				}
				child, err := w.issuer.Derive(t.Context(), issuer.DeriveRequest{Token: w.token, Client: client})
				require.NoError(t, err)
				var calls atomic.Int64
				w.fault(refuseScope("storage.read", &calls))
				for n, pause := range []time.Duration{0, 10 * time.Second, 20 * time.Second, 40 * time.Second} {
					w.clock.Advance(pause)
					calls.Store(0)
					for range 5 {
						r := await(t, w.start(t.Context(), w.issuer, issuer.AccessTokenRequest{Token: child.Token, Scopes: []string{"storage.read"}}))
						up := errAs[*issuer.UpstreamError](t, r.err)
						require.Equal(t, http.StatusBadRequest, up.Status)
						require.Equal(t, "invalid_scope", up.Code)
						require.False(t, up.Charged)
					}
					most := int64(2)
					if never {
						most++ // once without a lease
					}
					require.Equal(t, most, calls.Load(), "calls in round %d: asked again after each pause, and not before", n)
					_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
					require.NoError(t, err, "a sibling")
					used++
					w.requireCharged(t, used)
				}
				require.Zero(t, w.told(issuer.NoticeGrantSuspect)+w.told(issuer.NoticeGrantDead))
				require.Zero(t, w.reuses())

				// The user logs in again and agrees: what was refused is asked for at once.
				w.fault(nil)
				leaseReconnect(t, t.Context(), w)
				r := await(t, w.start(t.Context(), w.issuer, issuer.AccessTokenRequest{Token: child.Token, Scopes: []string{"storage.read"}}))
				require.NoError(t, r.err)
			})
		}
	}
}

// The same for an audience that the provider does not know.
//
// proves P3, P5
func TestRefusedAudienceDoesNotEndTheLogin(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	w.fault(func(at optest.FaultPoint) optest.Fault {
		if slices.Contains(at.Audiences, worldAudience) && slices.Contains(at.Scopes, "compute") && len(at.Scopes) == 1 {
			return optest.Fault{Refuse: "invalid_grant"}
		}
		return optest.Fault{}
	})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.Equal(t, http.StatusBadRequest, errAs[*issuer.UpstreamError](t, err).Status)
	require.Zero(t, w.told(issuer.NoticeGrantSuspect))
	w.requireCharged(t, 0)
}

// The user is disabled for a while. No use is charged, nobody asks the provider before the
// pause is over, and the login works again afterwards.
//
// proves P3, P5
func TestDisabledUserComesBack(t *testing.T) {
	for _, never := range []bool{false, true} {
		t.Run(fmt.Sprintf("never rotates=%t", never), func(t *testing.T) {
			w := suspectWorld(t, never)
			var calls atomic.Int64
			w.fault(func(optest.FaultPoint) optest.Fault {
				calls.Add(1)
				return optest.Fault{Refuse: "invalid_grant"}
			})
			_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
			requireSuspect(t, err, 10*time.Second)
			asked := calls.Load()
			other, err := w.node(nil)
			require.NoError(t, err)
			for n, i := range []*issuer.Issuer{w.issuer, other, w.issuer, other} {
				_, err = w.request(t.Context(), i, issuer.NewUseID())
				requireSuspect(t, err, time.Duration(10-2*n)*time.Second)
				w.clock.Advance(2 * time.Second)
			}
			require.Equal(t, asked, calls.Load(), "nobody asks during the pause")
			w.requireCharged(t, 0)
			require.Equal(t, 1, w.told(issuer.NoticeGrantSuspect))

			w.fault(nil)
			w.clock.Advance(3 * time.Second)
			for n := range 3 {
				_, err = w.request(t.Context(), other, issuer.NewUseID())
				require.NoError(t, err)
				w.requireCharged(t, int64(n+1))
			}
			require.Zero(t, w.told(issuer.NoticeGrantDead))
			require.Zero(t, w.reuses())
		})
	}
}

// After the pause the provider gives no answer. The pause grows, because nobody knows.
//
// proves P5
func TestSuspicionGrowsWithoutAnswers(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	var refused atomic.Int64
	w.fault(func(optest.FaultPoint) optest.Fault {
		if refused.Add(1) <= 2 {
			return optest.Fault{Refuse: "invalid_grant"}
		}
		return optest.Fault{FailBefore: 502}
	})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	requireSuspect(t, err, 10*time.Second)
	for _, pause := range []time.Duration{20, 40, 80, 160, 320, 600, 600} {
		w.clock.Advance(11 * time.Minute)
		_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
		require.Equal(t, http.StatusBadGateway, errAs[*issuer.UpstreamError](t, err).Status)
		_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
		requireSuspect(t, err, pause*time.Second)
	}
	w.fault(nil)
	w.clock.Advance(11 * time.Minute)
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	require.Zero(t, w.told(issuer.NoticeGrantDead))
}

// The grant is suspect, and the next request asks for something that is never given. The
// provider is asked first for what worked, which ends the suspicion.
//
// proves P5
func TestSuspicionIsNotConfirmedByARefusedScope(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	w.fault(func(optest.FaultPoint) optest.Fault { return optest.Fault{Refuse: "invalid_grant"} })
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	requireSuspect(t, err, 10*time.Second)
	w.clock.Advance(time.Minute)
	var asked [][]string
	refuse := refuseScope("storage.read", new(atomic.Int64))
	w.fault(func(at optest.FaultPoint) optest.Fault {
		asked = append(asked, at.Scopes)
		return refuse(at)
	})
	r := await(t, w.start(t.Context(), w.issuer, issuer.AccessTokenRequest{Scopes: []string{"storage.read"}}))
	require.Equal(t, http.StatusBadRequest, errAs[*issuer.UpstreamError](t, r.err).Status)
	require.Equal(t, [][]string{{"compute"}, {"storage.read"}}, asked, "first what worked")
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	w.requireCharged(t, 2)
	require.Zero(t, w.told(issuer.NoticeGrantDead))
	require.Zero(t, w.reuses())
}

// INDIGO IAM calls a refresh token that it does not know any more invalid_token. The user
// is asked to log in again all the same.
//
// proves P5
func TestInvalidTokenEndsTheLogin(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9})
	w.fault(func(optest.FaultPoint) optest.Fault {
		return optest.Fault{Refuse: "invalid_token", RefuseText: "Refresh token for value eyJhbGciOiJub25lIn0. was not found"}
	})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	requireSuspect(t, err, 10*time.Second)
	w.clock.Advance(10 * time.Second)
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	errAs[*issuer.ReconnectError](t, err)
	require.Equal(t, 1, w.told(issuer.NoticeGrantDead))
	w.requireCharged(t, 0)
}

// A provider that names consent as the reason of its invalid_grant is asked once. A
// sibling does not notice.
//
// proves P3, P5
func TestConsentRequiredDoesNotEndTheLogin(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	w.failOnce(optest.Fault{Refuse: "invalid_grant", RefuseMore: map[string]any{"suberror": "consent_required"}})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	up := errAs[*issuer.UpstreamError](t, err)
	require.Equal(t, http.StatusBadRequest, up.Status)
	require.Equal(t, "consent_required", up.Code)
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	w.requireCharged(t, 1)
	require.Zero(t, w.told(issuer.NoticeGrantSuspect))
}

// The login was ended at the provider because its token was revoked here. The holder
// learns the cause and is not asked to wait.
//
// proves P4
func TestRevokedTokenIsNotSuspect(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	var once sync.Once
	w.fault(func(optest.FaultPoint) optest.Fault {
		once.Do(func() {
			_, err := w.inner.Revoke(t.Context(), store.Revocation{Token: w.id, Now: store.At(w.clock.Now())})
			require.NoError(t, err)
		})
		return optest.Fault{Refuse: "invalid_grant"}
	})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.Equal(t, issuer.TokenRevoked, errAs[*issuer.TokenError](t, err).Reason)
}

// A child's scope works, and then the user takes the consent for it back. It was the last
// one that worked, and its holder goes on asking. The login goes on for everybody else, and
// the scope may be given again.
//
// proves P3, P5
func TestScopeThatWorkedLastDoesNotEndTheLogin(t *testing.T) {
	for _, never := range []bool{false, true} {
		for _, code := range []string{"invalid_grant", "invalid_scope"} {
			t.Run(fmt.Sprintf("never rotates=%t, %s", never, code), func(t *testing.T) {
				w := suspectWorld(t, never)
				child, err := w.issuer.Derive(t.Context(), issuer.DeriveRequest{Token: w.token, Client: client})
				require.NoError(t, err)
				one := func() error {
					return await(t, w.start(t.Context(), w.issuer, issuer.AccessTokenRequest{Token: child.Token, Scopes: []string{"storage.read"}})).err
				}
				require.NoError(t, one())
				used := int64(1)
				for range 4 {
					w.fault(func(at optest.FaultPoint) optest.Fault {
						if slices.Contains(at.Scopes, "storage.read") && len(at.Scopes) == 1 {
							return optest.Fault{Refuse: code}
						}
						return optest.Fault{}
					})
					up := errAs[*issuer.UpstreamError](t, one())
					require.Equal(t, http.StatusBadRequest, up.Status)
					require.Equal(t, "invalid_scope", up.Code)
					_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
					require.NoError(t, err, "a sibling")
					used++
					w.requireCharged(t, used)
					w.fault(nil)
					w.clock.Advance(11 * time.Minute)
					require.NoError(t, one())
					used++
				}
				require.Zero(t, w.told(issuer.NoticeGrantSuspect)+w.told(issuer.NoticeGrantDead))
				require.Zero(t, w.reuses())
			})
		}
	}
}

// The user is disabled for a while, and meanwhile the provider gave up the scope that
// worked last. It does not keep the others from a login that works.
//
// proves P3, P5
func TestSuspicionEndsWithoutTheScopeThatWorkedLast(t *testing.T) {
	for _, code := range []string{"invalid_grant", "invalid_scope"} {
		for _, only := range []string{"", "compute"} { // what the provider gives: everything but the scope, or this one alone
			t.Run(code+" "+only, func(t *testing.T) {
				w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
				r := await(t, w.start(t.Context(), w.issuer, issuer.AccessTokenRequest{Scopes: []string{"storage.read"}}))
				require.NoError(t, r.err)
				w.fault(func(optest.FaultPoint) optest.Fault { return optest.Fault{Refuse: "invalid_grant"} })
				_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
				requireSuspect(t, err, 10*time.Second)
				w.clock.Advance(time.Minute)
				w.fault(func(at optest.FaultPoint) optest.Fault {
					one := len(at.Scopes) == 1
					if one && at.Scopes[0] == "storage.read" || only != "" && !(one && at.Scopes[0] == only) {
						return optest.Fault{Refuse: code}
					}
					return optest.Fault{}
				})
				for range 3 {
					_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
					require.NoError(t, err)
				}
				w.requireCharged(t, 4)
				require.Zero(t, w.told(issuer.NoticeGrantDead))
				require.Zero(t, w.reuses())
			})
		}
	}
}
