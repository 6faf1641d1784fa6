package client_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// refusal is an answer that refuses an access token.
type refusal struct {
	status int
	body   map[string]any
	retry  string // Retry-After
}

func (r refusal) write(w http.ResponseWriter) {
	if r.retry != "" {
		w.Header().Set("Retry-After", r.retry)
	}
	if r.body == nil { // the page of a gateway
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(r.status)
		_, _ = w.Write([]byte("<html>no</html>"))
		return
	}
	answer(w, r.status, r.body)
}

func code(c string) map[string]any { return map[string]any{"error": c} }

var (
	never = map[string]any{"earliest": "never", "clauses": []any{}}
	later = map[string]any{"earliest": 4_000_000_000, "clauses": []any{}}
)

// forGood are refusals that no later request can be expected to change.
var forGood = map[string]refusal{
	"revoked":            {401, map[string]any{"error": "invalid_token", "error_description": "token not valid"}, ""},
	"no text":            {401, code("invalid_token"), ""},
	"expired":            {401, map[string]any{"error": "invalid_token", "error_description": "token has expired"}, ""},
	"log in again":       {401, map[string]any{"error": "invalid_token", "error_description": "No refresh token attached"}, ""},
	"no capability":      {403, code("insufficient_capabilities"), ""},
	"policy":             {403, code("access_denied"), ""},
	"never admitted":     {403, map[string]any{"error": "usage_restricted", "mytoken_explanation": never}, ""},
	"impossible request": {400, code("invalid_request"), ""},
	"provider says no":   {400, map[string]any{"error": "oidc_error", "error_description": "invalid_scope"}, ""},
	"unknown grant type": {400, code("invalid_grant"), ""},
}

// forNow are refusals and troubles that may pass.
var forNow = map[string]refusal{
	"not valid yet":            {401, map[string]any{"error": "invalid_token", "error_description": "token is not valid yet"}, ""},
	"not valid yet, explained": {401, map[string]any{"error": "invalid_token", "mytoken_explanation": later}, ""},
	"not now":                  {403, code("usage_restricted"), ""},
	"not now, explained":       {403, map[string]any{"error": "usage_restricted", "mytoken_explanation": later}, ""},
	"come back later":          {401, code("invalid_token"), "40"},
	"busy":                     {503, code("temporarily_unavailable"), ""},
	"throttled":                {429, code("Too Many Requests"), "3"},
	"broken":                   {500, code("internal_server_error"), ""},
	"broken and talkative":     {500, code("invalid_token"), ""},
	"provider is down":         {502, code("oidc_error"), ""},
	"gateway wants a login":    {401, nil, ""},
	"gateway forbids":          {403, nil, ""},
	"gateway understands not":  {400, nil, ""},
	"gateway finds nothing":    {404, nil, ""},
	"unknown code":             {401, code("something_new"), ""},
}

// refusing returns a fake that answers with what now holds, or with an access token.
func refusing() (f *fake, now *atomic.Pointer[refusal]) {
	f, now = &fake{life: time.Hour}, new(atomic.Pointer[refusal])
	f.answer = func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		if r := now.Load(); r != nil {
			r.write(w)
			return
		}
		answer(w, http.StatusOK, f.accessToken())
	}
	return f, now
}

// If the server refuses for good, the keeper asks twice and ends with the reason. It ends
// no earlier than the token in its file.
func TestKeepRefusedForGood(t *testing.T) {
	for name, r := range forGood {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bt")
			synctest.Test(t, func(t *testing.T) { // from the start
				f, now := refusing()
				now.Store(&r)
				begin := time.Now()
				k := keep(t, f, path, nil)
				var refused *client.RefusedError
				require.ErrorAs(t, <-k.ended, &refused)
				require.Equal(t, r.status, refused.Err.Status)
				require.Less(t, time.Since(begin), 5*time.Second)
				require.Equal(t, 2, f.count("/access"))
				require.NoFileExists(t, path)
				require.Equal(t, client.KeepEnded, k.keeper.State().Phase)
				require.ErrorAs(t, k.keeper.State().Err, &refused)
			})
			synctest.Test(t, func(t *testing.T) { // later
				f, now := refusing()
				begin := time.Now()
				k := keep(t, f, path, nil)
				now.Store(&r)
				time.Sleep(time.Hour - time.Second)
				synctest.Wait()
				require.FileExists(t, path, "its token is still valid")
				require.Equal(t, 3, f.count("/access"))
				require.Equal(t, client.KeepAging, k.keeper.State().Phase)
				require.ErrorAs(t, k.keeper.State().Err, new(*client.RefusedError))
				require.Equal(t, begin.Add(time.Hour).Unix(), k.keeper.State().Next.Unix())
				require.ErrorAs(t, <-k.ended, new(*client.RefusedError))
				require.Equal(t, time.Hour, time.Since(begin))
				require.Equal(t, 3, f.count("/access"))
				require.NoFileExists(t, path)
			})
		})
	}
}

// A refusal that may pass does not end the keeper, however often it comes.
func TestKeepRefusedForNow(t *testing.T) {
	for name, r := range forNow {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bt")
			synctest.Test(t, func(t *testing.T) {
				f, now := refusing()
				now.Store(&r)
				k := keep(t, f, path, nil)
				time.Sleep(3 * time.Hour)
				synctest.Wait()
				require.Equal(t, client.KeepDown, k.keeper.State().Phase)
				require.LessOrEqual(t, f.count("/access"), 4*3*60*2+10) // the holder repeats a use whose answer is lost
				now.Store(nil)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				require.Equal(t, client.KeepFresh, k.keeper.State().Phase)
				k.end()
			})
		})
	}
}

// One refusal is no proof: a server that has lost its database for a moment says the
// same. Neither are two that something else came between.
func TestKeepRefusedOnce(t *testing.T) {
	revoked, other := forGood["revoked"], forNow["not now"]
	for name, between := range map[string]*refusal{"an answer": nil, "another refusal": &other} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bt")
			synctest.Test(t, func(t *testing.T) {
				f := &fake{life: time.Hour}
				asked := 0
				f.answer = func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
					switch asked++; {
					case asked > 10 || asked%2 == 0 && between == nil:
						answer(w, http.StatusOK, f.accessToken())
					case asked%2 == 0:
						between.write(w)
					default:
						revoked.write(w)
					}
				}
				k := keep(t, f, path, nil)
				time.Sleep(12 * time.Hour)
				synctest.Wait()
				require.Equal(t, client.KeepFresh, k.keeper.State().Phase)
				k.end()
			})
		})
	}
}

// While the server cannot be reached, nothing follows about the mytoken.
func TestKeepRefusedThenUnreachable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		f, now := refusing()
		k := keep(t, f, path, nil)
		revoked := forGood["revoked"]
		now.Store(&revoked)
		time.Sleep(55*time.Minute + time.Second)
		synctest.Wait()
		require.Equal(t, 2, f.count("/access"))
		f.setDown(errRefused)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, client.KeepDown, k.keeper.State().Phase)
		f.setDown(nil)
		require.ErrorAs(t, <-k.ended, new(*client.RefusedError))
		require.Equal(t, 3, f.count("/access"))
	})
}

// The text of the error says what to do.
func TestRefusedErrorText(t *testing.T) {
	e := &client.RefusedError{Err: &client.Error{Operation: "get an access token", Status: 401, Code: client.CodeInvalidToken}}
	require.EqualError(t, e, "client: the server refuses access tokens for good; the mytoken was revoked, has expired or is damaged, so log in again: "+
		"client: get an access token: the server answered with status 401: invalid_token")
	require.NotErrorIs(t, e, client.ErrLoginEnded)
	e.Err.Description = "No refresh token attached"
	require.ErrorIs(t, e, client.ErrLoginEnded)
	require.ErrorContains(t, e, "the login at the OpenID provider has ended, so log in again")
	e.Err.Status, e.Err.Code = 403, client.CodeInsufficientCapabilities
	require.ErrorContains(t, e, "use another mytoken, or ask for something else")
	require.True(t, client.IsCode(errors.Join(e), client.CodeInsufficientCapabilities))
}

// A source does not hammer the server that refuses for good. It returns the refusal to
// every caller.
func TestTokenSourceRefused(t *testing.T) {
	for name, r := range forGood {
		synctest.Test(t, func(t *testing.T) {
			f, now := refusing()
			now.Store(&r)
			source := sourceOf(t, f, client.SourceOptions{})
			for range 60_000 { // ten minutes
				_, err := source.Token()
				var e *client.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, r.status, e.Status)
				time.Sleep(10 * time.Millisecond)
			}
			require.LessOrEqual(t, f.count("/access"), 40, name)
			require.GreaterOrEqual(t, f.count("/access"), 10, name)
			now.Store(nil)
			time.Sleep(time.Minute)
			_, err := source.Token()
			require.NoError(t, err, "one answer is no proof for ever")
		})
	}
}

// A source obeys Retry-After, up to an hour.
func TestTokenSourceRetryAfter(t *testing.T) {
	for retry, want := range map[string]int{"60": 10, "300": 2, "86400": 1} {
		synctest.Test(t, func(t *testing.T) {
			f, now := refusing()
			now.Store(&refusal{503, code("temporarily_unavailable"), retry})
			source := sourceOf(t, f, client.SourceOptions{})
			for range 599 {
				_, err := source.Token()
				require.Error(t, err)
				time.Sleep(time.Second)
			}
			require.LessOrEqual(t, f.count("/access"), want)
			require.GreaterOrEqual(t, f.count("/access"), want*3/4)
			now.Store(nil)
			time.Sleep(time.Hour + time.Minute)
			_, err := source.Token()
			require.NoError(t, err)
		})
	}
}

// A source obeys Retry-After also while its last token is valid. When that token expires
// meanwhile, the source returns the error and still sends nothing.
func TestTokenSourceRetryAfterWithToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, now := refusing()
		source := sourceOf(t, f, client.SourceOptions{Early: 10 * time.Minute})
		_, err := source.Token()
		require.NoError(t, err)
		now.Store(&refusal{429, code("Too Many Requests"), "1800"})
		time.Sleep(50 * time.Minute)
		for range 599 {
			_, err := source.Token()
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		require.Equal(t, 2, f.count("/access"))
		for range 600 {
			time.Sleep(time.Second)
			_, err := source.Token()
			var e *client.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, 429, e.Status)
		}
		require.Equal(t, 2, f.count("/access"))
		now.Store(nil)
		time.Sleep(15 * time.Minute)
		_, err = source.Token()
		require.NoError(t, err)
	})
}

// Clients that a server has sent away together do not return together, and none returns
// too early.
func TestRetryAfterSpreads(t *testing.T) {
	for name, wait := range map[string]func(*testing.T, *fake) time.Duration{
		"client": func(t *testing.T, f *fake) time.Duration {
			c := f.client(t, func(cfg *client.Config) { cfg.Attempts = 2 })
			begin := time.Now()
			_, err := c.AccessToken(t.Context(), aToken, client.AccessTokenRequest{})
			require.Error(t, err)
			return time.Since(begin)
		},
		"keeper": func(t *testing.T, f *fake) time.Duration {
			k := keep(t, f, filepath.Join(t.TempDir(), "bt"), nil)
			synctest.Wait()
			wait := time.Until(k.keeper.State().Next)
			k.end()
			return wait
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, now := refusing()
				now.Store(&refusal{503, code("temporarily_unavailable"), "30"})
				waits := make(map[time.Duration]bool)
				for range 5 {
					w := wait(t, f)
					require.GreaterOrEqual(t, w, 30*time.Second)
					require.Less(t, w, 40*time.Second)
					waits[w.Truncate(time.Millisecond)] = true
				}
				require.Greater(t, len(waits), 1)
			})
		})
	}
}

// A wait that is too long for a number counts as the longest. A date counts from the
// server's own: clocks differ.
func TestRetryAfterForms(t *testing.T) {
	for after, want := range map[string]time.Duration{
		"99999999999999999999": 1<<31*time.Second - time.Second, "4294967296": 1<<31*time.Second - time.Second,
		"Fri, 31 Dec 1999 23:59:59 GMT": 59 * time.Second, "Fri, 31 Dec 1999 22:00:00 GMT": 0,
		"-1": 0, "1.5": 0, "soon": 0, "": 0, "7": 7 * time.Second,
	} {
		f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			w.Header().Set("Date", "Fri, 31 Dec 1999 23:59:00 GMT")
			w.Header().Set("Retry-After", after)
			refuse(w, http.StatusForbidden, client.CodeUsageRestricted)
		}}
		_, err := f.client(t, nil).AccessToken(t.Context(), aToken, client.AccessTokenRequest{})
		var e *client.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, want, e.RetryAfter, after)
	}
}

// A source asks at once if the user has logged in again meanwhile.
func TestTokenSourceNewLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		f.answer = func(w http.ResponseWriter, _ *http.Request, body map[string]any) {
			if body["mytoken"] == aToken.Reveal() {
				refuse(w, http.StatusUnauthorized, client.CodeInvalidToken)
				return
			}
			answer(w, http.StatusOK, f.accessToken())
		}
		store := client.NewMemoryStore(aToken)
		source := f.client(t, nil).NewHolder(store).TokenSource(client.SourceOptions{})
		for range 100 {
			_, err := source.Token()
			require.True(t, client.IsCode(err, client.CodeInvalidToken))
		}
		require.Equal(t, 1, f.count("/access"))
		require.NoError(t, store.Save(t.Context(), mytoken.NewSecret("another-mytoken")))
		_, err := source.Token()
		require.NoError(t, err)
	})
}

// A source that has a valid token goes on with it while the server refuses.
func TestTokenSourceRefusedWithToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, now := refusing()
		source := sourceOf(t, f, client.SourceOptions{Early: 30 * time.Minute})
		first, err := source.Token()
		require.NoError(t, err)
		revoked := forGood["revoked"]
		now.Store(&revoked)
		for range 59 {
			time.Sleep(time.Minute)
			token, err := source.Token()
			require.NoError(t, err)
			require.Equal(t, first.AccessToken, token.AccessToken)
		}
		time.Sleep(time.Minute)
		_, err = source.Token()
		require.True(t, client.IsCode(err, client.CodeInvalidToken))
	})
}

// The provider ends a login, for example because an operator has disabled the user. The
// client tells that from a mytoken that was revoked.
func TestLoginEnded(t *testing.T) {
	var ended atomic.Bool
	s := start(t, func(o *setup) {
		o.Provider.Faults = func(p optest.FaultPoint) optest.Fault {
			if ended.Load() && p.Endpoint == optest.EndpointRefresh {
				return optest.Fault{Refuse: "invalid_grant"}
			}
			return optest.Fault{}
		}
	})
	token := s.token(mytoken.Properties{})
	h := s.client.NewHolder(client.NewMemoryStore(token))
	ended.Store(true)
	var err error
	for range 10 { // the issuer believes the provider when it says so again
		_, err = h.AccessToken(t.Context(), client.AccessTokenRequest{})
		require.Error(t, err)
		if client.IsCode(err, client.CodeInvalidToken) {
			break
		}
		s.Clock.Advance(time.Hour)
	}
	require.ErrorIs(t, err, client.ErrLoginEnded, "%v", err)
	_, err = h.Introspect(t.Context())
	require.NoError(t, err, "the mytoken is as good as before")

	require.NoError(t, h.Revoke(t.Context(), true))
	_, err = h.AccessToken(t.Context(), client.AccessTokenRequest{})
	require.True(t, client.IsCode(err, client.CodeInvalidToken), "%v", err)
	require.NotErrorIs(t, err, client.ErrLoginEnded)
}
