package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
)

// withoutExplain makes a server of this SDK one that does not explain refusals.
func withoutExplain(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorded := httptest.NewRecorder()
		h.ServeHTTP(recorded, r)
		body := recorded.Body.Bytes()
		var object map[string]any
		if json.Unmarshal(body, &object) == nil {
			delete(object, "mytoken_explanation")
			delete(object, "restricted_by")
			if object["tokeninfo_endpoint_actions_supported"] != nil {
				object["tokeninfo_endpoint_actions_supported"] = []string{"introspect"}
			}
			body, _ = json.Marshal(object)
		}
		maps.Copy(w.Header(), recorded.Header())
		w.Header().Del("Retry-After")
		w.Header().Del("Content-Length")
		w.WriteHeader(recorded.Code)
		_, _ = bytes.NewReader(body).WriteTo(w)
	})
}

// explainers are servers by what they tell.
var explainers = map[string]func(*setup){
	"instants": func(o *setup) { o.explanations = rest.ExplainClauses },
	"keys":     func(o *setup) { o.explanations = rest.ExplainKeys },
	"nothing":  func(o *setup) { o.wrap = withoutExplain },
}

// A holder waits until the same use is admitted, not a second less, and spends nothing.
// It can do so at every server, with and without the right to ask it, and with a token of
// which all clauses begin later.
//
// proves P10
func TestWaitUntilAdmitted(t *testing.T) {
	for name, server := range explainers {
		for _, may := range []capability.Set{everything, atOnly} {
			for _, all := range []bool{true, false} {
				t.Run(name, func(t *testing.T) {
					s := start(t, server)
					later := s.Clock.Now().Add(3*time.Hour + 17*time.Second).Truncate(time.Second)
					list := restriction.List{
						{NotBefore: later.Add(time.Hour).Unix(), Scopes: []string{"storage.read"}},
						{NotBefore: later.Unix(), Scopes: []string{"storage.read"}, UsagesAT: restriction.Usages(1)},
					}
					if !all {
						list = append(list, restriction.Clause{Scopes: []string{"compute"}})
					}
					h := s.client.NewHolder(client.NewMemoryStore(s.token(mytoken.Properties{Capabilities: may, Restrictions: list})))
					use := []string{"storage.read"}
					_, err := h.AccessToken(t.Context(), client.AccessTokenRequest{Scopes: use})
					require.Error(t, err)

					if !all {
						now := s.Clock.Now()
						require.NoError(t, h.WaitUntilAdmitted(t.Context(), client.ExplainRequest{Scopes: []string{"compute"}}))
						require.Equal(t, now, s.Clock.Now(), "it is admitted already")
					}
					require.NoError(t, h.WaitUntilAdmitted(t.Context(), client.ExplainRequest{Scopes: use}))
					require.Equal(t, later.Unix(), s.Clock.Now().Unix())
					_, err = h.AccessToken(t.Context(), client.AccessTokenRequest{Scopes: use})
					require.NoError(t, err, "it has spent nothing")
				})
			}
		}
	}
}

// A holder does not wait for what never comes, and says which key refuses.
//
// proves P10
func TestWaitForNothing(t *testing.T) {
	for name, server := range explainers {
		t.Run(name, func(t *testing.T) {
			s := start(t, server)
			now := s.Clock.Now()
			for _, c := range []struct {
				list  restriction.List
				spend bool
				asked []string
				key   string
				told  bool // only the server knows
			}{
				{list: restriction.List{{Scopes: []string{"compute"}}}, asked: []string{"storage.read"}, key: restriction.KeyScope},
				{list: restriction.List{{UsagesAT: restriction.Usages(1)}}, spend: true, key: restriction.KeyUsagesAT},
				{list: restriction.List{
					{Expires: now.Add(time.Minute).Unix(), Scopes: []string{"compute"}}, {NotBefore: now.Add(9 * time.Hour).Unix(), Scopes: []string{"storage.read"}},
				}, asked: []string{"compute"}, key: restriction.KeyExpires},
				{list: restriction.List{{Hosts: []string{"192.0.2.1"}}}, key: restriction.KeyHosts, told: true},
				{list: restriction.List{{Hosts: []string{"192.0.2.1"}, NotBefore: now.Add(time.Hour).Unix()}, {Scopes: []string{"compute"}}},
					asked: []string{"storage.read"}, key: restriction.KeyHosts, told: true},
			} {
				h := s.client.NewHolder(client.NewMemoryStore(s.token(mytoken.Properties{Restrictions: c.list})))
				if c.spend {
					_, err := h.AccessToken(t.Context(), client.AccessTokenRequest{})
					require.NoError(t, err)
				}
				if c.key == restriction.KeyExpires {
					s.Clock.Advance(2 * time.Minute)
				}
				if c.told && name == "nothing" {
					continue // it takes hosts for granted
				}
				begin := s.Clock.Now()
				err := h.WaitUntilAdmitted(t.Context(), client.ExplainRequest{Scopes: c.asked})
				var never *client.NeverAdmittedError
				require.ErrorAs(t, err, &never, "%s", c.list)
				require.Contains(t, never.Keys, c.key)
				require.ErrorContains(t, err, c.key)
				require.Equal(t, begin, s.Clock.Now(), "it has waited")
			}
		})
	}
}

// The mytoken expires before the use is admitted, or is not there, or was revoked.
func TestWaitEnds(t *testing.T) {
	s := start(t, nil)
	now := s.Clock.Now()
	store := client.NewMemoryStore(mytoken.Secret{})
	h := s.client.NewHolder(store)
	require.ErrorIs(t, h.WaitUntilAdmitted(t.Context(), client.ExplainRequest{}), client.ErrNoToken)

	token := s.token(mytoken.Properties{
		Rotation:     &mytoken.Rotation{OnAT: true, Lifetime: 3600},
		Restrictions: restriction.List{{Scopes: []string{"compute"}}, {NotBefore: now.Add(2 * time.Hour).Unix(), Scopes: []string{"storage.read"}}},
	})
	require.NoError(t, store.Save(t.Context(), token))
	var never *client.NeverAdmittedError
	require.ErrorAs(t, h.WaitUntilAdmitted(t.Context(), client.ExplainRequest{Scopes: []string{"storage.read"}}), &never)
	require.Equal(t, []string{restriction.KeyExpires}, never.Keys, "its generation lives for an hour")

	require.NoError(t, s.client.Revoke(t.Context(), token, true))
	err := h.WaitUntilAdmitted(t.Context(), client.ExplainRequest{Scopes: []string{"compute"}})
	require.True(t, client.IsCode(err, client.CodeInvalidToken), "%v", err)
	require.Error(t, h.WaitUntilAdmitted(t.Context(), client.ExplainRequest{At: now}))
}

// watchedClock jumps like stepClock. It calls a function before each wait.
type watchedClock struct {
	*mytokentest.Clock
	before func(d time.Duration)
}

func (c *watchedClock) After(d time.Duration) <-chan time.Time {
	c.before(d)
	return stepClock{c.Clock}.After(d)
}

// Long waits are made of short ones, because clocks are set and machines sleep. A new
// mytoken in the store, and the end of the context, end the wait.
func TestWaitInNaps(t *testing.T) {
	clock := &watchedClock{}
	s := start(t, func(o *setup) { o.client = func(c *client.Config) { c.Clock = clock } })
	clock.Clock = s.Clock
	later := restriction.List{{Scopes: []string{"compute"}}, {NotBefore: s.Clock.Now().Add(24 * time.Hour).Unix(), Scopes: []string{"storage.read"}}}
	store := client.NewMemoryStore(s.token(mytoken.Properties{Restrictions: later}))
	h := s.client.NewHolder(store)
	ask := client.ExplainRequest{Scopes: []string{"storage.read"}}
	naps := 0
	clock.before = func(d time.Duration) {
		require.LessOrEqual(t, d, 30*time.Second)
		if naps++; naps == 5 { // somebody sets the clock
			s.Clock.Advance(20 * time.Hour)
		}
	}
	require.NoError(t, h.WaitUntilAdmitted(t.Context(), ask))
	require.InDelta(t, 4*60*2, naps, 10)

	later[1].NotBefore = s.Clock.Now().Add(24 * time.Hour).Unix()
	require.NoError(t, store.Save(t.Context(), s.token(mytoken.Properties{Restrictions: later})))
	naps, clock.before = 0, func(time.Duration) {
		if naps++; naps == 3 {
			require.NoError(t, store.Save(t.Context(), s.token(mytoken.Properties{})))
		}
	}
	require.NoError(t, h.WaitUntilAdmitted(t.Context(), ask))
	require.Equal(t, 3, naps)

	require.NoError(t, store.Save(t.Context(), s.token(mytoken.Properties{Restrictions: later})))
	ctx, cancel := context.WithCancel(t.Context())
	clock.before = func(time.Duration) { cancel() }
	err := h.WaitUntilAdmitted(ctx, ask)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "wait until the mytoken is admitted")
}

// A short token cannot be read. The server says what it is, or nobody knows.
func TestWaitWithAShortToken(t *testing.T) {
	for name, server := range explainers {
		s := start(t, server)
		later := s.Clock.Now().Add(time.Hour)
		short := func(may capability.Set) *client.Holder {
			list := restriction.List{{Scopes: []string{"compute"}}, {NotBefore: later.Unix(), Scopes: []string{"storage.read"}}}
			parent := s.token(mytoken.Properties{Restrictions: list})
			child, err := s.client.Derive(t.Context(), parent, client.DeriveRequest{
				Properties: mytoken.Properties{Capabilities: may}, Response: mytoken.Response{Type: mytoken.ResponseShortToken},
			})
			require.NoError(t, err)
			return s.client.NewHolder(client.NewMemoryStore(child.Token))
		}
		ask := client.ExplainRequest{Scopes: []string{"storage.read"}}
		require.True(t, client.IsCode(short(atOnly).WaitUntilAdmitted(t.Context(), ask), client.CodeInsufficientCapabilities), name)
		require.NoError(t, short(everything).WaitUntilAdmitted(t.Context(), ask))
		require.Equal(t, later.Unix(), s.Clock.Now().Unix(), name)
	}
}

// aheadClock is ahead of the server's clock.
type aheadClock struct{ stepClock }

func (c aheadClock) Now() time.Time { return c.stepClock.Now().Add(10 * time.Second) }

// A server that explains decides what time it is.
func TestWaitWithAClockAhead(t *testing.T) {
	for name, server := range explainers {
		if name == "nothing" {
			continue
		}
		clock := &aheadClock{}
		s := start(t, func(o *setup) {
			server(o)
			o.client = func(c *client.Config) { c.Clock = clock }
		})
		clock.stepClock = stepClock{s.Clock}
		later := s.Clock.Now().Add(time.Hour)
		h := s.client.NewHolder(client.NewMemoryStore(s.token(mytoken.Properties{Restrictions: restriction.List{{NotBefore: later.Unix()}}})))
		require.NoError(t, h.WaitUntilAdmitted(t.Context(), client.ExplainRequest{}))
		_, err := h.AccessToken(t.Context(), client.AccessTokenRequest{})
		require.NoError(t, err, name)
	}
}
