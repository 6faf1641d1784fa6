package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
)

var aToken = mytoken.NewSecret("planted-mytoken-0123456789abcdefghijklmnop")

// The client repeats a request only where that is safe. A second request for an access
// token would be a second use, unless the first one certainly had no effect.
//
// proves P8
func TestRepeatedRequests(t *testing.T) {
	access := func(ctx context.Context, c *client.Client) error {
		_, err := c.AccessToken(ctx, aToken, client.AccessTokenRequest{})
		return err
	}
	introspect := func(ctx context.Context, c *client.Client) error {
		_, err := c.Introspect(ctx, aToken)
		return err
	}
	list := func(ctx context.Context, c *client.Client) error {
		_, err := c.List(ctx, aToken)
		return err
	}
	derive := func(ctx context.Context, c *client.Client) error {
		_, err := c.Derive(ctx, aToken, client.DeriveRequest{})
		return err
	}
	revoke := func(ctx context.Context, c *client.Client) error { return c.Revoke(ctx, aToken, true) }
	redeem := func(ctx context.Context, c *client.Client) error {
		_, err := c.Redeem(ctx, aToken)
		return err
	}
	status := func(status int, retryAfter string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			if retryAfter != "" {
				w.Header().Set("Retry-After", retryAfter)
			}
			refuse(w, status, client.CodeTemporarilyUnavailable)
		}
	}
	lost := func(w http.ResponseWriter) { w.Header().Set(hangUpHeader, "yes") }
	for name, c := range map[string]struct {
		call func(context.Context, *client.Client) error
		path string
		fail func(http.ResponseWriter)
		want int
	}{
		"access token, answer lost":            {access, "/access", lost, 1},
		"access token, 500":                    {access, "/access", status(500, ""), 1},
		"access token, 503":                    {access, "/access", status(503, ""), 1},
		"access token, 503 for a second":       {access, "/access", status(503, "1"), 4},
		"access token, 429":                    {access, "/access", status(429, ""), 4},
		"access token, 429 for an hour":        {access, "/access", status(429, "3600"), 1},
		"access token, 401":                    {access, "/access", status(401, ""), 1},
		"derive, answer lost":                  {derive, "/my", lost, 1},
		"redeem, answer lost":                  {redeem, "/my", lost, 1},
		"list, answer lost":                    {list, "/tokeninfo", lost, 1},
		"introspection, answer lost":           {introspect, "/tokeninfo", lost, 4},
		"introspection, 502":                   {introspect, "/tokeninfo", status(502, ""), 4},
		"introspection, 403":                   {introspect, "/tokeninfo", status(403, ""), 1},
		"revocation, answer lost":              {revoke, "/revoke", lost, 4},
		"revocation, 503 for a while, unusual": {revoke, "/revoke", status(503, "Fri, 31 Dec 1999 23:59:59 GMT"), 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { c.fail(w) }}
				require.Error(t, c.call(t.Context(), f.client(t, nil)))
				require.Equal(t, c.want, f.count(c.path))
			})
		})
	}
}

// A server that knows keys counts all requests with the same key once. So the client
// repeats a use there like any other request, always with the same key. If the server
// refuses the key, the client goes on with another one, once.
//
// proves P8
func TestRepeatedUses(t *testing.T) {
	calls := map[string]func(context.Context, *client.Client) error{
		"access token": func(ctx context.Context, c *client.Client) error {
			_, err := c.AccessToken(ctx, aToken, client.AccessTokenRequest{})
			return err
		},
		"derive": func(ctx context.Context, c *client.Client) error {
			_, err := c.Derive(ctx, aToken, client.DeriveRequest{})
			return err
		},
		"history": func(ctx context.Context, c *client.Client) error { _, err := c.History(ctx, aToken); return err },
		"subtree": func(ctx context.Context, c *client.Client) error { _, err := c.Subtree(ctx, aToken); return err },
		"list":    func(ctx context.Context, c *client.Client) error { _, err := c.List(ctx, aToken); return err },
		"revoke": func(ctx context.Context, c *client.Client) error {
			_, err := c.RevokeByID(ctx, aToken, mytoken.TokenID{1}, true)
			return err
		},
	}
	for name, call := range calls {
		for _, fault := range []struct {
			name        string
			fail        func(http.ResponseWriter)
			sent, drawn int
		}{
			{"answer lost", func(w http.ResponseWriter) { w.Header().Set(hangUpHeader, "yes") }, 4, 1},
			{"500", func(w http.ResponseWriter) { refuse(w, 500, "internal_server_error") }, 4, 1},
			{"502", func(w http.ResponseWriter) { refuse(w, 502, client.CodeOIDC) }, 4, 1},
			{"401", func(w http.ResponseWriter) { refuse(w, 401, client.CodeInvalidToken) }, 1, 1},
			{"422", func(w http.ResponseWriter) { refuse(w, 422, client.CodeInvalidRequest) }, 2, 2},
		} {
			t.Run(name+", "+fault.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sent, keys := 0, map[string]bool{}
					f := &fake{keys: true, answer: func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
						sent++
						keys[r.Header.Get("Idempotency-Key")] = true
						fault.fail(w)
					}}
					err := call(t.Context(), f.client(t, nil))
					require.Error(t, err)
					require.Equal(t, []int{fault.sent, fault.drawn}, []int{sent, len(keys)})
					for key := range keys {
						require.Regexp(t, `^"[0-9a-f]{32}"$`, key)
						require.NotContains(t, err.Error(), key[1:33])
					}
				})
			})
		}
	}
}

// A holder sends a use of a rotating token four times at most, or Config.Attempts times if
// that is more: its repetitions do not multiply those of the client.
//
// proves P8
func TestHolderRepeatsInAll(t *testing.T) {
	for _, c := range []struct {
		keys           bool
		attempts, want int
	}{{false, 0, 4}, {false, 1, 4}, {true, 0, 4}, {true, 1, 4}, {true, 2, 4}, {true, 3, 3}, {true, 8, 8}} {
		for name, fail := range map[string]func(http.ResponseWriter){
			"500":         func(w http.ResponseWriter) { refuse(w, 500, "internal_server_error") },
			"answer lost": func(w http.ResponseWriter) { w.Header().Set(hangUpHeader, "yes") },
		} {
			t.Run(fmt.Sprintf("%s, keys=%t, attempts=%d", name, c.keys, c.attempts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					keys := map[string]bool{}
					f := &fake{keys: c.keys, answer: func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
						keys[r.Header.Get("Idempotency-Key")] = true
						fail(w)
					}}
					h := f.client(t, func(cfg *client.Config) { cfg.Attempts = c.attempts }).NewHolder(client.NewMemoryStore(jwt(1, `{"on_AT":true}`)))
					_, err := h.AccessToken(t.Context(), client.AccessTokenRequest{})
					require.Error(t, err)
					require.Equal(t, c.want, f.count("/access"))
					require.Len(t, keys, 1)
				})
			})
		}
	}
}

// vault is a store that needs an access token of another mytoken to be read.
type vault struct {
	*client.MemoryStore
	door *client.Holder
}

func (v *vault) Load(ctx context.Context) (mytoken.Secret, error) {
	if _, err := v.door.AccessToken(ctx, client.AccessTokenRequest{}); err != nil {
		return mytoken.Secret{}, err
	}
	return v.MemoryStore.Load(ctx)
}

// A use that a store makes with the context of a use is another one, with its own key.
func TestUsesInsideAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keys []string
		f := &fake{keys: true, answer: func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
			if r.URL.Path == "/access" {
				keys = append(keys, r.Header.Get("Idempotency-Key"))
			}
			answer(w, http.StatusOK, map[string]any{"access_token": "at", "expires_in": 60})
		}}
		c := f.client(t, nil)
		store := &vault{client.NewMemoryStore(jwt(1, "null")), c.NewHolder(client.NewMemoryStore(jwt(2, "null")))}
		_, err := c.NewHolder(store).TokenSource(client.SourceOptions{}).Token()
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(keys), 2)
		slices.Sort(keys)
		require.Equal(t, len(keys), len(slices.Compact(keys)), "%q", keys)
	})
}

// While the server does not tell its endpoints, no use is made. So there is none to repeat,
// and a limited token loses nothing.
func TestHolderWithoutDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		c, err := client.New(client.Config{Issuer: fakeIssuer, HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) (int, any) {
			requests++
			return http.StatusInternalServerError, map[string]string{"error": "internal_server_error"}
		})}})
		require.NoError(t, err)
		_, err = c.NewHolder(client.NewMemoryStore(jwt(1, `{"on_AT":true}`))).AccessToken(t.Context(), client.AccessTokenRequest{})
		require.Error(t, err)
		require.Equal(t, 4, requests)
	})
}

// The client repeats a request that never reached the server, after growing pauses.
func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		c := f.client(t, func(cfg *client.Config) { cfg.Attempts = 8 })
		_, err := c.Metadata(t.Context())
		require.NoError(t, err)
		f.setDown(errRefused)
		begin := time.Now()
		_, err = c.AccessToken(t.Context(), aToken, client.AccessTokenRequest{})
		lost, ok := errors.AsType[*client.NetworkError](err)
		require.True(t, ok, "%v", err)
		require.False(t, lost.Sent)
		waited := time.Since(begin)
		require.Greater(t, waited, 15*time.Second)
		require.Less(t, waited, 32*time.Second)

		time.AfterFunc(5*time.Second, func() { f.setDown(nil) })
		_, err = c.AccessToken(t.Context(), aToken, client.AccessTokenRequest{})
		require.NoError(t, err)

		// The client gives up early if the context ends before the next attempt.
		f.setDown(errRefused)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begin = time.Now()
		_, err = c.AccessToken(ctx, aToken, client.AccessTokenRequest{})
		require.Error(t, err)
		require.Less(t, time.Since(begin), 2*time.Second)
	})
}

// Polling keeps the interval, slows down when told to, and goes on while the server is
// down.
func TestPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var polls []time.Duration
		begin := time.Now()
		f := &fake{}
		f.answer = func(w http.ResponseWriter, _ *http.Request, body map[string]any) {
			if body["grant_type"] == "oidc_flow" {
				answer(w, 200, map[string]any{"consent_uri": fakeIssuer + "/c/x", "polling_code": "planted-code", "expires_in": 600, "interval": 2})
				return
			}
			polls = append(polls, time.Since(begin))
			switch len(polls) {
			case 1, 2:
				refuse(w, 428, client.CodeAuthorizationPending)
			case 3:
				refuse(w, 400, client.CodeSlowDown)
			case 4:
				w.Header().Set(hangUpHeader, "yes")
			case 5:
				w.Header().Set("Retry-After", "20")
				w.WriteHeader(429)
			case 6:
				w.WriteHeader(502)
			default:
				answer(w, 200, map[string]any{"mytoken": aToken.Reveal(), "mytoken_type": "token"})
			}
		}
		c := f.client(t, func(cfg *client.Config) { cfg.Attempts = 1 })
		login, err := c.StartLogin(t.Context(), client.LoginRequest{})
		require.NoError(t, err)
		token, err := login.Wait(t.Context())
		require.NoError(t, err)
		require.True(t, token.Token.Equal(aToken))
		require.Equal(t, []time.Duration{2 * time.Second, 4 * time.Second, 6 * time.Second, 13 * time.Second, 20 * time.Second, 40 * time.Second, 60 * time.Second}, polls)
	})
}

// Without an interval and a lifetime of the code in the answer, the client polls every
// five seconds for five minutes.
func TestPollingDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.answer = func(w http.ResponseWriter, _ *http.Request, body map[string]any) {
			if body["grant_type"] == "oidc_flow" {
				answer(w, 200, map[string]any{"consent_uri": fakeIssuer + "/c/x", "polling_code": "planted-code"})
				return
			}
			refuse(w, 428, client.CodeAuthorizationPending)
		}
		login, err := f.client(t, nil).StartLogin(t.Context(), client.LoginRequest{})
		require.NoError(t, err)
		_, err = login.Wait(t.Context())
		require.ErrorIs(t, err, client.ErrLoginExpired)
		require.Equal(t, 1+59, f.count("/my"))
	})
}

// A server that limits logins is asked a few times at most, and the caller learns when to
// come back.
func TestTooManyLogins(t *testing.T) {
	for after, attempts := range map[string]int{"": 4, "2": 4, "300": 1} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
				if after != "" {
					w.Header().Set("Retry-After", after)
				}
				w.WriteHeader(http.StatusTooManyRequests)
				_, _ = io.WriteString(w, `{"error":"Too Many Requests","error_description":"too many logins are being started"}`)
			}}
			begin := time.Now()
			_, err := f.client(t, nil).StartLogin(t.Context(), client.LoginRequest{})
			e, ok := errors.AsType[*client.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, http.StatusTooManyRequests, e.Status)
			require.ErrorContains(t, err, "too many logins are being started")
			seconds, _ := strconv.Atoi(after)
			require.Equal(t, time.Duration(seconds)*time.Second, e.RetryAfter)
			require.Equal(t, attempts, f.count("/my"))
			require.Less(t, time.Since(begin), 10*time.Second)
		})
	}
}
