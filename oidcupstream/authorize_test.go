package oidcupstream_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

func (b *bench) authorizationQuery(req oidcupstream.AuthorizationRequest) url.Values {
	b.t.Helper()
	address, err := b.p.AuthorizationURL(b.t.Context(), req)
	require.NoError(b.t, err)
	require.True(b.t, strings.HasPrefix(address, b.op.Issuer()+"/authorize?"))
	return query(b.t, address)
}

func TestAuthorizationURL(t *testing.T) {
	b := newBench(t, optest.Options{}, func(c *oidcupstream.Config) { c.Scopes = []string{"profile", "storage.read"} })
	verifier := oauth2.GenerateVerifier()
	q := b.authorizationQuery(authorization(verifier))
	require.Equal(t, url.Values{
		"response_type":         {"code"},
		"client_id":             {optest.DefaultClientID},
		"redirect_uri":          {redirectURL},
		"scope":                 {"openid profile storage.read offline_access"},
		"state":                 {testState},
		"nonce":                 {testNonce},
		"code_challenge":        {oauth2.S256ChallengeFromVerifier(verifier)},
		"code_challenge_method": {"S256"},
		"prompt":                {"consent"},
	}, q)
	require.NotContains(t, q.Encode(), verifier)
}

func TestAuthorizationURLOptions(t *testing.T) {
	b := newBench(t, optest.Options{}, func(c *oidcupstream.Config) {
		c.ExtraAuthParams = url.Values{"prompt": {"login"}, "acr_values": {"urn:mfa"}, "ui_locales": {"de", "en"}}
	})
	req := authorization(oauth2.GenerateVerifier())
	q := b.authorizationQuery(req)
	require.Equal(t, []string{"login"}, q["prompt"])
	require.Equal(t, []string{"urn:mfa"}, q["acr_values"])
	require.Equal(t, []string{"de", "en"}, q["ui_locales"])
	require.False(t, q.Has("login_hint"))

	scopes := append(make([]string, 0, 8), "storage.read", "storage.read", "openid")
	req.Scopes, req.Prompt, req.LoginHint = scopes, "none", "bob"
	req.Extra = url.Values{"acr_values": {"urn:other"}, "ui_locales": {}}
	q = b.authorizationQuery(req)
	require.Equal(t, "openid storage.read offline_access", q.Get("scope"))
	require.Equal(t, []string{"storage.read", "storage.read", "openid", "", ""}, scopes[:5], "the caller's list is left alone")
	require.Equal(t, "none", q.Get("prompt"))
	require.Equal(t, "bob", q.Get("login_hint"))
	require.Equal(t, []string{"urn:other"}, q["acr_values"])
	require.False(t, q.Has("ui_locales"), "present without a value is left out")
}

// Authorization requests and token requests name audiences as the provider expects.
func TestAudienceParameter(t *testing.T) {
	audiences := []string{"https://a.example", "https://b.example"}
	for name, test := range map[string]struct {
		parameter oidcupstream.AudienceParameter
		want      url.Values
	}{
		"resource repeated (RFC 8707)": {oidcupstream.AudienceParameter{}, url.Values{"resource": audiences}},
		"audience repeated":            {oidcupstream.AudienceParameter{Name: "audience"}, url.Values{"audience": audiences}},
		"audience space separated":     {oidcupstream.AudienceParameter{Name: "audience", SpaceSeparated: true}, url.Values{"audience": {"https://a.example https://b.example"}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, optest.Options{}, func(c *oidcupstream.Config) { c.Audience = test.parameter })
			verifier := oauth2.GenerateVerifier()
			req := authorization(verifier)
			req.Audiences = audiences
			q := b.authorizationQuery(req)
			for _, parameter := range []string{"resource", "audience"} {
				require.Equal(t, test.want[parameter], q[parameter])
			}
			redirect, err := b.redirect(req)
			require.NoError(t, err)
			tokens, err := b.p.Exchange(t.Context(), oidcupstream.ExchangeRequest{
				Code: redirect.Code, Verifier: verifier, Nonce: testNonce, Audiences: audiences[:1],
			})
			require.NoError(t, err)
			require.Equal(t, audiences[:1], tokens.Audiences)
			refreshed, err := b.p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: tokens.RefreshToken, Audiences: audiences})
			require.NoError(t, err)
			require.Equal(t, audiences, refreshed.Audiences)
			_, err = b.p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: tokens.RefreshToken, Audiences: []string{"https://c.example"}})
			require.Equal(t, "invalid_target", upstreamError(t, err).Code)
		})
	}
}

func TestOfflineAccess(t *testing.T) {
	for name, test := range map[string]struct {
		offline   oidcupstream.OfflineAccess
		supported string // of the metadata
		issuer    string
		scope     bool
		param     bool
	}{
		"auto, not said":     {oidcupstream.OfflineAuto, "", "", true, false},
		"auto, supported":    {oidcupstream.OfflineAuto, `,"scopes_supported":["openid","offline_access"]`, "", true, false},
		"auto, unsupported":  {oidcupstream.OfflineAuto, `,"scopes_supported":["openid","my_offline_access"]`, "", false, false},
		"auto, Google":       {oidcupstream.OfflineAuto, `,"scopes_supported":["openid","email","profile"]`, "https://accounts.google.com", false, true},
		"scope, unsupported": {oidcupstream.OfflineScope, `,"scopes_supported":["openid"]`, "", true, false},
		"parameter":          {oidcupstream.OfflineAccessType, "", "", false, true},
		"none":               {oidcupstream.OfflineNone, "", "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			var server *httptest.Server
			issuer := func() string {
				if test.issuer != "" {
					return test.issuer
				}
				return server.URL
			}
			server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, strings.TrimSuffix(discoveryDocument(issuer(), issuer()), "}")+test.supported+"}")
			}))
			defer server.Close()
			p, err := oidcupstream.New(oidcupstream.Config{
				Issuer: issuer(), ClientID: "c", Auth: oidcupstream.PublicClient(), RedirectURL: redirectURL, Offline: test.offline,
				HTTPClient: &http.Client{Transport: rerouted{server.Listener.Addr().String()}},
			})
			require.NoError(t, err)
			address, err := p.AuthorizationURL(t.Context(), authorization(oauth2.GenerateVerifier()))
			require.NoError(t, err)
			q := query(t, address)
			require.Equal(t, test.scope, strings.Contains(q.Get("scope"), "offline_access"))
			require.Equal(t, test.param, q.Get("access_type") == "offline")
		})
	}
}

// rerouted sends every request to one host, in plain HTTP.
type rerouted struct{ host string }

func (r rerouted) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = "http", r.host
	return http.DefaultTransport.RoundTrip(req)
}

func TestAuthorizationEndpointWithQuery(t *testing.T) {
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Replace(discoveryDocument(server.URL, server.URL), "/authorize", "/authorize?tenant=a+b", 1))
	}))
	defer server.Close()
	p, err := oidcupstream.New(oidcupstream.Config{Issuer: server.URL, ClientID: "c", Auth: oidcupstream.PublicClient(), RedirectURL: redirectURL})
	require.NoError(t, err)
	address, err := p.AuthorizationURL(t.Context(), authorization(oauth2.GenerateVerifier()))
	require.NoError(t, err)
	require.Equal(t, "a b", query(t, address).Get("tenant"))
	require.Equal(t, testState, query(t, address).Get("state"))
}

func TestAuthorizationRequestRefused(t *testing.T) {
	b := newBench(t, optest.Options{})
	verifier := oauth2.GenerateVerifier()
	for name, change := range map[string]func(*oidcupstream.AuthorizationRequest){
		"no state":         func(r *oidcupstream.AuthorizationRequest) { r.State = "" },
		"no nonce":         func(r *oidcupstream.AuthorizationRequest) { r.Nonce = "" },
		"no verifier":      func(r *oidcupstream.AuthorizationRequest) { r.Verifier = "" },
		"short verifier":   func(r *oidcupstream.AuthorizationRequest) { r.Verifier = verifier[:42] },
		"long verifier":    func(r *oidcupstream.AuthorizationRequest) { r.Verifier = strings.Repeat("a", 129) },
		"strange verifier": func(r *oidcupstream.AuthorizationRequest) { r.Verifier = verifier + "+" },
		"two scopes":       func(r *oidcupstream.AuthorizationRequest) { r.Scopes = []string{"a b"} },
		"empty audience":   func(r *oidcupstream.AuthorizationRequest) { r.Audiences = []string{""} },
		"second state":     func(r *oidcupstream.AuthorizationRequest) { r.Extra = url.Values{"state": {"x"}} },
		"request object":   func(r *oidcupstream.AuthorizationRequest) { r.Extra = url.Values{"request_uri": {"x"}} },
	} {
		req := authorization(verifier)
		change(&req)
		_, err := b.p.AuthorizationURL(t.Context(), req)
		require.ErrorIs(t, err, oidcupstream.ErrRequest, name)
		require.Equal(t, oidcupstream.NotSent, upstreamError(t, err).Outcome)
	}
	cfg := b.op.ClientConfig("")
	p, err := oidcupstream.New(cfg)
	require.NoError(t, err)
	_, err = p.AuthorizationURL(t.Context(), authorization(verifier))
	require.ErrorIs(t, err, oidcupstream.ErrConfig, "no redirect URL")
	_, err = p.Exchange(t.Context(), oidcupstream.ExchangeRequest{Code: "c", Verifier: verifier, Nonce: "n"})
	require.ErrorIs(t, err, oidcupstream.ErrConfig, "no redirect URL")
}

// CheckRedirect refuses answers of another issuer (RFC 9207), with a code or with an
// error.
func TestCheckRedirect(t *testing.T) {
	b := newBench(t, optest.Options{})
	iss := b.op.Issuer()
	good := url.Values{"code": {"c"}, "state": {"s"}, "iss": {iss}}
	redirect, err := b.p.CheckRedirect(t.Context(), good)
	require.NoError(t, err)
	require.Equal(t, oidcupstream.Redirect{Code: "c", State: "s"}, redirect)
	for name, bad := range map[string]url.Values{
		"another issuer":           {"code": {"c"}, "state": {"s"}, "iss": {"https://evil.example"}},
		"error of another issuer":  {"error": {"access_denied"}, "state": {"s"}, "iss": {"https://evil.example"}},
		"no issuer":                {"code": {"c"}, "state": {"s"}},
		"empty issuer":             {"code": {"c"}, "state": {"s"}, "iss": {""}},
		"two issuers":              {"code": {"c"}, "state": {"s"}, "iss": {iss, "https://evil.example"}},
		"two codes":                {"code": {"c", "d"}, "state": {"s"}, "iss": {iss}},
		"two states":               {"code": {"c"}, "state": {"s", "t"}, "iss": {iss}},
		"no code":                  {"state": {"s"}, "iss": {iss}},
		"no state":                 {"code": {"c"}, "iss": {iss}},
		"nothing":                  {},
		"code and foreign nothing": {"code": {""}, "state": {""}, "iss": {iss}},
	} {
		_, err := b.p.CheckRedirect(t.Context(), bad)
		require.ErrorIs(t, err, oidcupstream.ErrRedirect, name)
		if !bad.Has("iss") {
			require.ErrorContains(t, err, "it has no parameter iss", name)
		}
	}
	_, err = b.p.CheckRedirect(t.Context(), url.Values{
		"error": {"login_required"}, "error_description": {"please\r\nlog in " + testState}, "state": {testState}, "iss": {iss},
	})
	e := upstreamError(t, err)
	require.Equal(t, oidcupstream.Refused, e.Outcome)
	require.Equal(t, "login_required", e.Code)
	require.Equal(t, "please log in [redacted]", e.Description)

	// A provider that does not announce iss may leave it out. It must be right if it is
	// there.
	old := rawProvider(t, func(http.ResponseWriter, *http.Request) {})
	_, err = old.CheckRedirect(t.Context(), url.Values{"code": {"c"}, "state": {"s"}})
	require.NoError(t, err)
	_, err = old.CheckRedirect(t.Context(), url.Values{"code": {"c"}, "state": {"s"}, "iss": {iss}})
	require.ErrorIs(t, err, oidcupstream.ErrRedirect)

	// Its operator may promise iss for it.
	strict := rawProvider(t, func(http.ResponseWriter, *http.Request) {}, func(c *oidcupstream.Config) { c.RequireIssParameter = true })
	require.True(t, strict.RequireIssParameter())
	for _, query := range []url.Values{{"code": {"c"}, "state": {"s"}}, {"error": {"access_denied"}, "state": {"s"}}} {
		_, err = strict.CheckRedirect(t.Context(), query)
		require.ErrorIs(t, err, oidcupstream.ErrRedirect)
	}
	_, err = strict.CheckRedirect(t.Context(), url.Values{"code": {"c"}, "state": {"s"}, "iss": {strict.Issuer()}})
	require.NoError(t, err)
}
