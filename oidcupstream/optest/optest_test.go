package optest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

func TestCodes(t *testing.T) {
	c := start(t, optest.Options{CodeLifetime: 30 * time.Second})
	code := c.authorize(nil).Get("code")
	bad := func(change url.Values) string {
		form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {callback}}
		for name, values := range change {
			form[name] = values
		}
		return c.post("/token", form).Error
	}
	require.Equal(t, "invalid_grant", bad(url.Values{"code_verifier": {verifier + "x"}}))
	require.Equal(t, "invalid_grant", bad(url.Values{"code_verifier": nil}))
	require.Equal(t, "invalid_grant", bad(url.Values{"redirect_uri": {callback + "x"}}))
	require.Equal(t, "invalid_grant", bad(url.Values{"code": {"x"}}))
	require.Equal(t, "unsupported_grant_type", bad(url.Values{"grant_type": {"password"}}))
	a := c.exchange(code)
	require.Equal(t, 200, a.Status)
	require.Equal(t, "invalid_grant", c.exchange(code).Error, "used")
	require.True(t, c.last().Reuse)
	require.Equal(t, "invalid_grant", c.refresh(a.RefreshToken).Error, "RFC 6749 4.1.2: the grant ends")
	code = c.authorize(nil).Get("code")
	c.advance(30 * time.Second)
	require.Equal(t, "invalid_grant", c.exchange(code).Error, "late")
}

func TestAuthorizationErrors(t *testing.T) {
	c := start(t, optest.Options{Decide: func(r optest.AuthorizationRequest) optest.Decision {
		if r.Subject == "eve" {
			return optest.Decision{Error: "access_denied"}
		}
		return optest.Decision{}
	}})
	for want, change := range map[string]url.Values{
		"unsupported_response_type": {"response_type": {"token"}},
		"invalid_request":           {"code_challenge_method": {"plain"}},
		"invalid_scope":             {"scope": {"storage.read"}},
		"login_required":            {"prompt": {"none"}, "login_hint": {"stranger"}},
		"access_denied":             {"login_hint": {"eve"}},
	} {
		q := c.authorize(change)
		require.Equal(t, want, q.Get("error"))
		require.False(t, q.Has("code"))
		require.Equal(t, optest.Denied, c.last().Kind)
		require.Equal(t, want, c.last().Error)
	}
	require.Equal(t, "invalid_request", c.authorize(url.Values{"code_challenge": nil}).Get("error"))
	require.Equal(t, "invalid_request", c.authorize(url.Values{"prompt": {"none login"}}).Get("error"))

	c.op.AddClient(optest.Client{ID: "strict", RedirectURLs: []string{callback}})
	for _, change := range []url.Values{
		{"client_id": {"nobody"}}, {"redirect_uri": {"/relative"}}, {"redirect_uri": nil},
		{"client_id": {"strict"}, "redirect_uri": {callback + "/more"}},
	} {
		_, err := optest.Login(t.Context(), c.op.Issuer()+"/authorize?"+authQuery(change).Encode(), "")
		require.ErrorContains(t, err, "400", "never redirects to where nobody registered")
	}
	c.authorize(url.Values{"client_id": {"strict"}})
}

func TestSessions(t *testing.T) {
	c := start(t, optest.Options{})
	login := func(change url.Values) int64 {
		return c.authTime(c.exchange(c.authorize(change).Get("code")))
	}
	first := login(nil)
	c.advance(time.Hour)
	require.Equal(t, first, login(url.Values{"prompt": {"consent"}}), "still logged in")
	require.Equal(t, first, login(url.Values{"prompt": {"none"}}))
	require.Equal(t, first+3600, login(url.Values{"prompt": {"login"}}))
	c.advance(time.Hour)
	require.Equal(t, first+7200, login(url.Values{"max_age": {"60"}}))
	require.Equal(t, "login_required", func() string {
		c.advance(time.Hour)
		return c.authorize(url.Values{"max_age": {"60"}, "prompt": {"none"}}).Get("error")
	}())
}

func TestScopesAndAudiences(t *testing.T) {
	c := start(t, optest.Options{})
	a := c.exchange(c.authorize(url.Values{"scope": {"openid offline_access storage.read nonsense"}, "resource": {"https://a", "https://b"}}).Get("code"))
	require.Equal(t, "openid offline_access storage.read", a.Scope)
	require.Equal(t, []string{"https://a", "https://b"}, c.last().Audiences)
	refresh := func(change url.Values) answer {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.RefreshToken}}
		for name, values := range change {
			form[name] = values
		}
		return c.post("/token", form)
	}
	require.Equal(t, "openid", refresh(url.Values{"scope": {"openid"}}).Scope)
	require.Equal(t, a.Scope, refresh(nil).Scope, "narrowing lasts for one access token")
	require.Equal(t, "invalid_scope", refresh(url.Values{"scope": {"openid compute"}}).Error)
	require.Equal(t, 200, refresh(url.Values{"audience": {"https://b https://a"}}).Status)
	require.Equal(t, []string{"https://b", "https://a"}, c.last().Audiences)
	require.Equal(t, "invalid_target", refresh(url.Values{"resource": {"https://c"}}).Error)
	c.login()
	require.Equal(t, []string{c.op.Issuer()}, c.last().Audiences, "the default")
}

// With LoginAudiencesOnly, a login that asked for no audience gets none by name.
func TestLoginAudiencesOnly(t *testing.T) {
	for rotation, after := range map[optest.Rotation]string{optest.RotateOff: "", optest.RotateOn: "invalid_grant", optest.RotateStrict: "invalid_grant"} {
		for _, asked := range [][]string{nil, {"https://a"}} {
			c := start(t, optest.Options{LoginAudiencesOnly: true, Rotation: rotation})
			a := c.exchange(c.authorize(url.Values{"resource": asked}).Get("code"))
			refresh := func(token string, audiences ...string) answer {
				return c.post("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "resource": audiences})
			}
			token := a.RefreshToken
			if next := refresh(token, asked...); next.RefreshToken != "" {
				token = next.RefreshToken
			}
			require.Equal(t, "invalid_target", refresh(token, "https://c").Error)
			require.Equal(t, after, refresh(token).Error, "the refresh token after the refusal")
		}
	}
	c := start(t, optest.Options{LoginAudiencesOnly: true})
	form := url.Values{"grant_type": {"authorization_code"}, "code_verifier": {verifier}, "redirect_uri": {callback}, "resource": {"https://a"}}
	form.Set("code", c.authorize(nil).Get("code"))
	require.Equal(t, "invalid_target", c.post("/token", form).Error)
}

func TestRefreshTokenOnRequestOnly(t *testing.T) {
	c := start(t, optest.Options{})
	online := url.Values{"scope": {"openid"}}
	require.Empty(t, c.exchange(c.authorize(online).Get("code")).RefreshToken)
	require.Zero(t, c.last().Generation)
	online.Set("access_type", "offline")
	require.NotEmpty(t, c.exchange(c.authorize(online).Get("code")).RefreshToken)
	always := start(t, optest.Options{RefreshAlways: true})
	require.NotEmpty(t, always.exchange(always.authorize(url.Values{"scope": {"openid"}}).Get("code")).RefreshToken)
}

func TestRevocationEndpoint(t *testing.T) {
	c := start(t, optest.Options{Rotation: optest.RotateOn})
	a := c.login()
	b := c.refresh(a.RefreshToken)
	require.Equal(t, 200, c.post("/revoke", url.Values{"token": {a.AccessToken}}).Status)
	require.Equal(t, 401, c.userinfo(a.AccessToken))
	require.Equal(t, 200, c.userinfo(b.AccessToken), "an access token goes alone")
	c.op.AddClient(optest.Client{ID: "other", Secret: "other-secret"})
	mine := c.auth
	c.auth = func(r *http.Request, _ url.Values) { r.SetBasicAuth("other", "other-secret") }
	require.Equal(t, "invalid_grant", c.post("/revoke", url.Values{"token": {b.RefreshToken}}).Error)
	require.Equal(t, "invalid_grant", c.refresh(b.RefreshToken).Error, "of another client")
	c.auth = func(*http.Request, url.Values) {}
	require.Equal(t, 401, c.post("/revoke", url.Values{"token": {b.RefreshToken}}).Status)
	c.auth = mine
	require.Equal(t, 200, c.post("/revoke", url.Values{"token": {b.RefreshToken}}).Status)
	require.Equal(t, 401, c.userinfo(b.AccessToken), "a refresh token takes its grant along")
	require.Equal(t, 2, c.op.Count(optest.Revoked))
	require.Equal(t, 200, c.post("/revoke", url.Values{"token": {"unknown"}}).Status)
}

func TestAccessTokenExpires(t *testing.T) {
	c := start(t, optest.Options{AccessTokenLifetime: time.Minute, OpaqueAccessTokens: true})
	a := c.login()
	require.NotContains(t, a.AccessToken, ".")
	require.Equal(t, 200, c.userinfo(a.AccessToken))
	c.advance(time.Minute)
	require.Equal(t, 401, c.userinfo(a.AccessToken))
}

// Secrets has everything secret that the server made. The record shows none of it.
func TestSecretsAndRecord(t *testing.T) {
	c := start(t, optest.Options{Rotation: optest.RotateOn})
	code := c.authorize(nil).Get("code")
	a := c.exchange(code)
	b := c.refresh(a.RefreshToken)
	secrets := c.op.Secrets()
	for _, secret := range []string{code, verifier, a.AccessToken, a.RefreshToken, a.IDToken, b.AccessToken, b.RefreshToken, b.IDToken} {
		require.Contains(t, secrets, secret)
	}
	require.Len(t, secrets, 8)
	raw, err := json.Marshal(c.op.Record())
	require.NoError(t, err)
	for _, secret := range secrets {
		require.NotContains(t, string(raw), secret)
	}
	record := c.op.Record()
	require.Equal(t, []optest.Kind{optest.Authorized, optest.Exchanged, optest.Refreshed}, []optest.Kind{record[0].Kind, record[1].Kind, record[2].Kind})
	require.Equal(t, c.now, record[2].Time)
	require.Equal(t, "alice", record[2].Subject)
	record[2].Scopes[0] = "changed"
	require.NotEqual(t, "changed", c.op.Record()[2].Scopes[0])
}

// Faults gets a description of each request, counted by endpoint, and may call the
// server.
func TestFaultPoints(t *testing.T) {
	var mu sync.Mutex
	var points []optest.FaultPoint
	var c *client
	c = start(t, optest.Options{Rotation: optest.RotateOn, Faults: func(at optest.FaultPoint) optest.Fault {
		mu.Lock()
		defer mu.Unlock()
		points = append(points, at)
		return optest.Fault{
			Edit:      func(map[string]any) { c.op.Record() },
			IDToken:   func(_, _ map[string]any) { c.op.Secrets() },
			WaitAfter: func(context.Context) { c.op.Count(optest.Refreshed) },
		}
	}})
	a := c.login()
	b := c.refresh(a.RefreshToken)
	c.refresh(b.RefreshToken)
	c.userinfo(a.AccessToken)
	c.post("/revoke", url.Values{"token": {b.RefreshToken}})
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []optest.Endpoint{
		optest.EndpointAuthorize, optest.EndpointExchange, optest.EndpointRefresh, optest.EndpointRefresh, optest.EndpointUserInfo, optest.EndpointRevoke,
	}, func() (list []optest.Endpoint) {
		for _, p := range points {
			list = append(list, p.Endpoint)
			require.Equal(t, optest.DefaultClientID, p.ClientID)
			require.Equal(t, "alice", p.Subject)
		}
		return
	}())
	require.Equal(t, 2, points[3].Call)
	require.Equal(t, 2, points[3].Generation)
	require.Equal(t, 1, points[3].Grant)
	require.Equal(t, []string{"openid", "offline_access", "storage.read"}, points[3].Scopes)
}

// Close releases requests that wait in a fault. None of them takes effect.
func TestCloseReleasesWaiters(t *testing.T) {
	waiting := make(chan struct{})
	var once sync.Once
	c := start(t, optest.Options{Faults: func(at optest.FaultPoint) optest.Fault {
		if at.Endpoint != optest.EndpointRefresh {
			return optest.Fault{}
		}
		return optest.Fault{Wait: func(ctx context.Context) {
			once.Do(func() { close(waiting) })
			<-ctx.Done()
		}}
	}})
	rt := c.login().RefreshToken
	var wg sync.WaitGroup
	wg.Go(func() {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {rt}, "client_id": {optest.DefaultClientID}, "client_secret": {optest.DefaultClientSecret}}
		resp, err := http.PostForm(c.op.Issuer()+"/token", form)
		if err == nil {
			resp.Body.Close()
			t.Errorf("an answer with status %d", resp.StatusCode)
		}
	})
	<-waiting
	require.NoError(t, c.op.Close())
	wg.Wait()
	require.Zero(t, c.op.Count(optest.Refreshed))
	require.NoError(t, c.op.Close(), "again")
}

func TestLoginAndFollow(t *testing.T) {
	c := start(t, optest.Options{})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/start":
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "s1", Path: "/"})
		case "/redirect":
			cookie, err := r.Cookie("session")
			if err != nil || r.FormValue("code") == "" {
				w.WriteHeader(403)
				return
			}
			io.WriteString(w, cookie.Value+" "+r.FormValue("state"))
		}
	}))
	defer app.Close()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar}
	resp, err := browser.Get(app.URL + "/start")
	require.NoError(t, err)
	resp.Body.Close()
	resp, err = optest.LoginAndFollow(t.Context(), browser, c.op.Issuer()+"/authorize?"+authQuery(url.Values{"redirect_uri": {app.URL + "/redirect"}}).Encode(), "bob")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "s1 st", string(body))
	require.Equal(t, "bob", c.last().Subject)

	_, err = optest.LoginAndFollow(t.Context(), nil, "http://%zz", "bob")
	require.Error(t, err)
	_, err = optest.LoginAndFollow(t.Context(), nil, "http://127.0.0.1:1/", "bob")
	require.Error(t, err)
	_, err = optest.Login(t.Context(), "http://127.0.0.1:1/", "bob")
	require.Error(t, err)
	_, err = optest.Login(t.Context(), "http://%zz", "bob")
	require.Error(t, err)
}

func TestStartRefuses(t *testing.T) {
	for _, options := range []optest.Options{
		{Clients: []optest.Client{{Secret: "s"}}},
		{Users: []optest.User{{}}},
		{Address: "256.0.0.1:0"},
	} {
		op, err := optest.Start(options)
		require.Error(t, err)
		require.Nil(t, op)
	}
}

func TestClientConfig(t *testing.T) {
	for method, c := range map[string]optest.Client{
		"client_secret_basic": {ID: "a", Secret: "s"},
		"client_secret_post":  {ID: "a", Secret: "s", AuthMethod: "client_secret_post"},
		"none":                {ID: "a"},
	} {
		op, err := optest.Start(optest.Options{Clients: []optest.Client{c}})
		require.NoError(t, err)
		cfg := op.ClientConfig(callback)
		require.Equal(t, method, cfg.Auth.Method())
		require.Equal(t, "a", cfg.ClientID)
		require.True(t, slices.Contains(cfg.Scopes, "offline_access"))
		require.NoError(t, op.Close())
	}
}
