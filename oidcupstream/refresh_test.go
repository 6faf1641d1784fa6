package oidcupstream_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

func TestRefresh(t *testing.T) {
	b := newBench(t, optest.Options{Rotation: optest.RotateOn})
	login := b.login()

	tokens, err := b.p.Refresh(t.Context(), oidcupstream.RefreshRequest{
		RefreshToken: login.RefreshToken, Scopes: []string{"storage.read"}, Audiences: []string{"https://a.example", "https://b.example"},
		Subject: "alice",
	})
	require.NoError(t, err)
	require.NotEmpty(t, tokens.AccessToken)
	require.NotEqual(t, login.AccessToken, tokens.AccessToken)
	require.Equal(t, "Bearer", tokens.TokenType)
	require.Equal(t, time.Hour, tokens.ExpiresIn)
	require.Equal(t, b.clock.Now().Add(time.Hour), tokens.Expiry)
	require.Equal(t, []string{"storage.read"}, tokens.Scopes)
	require.True(t, tokens.ScopeReturned)
	require.Equal(t, []string{"https://a.example", "https://b.example"}, tokens.Audiences)
	require.True(t, tokens.AudienceKnown)
	require.NotEmpty(t, tokens.RefreshToken)
	require.NotEqual(t, login.RefreshToken, tokens.RefreshToken)

	_, err = b.refresh(login.RefreshToken)
	e := upstreamError(t, err)
	require.True(t, e.InvalidGrant())
	require.Equal(t, 1, b.op.Reuses())
	_, err = b.refresh(tokens.RefreshToken)
	require.NoError(t, err)
}

// Refresh sends exactly the caller's scopes. It does not add offline_access, and without
// scopes it sends no parameter.
func TestRefreshSendsScopesAsGiven(t *testing.T) {
	var got []string
	var present bool
	p := rawProvider(t, func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		got, present = r.PostForm["scope"], r.PostForm.Has("scope")
		w.Write([]byte(`{"access_token":"x"}`))
	})
	for _, scopes := range [][]string{{"b", "a"}, {"openid"}, {"offline_access", "my_offline_access"}} {
		scopesBefore := append(make([]string, 0, 8), scopes...)
		tokens, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r", Scopes: scopesBefore})
		require.NoError(t, err)
		require.Equal(t, scopes[0], scopesBefore[0])
		require.Len(t, got, 1)
		require.Equal(t, scopes, tokens.Scopes, "omitted scope means identical")
		require.False(t, tokens.ScopeReturned)
	}
	require.Equal(t, []string{"offline_access my_offline_access"}, got)
	tokens, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
	require.NoError(t, err)
	require.False(t, present)
	require.Nil(t, tokens.Scopes)
}

// Refresh reports the scopes and audiences of the answer, wider or narrower, so that the
// caller can compare. proves P1
func TestRefreshReportsAnswer(t *testing.T) {
	b := newBench(t, optest.Options{})
	login := b.login()
	req := oidcupstream.RefreshRequest{RefreshToken: login.RefreshToken, Scopes: []string{"openid", "storage.read"}, Audiences: []string{"https://a.example"}}
	for name, test := range map[string]struct {
		fault     optest.Fault
		scopes    []string
		audiences []string
		known     bool
		returned  bool
	}{
		"as asked":   {optest.Fault{}, req.Scopes, req.Audiences, true, true},
		"wider":      {optest.Fault{Scopes: []string{"openid", "storage.read", "admin"}}, []string{"openid", "storage.read", "admin"}, req.Audiences, true, true},
		"narrower":   {optest.Fault{Scopes: []string{"openid"}}, []string{"openid"}, req.Audiences, true, true},
		"nothing":    {optest.Fault{Scopes: []string{}}, []string{}, req.Audiences, true, true},
		"audience":   {optest.Fault{Audiences: []string{"https://evil.example"}}, req.Scopes, []string{"https://evil.example"}, true, true},
		"no aud":     {optest.Fault{Audiences: []string{}}, req.Scopes, nil, false, true},
		"silent":     {optest.Fault{NoScope: true}, req.Scopes, req.Audiences, true, false},
		"understate": {optest.Fault{Scopes: []string{"openid", "admin"}, Edit: func(a map[string]any) { a["scope"] = "openid" }}, []string{"openid", "admin"}, req.Audiences, true, true},
		"hide":       {optest.Fault{Scopes: []string{"openid", "admin"}, NoScope: true}, []string{"openid", "storage.read", "admin"}, req.Audiences, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			b.faults.on(optest.EndpointRefresh, test.fault)
			tokens, err := b.p.Refresh(t.Context(), req)
			require.NoError(t, err)
			require.ElementsMatch(t, test.scopes, tokens.Scopes)
			require.Equal(t, test.returned, tokens.ScopeReturned)
			require.ElementsMatch(t, test.audiences, tokens.Audiences)
			require.Equal(t, test.known, tokens.AudienceKnown)
		})
	}
}

func TestRefreshOpaqueAccessToken(t *testing.T) {
	b := newBench(t, optest.Options{OpaqueAccessTokens: true})
	tokens, err := b.refresh(b.login().RefreshToken)
	require.NoError(t, err)
	require.False(t, tokens.AudienceKnown)
	require.Empty(t, tokens.Audiences)
}

// An ID token in the answer must be about the user of the grant. If it is not, or does
// not say, the refresh token is still not lost. proves P5
func TestRefreshOfAnotherUser(t *testing.T) {
	for n, claim := range []string{"sub", "iss", "aud", "sub", "iss", "aud"} {
		b := newBench(t, optest.Options{Rotation: optest.RotateStrict})
		login := b.login()
		want := oidcupstream.ErrSubject
		b.faults.on(optest.EndpointRefresh, optest.Fault{IDToken: func(_, claims map[string]any) {
			if claims[claim] = "somebody"; n >= 3 {
				delete(claims, claim)
			}
		}})
		if n >= 3 {
			want = oidcupstream.ErrIDToken
		}
		req := oidcupstream.RefreshRequest{RefreshToken: login.RefreshToken, Subject: "alice"}
		_, err := b.p.Refresh(t.Context(), req)
		e := upstreamError(t, err)
		require.ErrorIs(t, err, want)
		require.Equal(t, oidcupstream.Unknown, e.Outcome)
		require.Equal(t, errors.Is(want, oidcupstream.ErrSubject), e.Claim == claim, e.Claim)
		b.faults.set(nil)
		_, err = b.refresh(e.RefreshToken())
		require.NoError(t, err)
	}
}

// Each way in which a refresh can fail has its outcome. The field acted says whether the
// provider acted: NotSent or Refused would then lose the refresh token. proves P5
func TestRefreshOutcomes(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect was followed")
	}))
	defer elsewhere.Close()
	hang := func(ctx context.Context) { <-ctx.Done() }
	for name, test := range map[string]struct {
		fault   optest.Fault
		outcome oidcupstream.Outcome
		acted   bool
		status  int
		code    string
		dead    bool // InvalidGrant
	}{
		"answer lost after rotation":  {fault: optest.Fault{LoseAnswer: true}, outcome: oidcupstream.Unknown, acted: true},
		"500 after rotation":          {fault: optest.Fault{FailAfter: 500}, outcome: oidcupstream.Unknown, acted: true, status: 500},
		"502 after rotation":          {fault: optest.Fault{FailAfter: 502}, outcome: oidcupstream.Unknown, acted: true, status: 502},
		"HTML with 200":               {fault: optest.Fault{FailAfter: 200}, outcome: oidcupstream.Unknown, acted: true, status: 200},
		"HTML with 400":               {fault: optest.Fault{FailAfter: 400}, outcome: oidcupstream.Unknown, acted: true, status: 400},
		"throttled":                   {fault: optest.Fault{Throttle: time.Second}, outcome: oidcupstream.NotProcessed, status: 429},
		"empty access token":          {fault: optest.Fault{EmptyAccessToken: true}, outcome: oidcupstream.Unknown, acted: true, status: 200},
		"huge body":                   {fault: optest.Fault{Pad: 2 << 20}, outcome: oidcupstream.Unknown, acted: true, status: 200},
		"too slow after rotation":     {fault: optest.Fault{WaitAfter: hang}, outcome: oidcupstream.Unknown, acted: true},
		"too slow before rotation":    {fault: optest.Fault{Wait: hang}, outcome: oidcupstream.Unknown},
		"request lost":                {fault: optest.Fault{LoseRequest: true}, outcome: oidcupstream.Unknown},
		"500 before rotation":         {fault: optest.Fault{FailBefore: 500}, outcome: oidcupstream.Unknown, status: 500},
		"redirect":                    {fault: optest.Fault{RedirectTo: elsewhere.URL}, outcome: oidcupstream.NotProcessed, status: 307},
		"invalid_grant":               {fault: optest.Fault{Refuse: "invalid_grant"}, outcome: oidcupstream.Refused, status: 400, code: "invalid_grant", dead: true},
		"invalid_scope":               {fault: optest.Fault{Refuse: "invalid_scope"}, outcome: oidcupstream.Refused, status: 400, code: "invalid_scope"},
		"temporarily_unavailable":     {fault: optest.Fault{Refuse: "temporarily_unavailable"}, outcome: oidcupstream.NotProcessed, status: 400, code: "temporarily_unavailable"},
		"an error code we never knew": {fault: optest.Fault{Refuse: "urn:x:moon_phase"}, outcome: oidcupstream.Refused, status: 400, code: "urn:x:moon_phase"},
	} {
		t.Run(name, func(t *testing.T) {
			b, refreshToken, err := refreshUnder(t, test.fault)
			e := upstreamError(t, err)
			require.Equal(t, test.outcome, e.Outcome, "%v", e)
			require.Equal(t, test.status, e.Status)
			require.Equal(t, test.code, e.Code)
			require.Equal(t, test.dead, e.InvalidGrant())
			require.Equal(t, test.outcome, oidcupstream.OutcomeOf(err))

			acted := 0
			if test.acted {
				acted = 1
			}
			require.Equal(t, acted, b.op.Count(optest.Refreshed), "refreshes at the provider")
			require.Zero(t, b.op.Reuses())
			b.faults.set(nil)
			if !test.acted {
				_, err = b.refresh(refreshToken)
				require.NoError(t, err, "the old refresh token must still work")
			}
		})
	}
}

// refreshUnder makes one refresh under the fault. The timeout is short if the fault
// waits. On a busy machine it may expire before the provider sees the request.
// refreshUnder then tries again with more time.
func refreshUnder(t *testing.T, fault optest.Fault) (b *bench, refreshToken string, err error) {
	t.Helper()
	for timeout := 100 * time.Millisecond; ; timeout *= 2 {
		b = newBench(t, optest.Options{Rotation: optest.RotateStrict})
		refreshToken = b.login().RefreshToken
		cfg := b.op.ClientConfig(redirectURL)
		var seen atomic.Bool
		noticed := func(wait func(context.Context)) func(context.Context) {
			if wait == nil {
				return nil
			}
			cfg.Timeout = timeout
			return func(ctx context.Context) {
				seen.Store(true)
				wait(ctx)
			}
		}
		under := fault
		under.Wait, under.WaitAfter = noticed(fault.Wait), noticed(fault.WaitAfter)
		b.faults.on(optest.EndpointRefresh, under)
		impatient, newErr := oidcupstream.New(cfg)
		require.NoError(t, newErr)
		_, err = impatient.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: refreshToken})
		if under.Wait == nil && under.WaitAfter == nil || seen.Load() {
			return b, refreshToken, err
		}
	}
}

// An answer without a usable access token may have the only refresh token that works.
// proves P5
func TestRefreshTokenOfUnusableAnswer(t *testing.T) {
	b := newBench(t, optest.Options{Rotation: optest.RotateStrict})
	refreshToken := b.login().RefreshToken
	for name, edit := range map[string]func(map[string]any){
		"empty":   func(a map[string]any) { a["access_token"] = "" },
		"missing": func(a map[string]any) { delete(a, "access_token") },
		"null":    func(a map[string]any) { a["access_token"] = nil },
		"number":  func(a map[string]any) { a["access_token"] = 5 },
		"blank":   func(a map[string]any) { a["access_token"] = " \n" },
		"a text":  func(a map[string]any) { a["access_token"] = "error: token is expired by 23m58.37607235s" },
		"error": func(a map[string]any) {
			delete(a, "access_token")
			a["error"] = "server_error"
		},
	} {
		b.faults.on(optest.EndpointRefresh, optest.Fault{Edit: edit})
		_, err := b.refresh(refreshToken)
		e := upstreamError(t, err)
		require.ErrorIs(t, err, oidcupstream.ErrAnswer, name)
		require.Equal(t, oidcupstream.Unknown, e.Outcome, name)
		require.NotEmpty(t, e.RefreshToken(), name)
		require.NotEqual(t, refreshToken, e.RefreshToken(), name)
		refreshToken = e.RefreshToken()
	}
	b.faults.set(nil)
	_, err := b.refresh(refreshToken)
	require.NoError(t, err)
	require.Zero(t, b.op.Reuses())
}

// The connection may end in the middle of an answer, or something may be added to it. If
// the refresh token has arrived whole, it is not lost. proves P5
func TestRefreshTokenOfDamagedAnswer(t *testing.T) {
	const body = `{"access_token":"a","refresh_token":"new","expires_in":300,"id_token":"h.p.s"}`
	arrived := strings.Index(body, `"new"`) + len(`"new"`)
	s := newScripted(t, nil)
	requireKept := func(status int, body string, kept bool, header ...string) {
		t.Helper()
		s.answer = respond(status, body, header...)
		_, err := s.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "old"})
		e := upstreamError(t, err)
		require.ErrorIs(t, err, oidcupstream.ErrAnswer)
		require.Equal(t, oidcupstream.Unknown, e.Outcome)
		require.Equal(t, kept, e.RefreshToken() == "new", "%d %q: %q", status, body, e.RefreshToken())
	}
	for end := range len(body) {
		requireKept(200, body[:end], end >= arrived)
		requireKept(200, body[:end], end >= arrived, "Content-Length", "1000")
	}
	for _, status := range []int{200, 201, 400, 500, 502} {
		requireKept(status, "\uFEFF"+body, true)
		requireKept(status, " \n"+body+"\n<!-- 0.1 s -->", true)
		requireKept(status, body+"\x00", true)
		requireKept(status, "<p>"+body, false)
		requireKept(status, "["+body+"]", false)
		requireKept(status, `{"x":`+body, false)
		requireKept(status, body[:len(body)-1]+`,"x":"`+strings.Repeat("x", oidcupstream.DefaultMaxResponseBytes)+`"}`, true)
	}
}

// The outcome is Unknown if the caller cancels while the provider works. proves P5
func TestRefreshCancelled(t *testing.T) {
	b := newBench(t, optest.Options{Rotation: optest.RotateStrict})
	login := b.login()
	ctx, cancel := context.WithCancel(t.Context())
	b.faults.on(optest.EndpointRefresh, optest.Fault{WaitAfter: func(ctx context.Context) {
		cancel()
		<-ctx.Done()
	}})
	_, err := b.p.Refresh(ctx, oidcupstream.RefreshRequest{RefreshToken: login.RefreshToken})
	require.Equal(t, oidcupstream.Unknown, upstreamError(t, err).Outcome)
	require.ErrorIs(t, err, context.Canceled)

	_, err = b.p.Refresh(ctx, oidcupstream.RefreshRequest{RefreshToken: login.RefreshToken})
	require.Equal(t, oidcupstream.NotSent, upstreamError(t, err).Outcome, "cancelled before it began")
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, b.op.Count(optest.Refreshed))
	require.Zero(t, b.op.Reuses())
}

// Refresh returns ErrRequest before it sends anything, also before it fetches metadata.
func TestRefreshRequestRefused(t *testing.T) {
	b := newBench(t, optest.Options{})
	b.faults.set(func(optest.FaultPoint) optest.Fault {
		t.Error("a request was sent")
		return optest.Fault{}
	})
	for _, req := range []oidcupstream.RefreshRequest{
		{},
		{RefreshToken: "r", Scopes: []string{"a b"}},
		{RefreshToken: "r", Scopes: []string{""}},
		{RefreshToken: "r", Scopes: []string{"a\"b"}},
		{RefreshToken: "r", Audiences: []string{""}},
		{RefreshToken: "r", Audiences: []string{"a b"}},
		{RefreshToken: "r", Audiences: []string{"a\nb"}},
	} {
		_, err := b.p.Refresh(t.Context(), req)
		require.ErrorIs(t, err, oidcupstream.ErrRequest)
		require.Equal(t, oidcupstream.NotSent, upstreamError(t, err).Outcome)
	}
}

// Many grants refresh through one provider at once. Each keeps its own chain of tokens.
func TestConcurrentRefreshes(t *testing.T) {
	b := newBench(t, optest.Options{Rotation: optest.RotateStrict})
	const grants, rounds = 8, 10
	var wg sync.WaitGroup
	var failures atomic.Int32
	for range grants {
		refreshToken := b.login().RefreshToken
		wg.Go(func() {
			for range rounds {
				tokens, err := b.refresh(refreshToken)
				if err != nil {
					failures.Add(1)
					return
				}
				refreshToken = tokens.RefreshToken
			}
		})
	}
	wg.Wait()
	require.Zero(t, failures.Load())
	require.Equal(t, grants*rounds, b.op.Count(optest.Refreshed))
	require.Zero(t, b.op.Reuses())
}
