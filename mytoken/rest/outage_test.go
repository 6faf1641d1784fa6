package rest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// internals is what no client may see of a failure.
const internals = "dial tcp 10.9.8.7:5432: marker"

var (
	errAway = fmt.Errorf("%w: %s: connection refused", store.ErrUnavailable, internals)
	errLost = errors.New(internals + ": connection reset by peer")
)

// awayFrom makes the store go away at the nth point of its steps, from 1. A step that has
// begun loses its answer, and any later one certainly does nothing. gone reports whether
// that point was reached.
func awayFrom(n int) (fault func(storetest.Call) error, gone func() bool) {
	var mu sync.Mutex
	return func(c storetest.Call) error {
			mu.Lock()
			defer mu.Unlock()
			n--
			switch {
			case n > 0:
				return nil
			case c.Before:
				return errAway
			case n == 0:
				return errLost
			}
			return nil
		}, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return n <= 0
		}
}

// storeService is a service whose store can go away.
type storeService struct {
	*service
	store *storetest.Faulty
}

func startStore(t testing.TB, changes ...func(*setup)) *storeService {
	faulty := storetest.NewFaulty(memstore.New(), nil)
	s := start(t, append([]func(*setup){oneLog, trustsTheApp, func(o *setup) {
		o.Store, o.level = faulty, slog.LevelInfo
		o.rest.Clients = []rest.Client{{ID: "service", Secret: mytoken.NewSecret("password-of-the-service-0123456789")}}
	}}, changes...)...)
	return &storeService{s, faulty}
}

// counted has limits, so that each use counts.
func (s *storeService) counted() *mytoken.Issued {
	return s.issued("alice", mytoken.Properties{Restrictions: restriction.List{
		{UsagesAT: restriction.Usages(50), UsagesOther: restriction.Usages(50), Scopes: []string{"openid", "compute"}},
	}})
}

// ask is a request of one route. It prepares what the request needs while the store
// works, and returns the request. The request uses the token.
type ask func(s *storeService, token *mytoken.Issued) func() *reply

// asks are requests of all routes that need the store, by method and path. Some routes
// have several.
var asks = map[string]ask{
	"POST /api/v0/token/my native": func(s *storeService, _ *mytoken.Issued) func() *reply {
		return func() *reply { return s.startFrom("", nil) }
	},
	"POST /api/v0/token/my web": func(s *storeService, _ *mytoken.Issued) func() *reply { return s.startsLogin },
	"POST /api/v0/token/my derive": func(s *storeService, token *mytoken.Issued) func() *reply {
		return func() *reply { return s.derive(token.Token.Reveal(), m{"capabilities": []string{"AT"}}) }
	},
	"POST /api/v0/token/my poll": func(s *storeService, _ *mytoken.Issued) func() *reply {
		consent, polling := s.startNative(nil)
		b := s.browser()
		b.login(b.approve(consent, nil), "alice")
		return func() *reply { return s.poll(polling) }
	},
	"POST /api/v0/token/my transfer": func(s *storeService, token *mytoken.Issued) func() *reply {
		code := s.object(s.post("/api/v0/token/transfer", m{"mytoken": token.Token.Reveal()}), 200)["transfer_code"]
		return func() *reply {
			return s.post("/api/v0/token/my", m{"grant_type": "transfer_code", "transfer_code": code})
		}
	},
	"POST /api/v0/token/access": func(s *storeService, token *mytoken.Issued) func() *reply {
		return func() *reply { return s.access(token.Token.Reveal(), nil) }
	},
	"POST /api/v0/token/transfer": func(s *storeService, token *mytoken.Issued) func() *reply {
		return func() *reply { return s.post("/api/v0/token/transfer", m{"mytoken": token.Token.Reveal()}) }
	},
	"POST /api/v0/token/revoke": func(s *storeService, token *mytoken.Issued) func() *reply {
		child := s.child(token, mytoken.Properties{})
		return func() *reply { return s.post("/api/v0/token/revoke", m{"token": child.Token.Reveal()}) }
	},
	"POST /api/v0/token/revoke code": func(s *storeService, _ *mytoken.Issued) func() *reply {
		_, polling := s.startNative(nil)
		return func() *reply { return s.post("/api/v0/token/revoke", m{"token": polling}) }
	},
	"POST /api/v0/token/revoke other": func(s *storeService, token *mytoken.Issued) func() *reply {
		child := s.child(token, mytoken.Properties{})
		return func() *reply {
			return s.post("/api/v0/token/revoke", m{"token": token.Token.Reveal(), "mom_id": child.ID.String()})
		}
	},
	"POST /api/v0/tokeninfo":             info("introspect"),
	"POST /api/v0/tokeninfo history":     info("event_history"),
	"POST /api/v0/tokeninfo subtree":     info("subtokens"),
	"POST /api/v0/tokeninfo list":        info("list_mytokens"),
	"POST /api/v0/tokeninfo explain":     info("explain"),
	"GET /api/v0/settings/grants":        grants(http.MethodGet),
	"POST /api/v0/settings/grants":       grants(http.MethodPost),
	"DELETE /api/v0/settings/grants":     grants(http.MethodDelete),
	"GET /api/v0/settings/tags":          tags(http.MethodGet, "settings/tags"),
	"POST /api/v0/settings/tags/{tag}":   tags(http.MethodPost, "settings/tags/a"),
	"PUT /api/v0/settings/tags/{tag}":    tags(http.MethodPut, "settings/tags/a"),
	"DELETE /api/v0/settings/tags/{tag}": tags(http.MethodDelete, "settings/tags/a"),
	"POST /api/v0/token/my/tags":         tags(http.MethodPost, "token/my/tags"),
	"DELETE /api/v0/token/my/tags":       tags(http.MethodDelete, "token/my/tags"),
	"POST /oauth/token": func(s *storeService, token *mytoken.Issued) func() *reply {
		return func() *reply {
			return s.form("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.Token.Reveal()}})
		}
	},
	"POST /oauth/token exchange": func(s *storeService, token *mytoken.Issued) func() *reply {
		return func() *reply {
			return s.form("/oauth/token", url.Values{
				"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {token.Token.Reveal()}, "scope": {"compute"},
				"subject_token_type":   {"urn:ietf:params:oauth:token-type:refresh_token"},
				"requested_token_type": {"urn:ietf:params:oauth:token-type:refresh_token"},
			})
		}
	},
	"POST /oauth/revoke": func(s *storeService, token *mytoken.Issued) func() *reply {
		child := s.child(token, mytoken.Properties{})
		return func() *reply { return s.form("/oauth/revoke", url.Values{"token": {child.Token.Reveal()}}) }
	},
	"POST /oauth/introspect": func(s *storeService, token *mytoken.Issued) func() *reply {
		return func() *reply {
			return s.form("/oauth/introspect", url.Values{
				"token": {token.Token.Reveal()}, "client_id": {"service"}, "client_secret": {"password-of-the-service-0123456789"},
			})
		}
	},
	"POST /c": func(s *storeService, token *mytoken.Issued) func() *reply {
		return func() *reply {
			return s.post("/c", m{
				"grant_type": "mytoken", "mytoken": token.Token.Reveal(), "oidc_issuer": s.Provider.Issuer(), "capabilities": []string{"AT"},
			})
		}
	},
	"GET /c/{code}": func(s *storeService, _ *mytoken.Issued) func() *reply {
		consent, _ := s.startNative(nil)
		return func() *reply { return s.browser().open(consent) }
	},
	"POST /c/{code}": func(s *storeService, _ *mytoken.Issued) func() *reply {
		consent, _ := s.startNative(nil)
		return func() *reply {
			return s.browser().script(http.MethodPost, consent, encode(s.t, m{"oidc_issuer": s.Provider.Issuer()}))
		}
	},
	"GET /api/v0/consent/{code}": func(s *storeService, _ *mytoken.Issued) func() *reply {
		consent, _ := s.startNative(nil)
		return func() *reply { return s.browser().script(http.MethodGet, scripted(consent), "") }
	},
	"POST /api/v0/consent/{code}": func(s *storeService, _ *mytoken.Issued) func() *reply {
		consent, _ := s.startNative(nil)
		return func() *reply { return s.browser().script(http.MethodPost, scripted(consent), "{}") }
	},
	"POST /c/{code} decline": func(s *storeService, _ *mytoken.Issued) func() *reply {
		consent, _ := s.startNative(nil)
		b := s.browser()
		f := formOf(s.t, b.open(consent), "consent")
		return func() *reply { return b.send(f, "decision", "decline") }
	},
	"GET /login/{login}": func(s *storeService, _ *mytoken.Issued) func() *reply {
		consent, _ := s.startNative(nil)
		b := s.browser()
		back, err := optest.Login(s.t.Context(), b.approve(consent, nil), "alice")
		require.NoError(s.t, err)
		to, err := b.open(back).Location()
		require.NoError(s.t, err)
		return func() *reply { return b.open(to.String()) }
	},
	"GET /manage": managing(func(b *browser, _ string) func() *reply { return func() *reply { return b.click(b.URL + "/manage") } }),
	"GET /manage/token": managing(func(b *browser, id string) func() *reply {
		return func() *reply { return b.click(b.URL + "/manage/token" + id) }
	}),
	"GET /manage/revoke": managing(func(b *browser, id string) func() *reply {
		return func() *reply { return b.click(b.URL + "/manage/revoke" + id) }
	}),
	"GET /manage/create": managing(func(b *browser, _ string) func() *reply {
		return func() *reply { return b.click(b.URL + "/manage/create") }
	}),
	"POST /manage/revoke": managing(func(b *browser, id string) func() *reply {
		f := formOf(b.t, b.page("/manage/revoke"+id), "revoke-form")
		return func() *reply { return b.send(f, "", "") }
	}),
	"POST /manage/tag": managing(func(b *browser, id string) func() *reply {
		f := formOf(b.t, b.page("/manage/token"+id), "tag-form")
		f.values.Set("tag", "a")
		return func() *reply { return b.send(f, "", "") }
	}),
	"GET /manage/revoke-tagged": tagging(func(b *browser) *reply { return b.click(b.URL + "/manage/revoke-tagged?tag=a") }),
	"POST /manage/revoke-tagged": tagging(func(b *browser) *reply {
		return b.send(&form{method: http.MethodPost, action: b.URL + "/manage/revoke-tagged", values: url.Values{"tag": {"a"}}}, "", "")
	}),
	"POST /manage/create": managing(func(b *browser, _ string) func() *reply {
		f := formOf(b.t, b.page("/manage/create"), "create-form")
		return func() *reply { return b.send(f, "decision", "create") }
	}),
	"POST /manage/logout": managing(func(b *browser, _ string) func() *reply {
		return func() *reply { return b.send(&form{method: http.MethodPost, action: b.URL + "/manage/logout"}, "", "") }
	}),
	"POST /manage/login": func(s *storeService, _ *mytoken.Issued) func() *reply {
		b := s.browser()
		f := formOf(s.t, b.click(s.URL+"/manage"), "login")
		return func() *reply { return b.send(f, "provider", s.Provider.Issuer()) }
	},
}

func info(action string) ask {
	return func(s *storeService, token *mytoken.Issued) func() *reply {
		return func() *reply { return s.info(action, token.Token.Reveal(), nil) }
	}
}

func grants(method string) ask {
	return func(s *storeService, token *mytoken.Issued) func() *reply {
		return func() *reply {
			body := ""
			if method != http.MethodGet {
				body = `{"grant_type":"ssh"}`
			}
			return s.do(method, "/api/v0/settings/grants", body, "Authorization", "Bearer "+token.Token.Reveal())
		}
	}
}

// tags creates the tag a, and changes it.
func tags(method, path string) ask {
	return func(s *storeService, token *mytoken.Issued) func() *reply {
		bearer := []string{"Authorization", "Bearer " + token.Token.Reveal()}
		require.Equal(s.t, 204, s.do(http.MethodPost, "/api/v0/settings/tags/a", "{}", bearer...).StatusCode)
		return func() *reply {
			body := ""
			if method != http.MethodGet {
				body = `{"tag":"a","color":"000000"}`
			}
			return s.do(method, "/api/v0/"+path, body, bearer...)
		}
	}
}

// tagging asks with a session of a user who has a token with the tag a.
func tagging(send func(b *browser) *reply) ask {
	return func(s *storeService, token *mytoken.Issued) func() *reply {
		alice, err := s.Issuer.Owner(s.Provider.Issuer(), "alice")
		require.NoError(s.t, err)
		require.NoError(s.t, alice.TagToken(s.t.Context(), token.ID, mytoken.Tag{Name: "a"}))
		b := s.manager("alice")
		return func() *reply { return send(b) }
	}
}

func managing(prepare func(b *browser, id string) func() *reply) ask {
	return func(s *storeService, token *mytoken.Issued) func() *reply {
		return prepare(s.manager("alice"), queryID(token.ID))
	}
}

// withoutStore are the routes that answer without the store.
func withoutStore(route string) bool {
	method, path, _ := strings.Cut(route, " ")
	return strings.HasPrefix(path, "/.well-known/") || strings.HasPrefix(path, "/static/") || strings.HasPrefix(path, "/native") ||
		slices.Contains([]string{"/jwks", "/home", "/{$}", "/api/v0/settings", "/api/v0/capabilities", "/redirect/{provider}", "/redirect", "/c", "/c/{$}", "/manage/login"}, path) && method == http.MethodGet ||
		strings.HasPrefix(path, "/api/v0/pt")
}

// retryLater checks that an answer says when to try again, and that it is the service
// that is not available. It returns false for any other answer.
func (s *storeService) retryLater(r *reply) bool {
	s.t.Helper()
	if r.StatusCode != http.StatusServiceUnavailable {
		return false
	}
	wait, err := strconv.Atoi(r.Header.Get("Retry-After"))
	require.NoError(s.t, err, r.text)
	assert.Positive(s.t, wait)
	if r.Header.Get("Content-Type") == "application/json" {
		assert.Equal(s.t, "temporarily_unavailable", s.object(r, 503)["error"])
	}
	return true
}

// TestStoreAway: while the store is away, every endpoint says so, and when to try again.
// The log has one line with the cause, and one when the store is back.
//
// proves P2, P9.
func TestStoreAway(t *testing.T) {
	s := startStore(t)
	var sent []func() *reply
	for _, name := range slices.Sorted(maps.Keys(asks)) {
		sent = append(sent, asks[name](s, s.counted()))
	}
	s.store.Reset(func(c storetest.Call) error {
		if c.Before {
			return errAway
		}
		return nil
	})
	for _, send := range sent {
		r := send()
		what := r.Request.Method + " " + r.Request.URL.Path
		assert.True(t, s.retryLater(r), "%s: %d %s", what, r.StatusCode, r.text)
		s.showsNothing(r)
	}
	_, err := s.Issuer.Sweep(t.Context(), 1000)
	require.Error(t, err)
	s.store.Reset(nil)
	s.object(s.introspect(s.counted().Token.Reveal()), 200)

	var told []m
	for _, line := range s.Log.lines(t) {
		if line["kind"] == "store_unavailable" || line["kind"] == "store_available" || line["level"] == "ERROR" {
			told = append(told, line)
		}
	}
	require.Len(t, told, 2, "%v", told)
	assert.Equal(t, "ERROR", told[0]["level"])
	assert.Equal(t, errAway.Error(), told[0]["error"])
	assert.Len(t, told[0]["request"], 24)
	assert.Equal(t, "INFO", told[1]["level"])
	assert.GreaterOrEqual(t, told[1]["failures"], float64(len(sent)+1))
	assert.Equal(t, 2, strings.Count(s.Log.String(), internals), "the begin and the end of the outage")

	handler := s.http.Config.Handler.(*rest.Handler)
	for _, route := range handler.Routes() {
		asked := slices.ContainsFunc(slices.Collect(maps.Keys(asks)), func(name string) bool {
			return name == route || strings.HasPrefix(name, route+" ")
		})
		notBuilt := strings.Contains(encode(t, s.do(strings.Fields(route)[0], strings.Fields(route)[1], "").text), "not_yet_implemented")
		assert.True(t, asked || notBuilt || withoutStore(route), "no request for %s", route)
	}
}

// TestStoreReads: a store that reads and does not write takes no use, so a client may try
// again. The log takes it for one outage, although every other step works.
//
// proves P2, P3.
func TestStoreReads(t *testing.T) {
	s := startStore(t)
	token := s.counted()
	var sent []func() *reply
	for _, name := range slices.Sorted(maps.Keys(asks)) {
		sent = append(sent, asks[name](s, token))
	}
	before := s.used(token)
	reads := []string{"Lookup", "Token", "Grant", "ResolveTicket", "List", "Count", "Subtree", "Events", "Processes"}
	s.store.Reset(func(c storetest.Call) error {
		if c.Before && !slices.Contains(reads, c.Method) {
			return errAway
		}
		return nil
	})
	for _, send := range sent {
		if r := send(); r.StatusCode >= 400 {
			assert.True(t, s.retryLater(r), "%s %s: %d %s", r.Request.Method, r.Request.URL.Path, r.StatusCode, r.text)
		}
	}
	s.store.Reset(nil)
	assert.Equal(t, before, s.used(token))
	s.object(s.info("introspect", token.Token.Reveal(), nil), 200) // writes
	var kinds []any
	for _, line := range s.Log.lines(t) {
		if line["kind"] == "store_unavailable" || line["kind"] == "store_available" || line["level"] == "ERROR" {
			kinds = append(kinds, line["kind"])
		}
	}
	assert.Equal(t, []any{"store_unavailable", "store_available"}, kinds)
}

// showsNothing checks that an answer shows nothing of the failure behind it.
func (s *storeService) showsNothing(r *reply) {
	s.t.Helper()
	text := fmt.Sprint(r.Header) + inlineFile.ReplaceAllString(r.text, "")
	for _, secret := range []string{internals, "10.9.8.7", "connection re", "store:", "issuer:"} {
		assert.NotContains(s.t, text, secret, "%s %s", r.Request.Method, r.Request.URL.Path)
	}
}

// TestRetryAfterCostsNothing: the store goes away at each point of each request. An
// answer that invites the client to try again has charged nothing. No answer blames the
// provider, calls a token unknown, or shows what happened.
//
// proves P2, P3, P9.
func TestRetryAfterCostsNothing(t *testing.T) {
	for name, prepare := range asks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startStore(t, impatient, func(o *setup) { o.Provider.Rotation = optest.RotateOn })
			for n := 1; ; n++ {
				require.Less(t, n, 100)
				token := s.counted()
				send := prepare(s, token)
				before := s.used(token)
				fault, gone := awayFrom(n)
				s.store.Reset(fault)
				r := send()
				s.store.Reset(nil)
				s.showsNothing(r)
				if !gone() {
					assert.Less(t, r.StatusCode, 400, r.text)
					break
				}
				if s.retryLater(r) {
					assert.Equal(t, before, s.used(token), "at point %d: %s", n, r.text)
				} else if r.StatusCode >= 400 {
					assert.Contains(t, []int{500, 555}, r.StatusCode, "at point %d: %s", n, r.text)
					assert.NotContains(t, r.text, "oidc_error")
				}
			}
		})
	}
}

// used is how often the token was used.
func (s *storeService) used(token *mytoken.Issued) mytoken.Counter {
	s.t.Helper()
	got, err := s.Issuer.Inspect(s.t.Context(), issuer.InspectRequest{Token: token.Token})
	require.NoError(s.t, err)
	return got.Counters[0]
}

// impatient makes requests give up soon.
func impatient(o *setup) {
	o.Config = func(c *issuer.Config) { c.WaitLimit, c.InDoubtWait = 300*time.Millisecond, 10*time.Millisecond }
}

// TestStoreGoesAwayDuringTheCall: the store goes away while the provider answers with a
// new refresh token. The client does not hear that the provider failed.
//
// proves P5.
func TestStoreGoesAwayDuringTheCall(t *testing.T) {
	for _, limited := range []bool{true, false} {
		t.Run(fmt.Sprintf("limited=%t", limited), func(t *testing.T) {
			var s *storeService
			away := func(context.Context) {
				s.store.Reset(func(c storetest.Call) error {
					if c.Before {
						return errAway
					}
					return nil
				})
			}
			s = startStore(t, func(o *setup) {
				o.Provider.Rotation = optest.RotateStrict
				o.Provider.Faults = func(p optest.FaultPoint) optest.Fault {
					if p.Endpoint == optest.EndpointRefresh && p.Call == 1 {
						return optest.Fault{WaitAfter: away}
					}
					return optest.Fault{}
				}
			}, impatient)
			token := s.issued("alice", mytoken.Properties{})
			if limited {
				token = s.counted()
			}
			r := s.access(token.Token.Reveal(), nil)
			s.showsNothing(r)
			if limited { // the use stays charged
				s.fails(r, 500, "internal_server_error", "request "+r.Header.Get("X-Request-Id"))
			} else {
				assert.True(t, s.retryLater(r), "%d %s", r.StatusCode, r.text)
			}
			s.store.Reset(nil)
			assert.Eventually(t, func() bool { return s.access(token.Token.Reveal(), nil).StatusCode == 200 }, 10*time.Second, 20*time.Millisecond, "the new refresh token is kept")
		})
	}
}
