package rest_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// TestD51_D52_D54_ProviderRotates: a provider that revokes everything when an old refresh
// token appears never sees one, however many requests come at once. // proves P5
func TestD51_D52_D54_ProviderRotates(t *testing.T) {
	s := start(t, func(o *setup) { o.Provider.Rotation = optest.RotateStrict })
	parent := s.token(mytoken.Properties{})
	tokens := []any{parent}
	for range 3 {
		tokens = append(tokens, s.object(s.derive(parent, nil), 200)["mytoken"])
	}
	scopes := []string{"openid", "openid compute", "openid profile", "openid email"}
	got := inParallel(16, func(i int) *reply { return s.access(tokens[i%4], m{"scope": scopes[i/4]}) })
	if got[200] != 16 || s.Provider.Reuses() != 0 {
		t.Errorf("%v, %d reuses", got, s.Provider.Reuses())
	}
	s.object(s.access(parent, nil), 200)
}

// TestD55_IDToken: a login whose ID token is forged or meant for somebody else leads to
// no token.
func TestD55_IDToken(t *testing.T) {
	for name, change := range map[string]func(header, claims map[string]any){
		"unsigned":       func(h, _ map[string]any) { h["alg"] = "none" },
		"other audience": func(_, c map[string]any) { c["aud"] = "somebody" },
		"other nonce":    func(_, c map[string]any) { c["nonce"] = "x" },
		"other issuer":   func(_, c map[string]any) { c["iss"] = "https://other.example" },
		"no subject":     func(_, c map[string]any) { delete(c, "sub") },
	} {
		s := start(t, func(o *setup) {
			o.Provider.Faults = func(p optest.FaultPoint) optest.Fault {
				if p.Endpoint != optest.EndpointExchange {
					return optest.Fault{}
				}
				return optest.Fault{IDToken: change}
			}
		})
		back, polled := s.tokenAs("alice", nil)
		if back.StatusCode != 555 || len(back.Cookies()) > 0 && back.Cookies()[0].MaxAge >= 0 {
			t.Errorf("%s: %d", name, back.StatusCode)
		}
		s.fails(polled, 502, "oidc_error", "the provider's answer was not usable")
	}
}

// onRefresh makes the provider fail refreshes.
func onRefresh(fault optest.Fault) func(*setup) {
	return func(o *setup) {
		o.Provider.Faults = func(p optest.FaultPoint) optest.Fault {
			if p.Endpoint == optest.EndpointRefresh {
				return fault
			}
			return optest.Fault{}
		}
	}
}

// TestD53_D60_ProviderErrors: a broken answer of the provider is no success, and its
// statuses do not become the service's.
func TestD53_D60_ProviderErrors(t *testing.T) {
	for name, c := range map[string]struct {
		fault  optest.Fault
		status int
		code   string
	}{
		"page of HTML":       {optest.Fault{FailBefore: 502}, 502, "oidc_error"},
		"HTML with 404":      {optest.Fault{FailBefore: 404}, 502, "oidc_error"},
		"empty access token": {optest.Fault{EmptyAccessToken: true}, 502, "oidc_error"},
		"no connection":      {optest.Fault{LoseRequest: true}, 502, "oidc_error"},
		"invalid_scope":      {optest.Fault{Refuse: "invalid_scope", RefuseText: "no such scope"}, 400, "oidc_error"},
		"invalid_grant":      {optest.Fault{Refuse: "invalid_grant"}, 503, "oidc_error"},
		"no consent":         {optest.Fault{Refuse: "invalid_grant", RefuseMore: m{"suberror": "consent_required"}}, 400, "oidc_error"},
		"invalid_client":     {optest.Fault{Refuse: "invalid_client"}, 502, "oidc_error"},
	} {
		s := start(t, onRefresh(c.fault))
		got := s.object(s.access(s.token(mytoken.Properties{}), nil), c.status)
		if got["error"] != c.code || got["access_token"] != nil {
			t.Errorf("%s: %v", name, got)
		}
		if name == "invalid_scope" && got["error_description"] != "invalid_scope: no such scope" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestThrottlingProvider: the wait that the provider asks for reaches clients, and the
// browser of a login, which goes on afterwards. // proves P3
func TestThrottlingProvider(t *testing.T) {
	throttles := true
	s := start(t, func(o *setup) {
		o.Provider.Faults = func(p optest.FaultPoint) optest.Fault {
			if throttles && (p.Endpoint == optest.EndpointRefresh || p.Endpoint == optest.EndpointExchange) {
				return optest.Fault{Throttle: 30 * time.Second}
			}
			return optest.Fault{}
		}
	})
	back, polled := s.tokenAs("alice", nil)
	if back.StatusCode != 503 || back.Header.Get("Retry-After") != "30" {
		t.Errorf("login: %d %v", back.StatusCode, back.Header)
	}
	s.fails(polled, 428, "authorization_pending", "")

	throttles = false
	s.Clock.Advance(time.Minute)
	token := s.token(mytoken.Properties{})
	throttles = true
	for range 2 {
		got := s.access(token, nil)
		s.fails(got, 503, "oidc_error", "")
		if got.Header.Get("Retry-After") != "30" {
			t.Errorf("access token: %v", got.Header)
		}
	}
	if n := s.Provider.Count(optest.Refreshed); n != 0 {
		t.Errorf("%d refreshes", n)
	}
	throttles = false
	s.Clock.Advance(time.Minute)
	s.object(s.access(token, nil), 200)
}

// TestD57_OfflineAccess: a refresh requests the scopes that the client requests.
func TestD57_OfflineAccess(t *testing.T) {
	s := start(t)
	if got := s.object(s.access(s.token(mytoken.Properties{}), m{"scope": "openid"}), 200); got["scope"] != "openid" {
		t.Errorf("%v", got)
	}
	for _, e := range s.Provider.Record() {
		if e.Kind == optest.Refreshed && slices.Contains(e.Scopes, "offline_access") {
			t.Errorf("%v", e)
		}
	}
}

// TestD62_DeadGrants: once the provider has ended a login, the service asks once more after
// a pause, and then not again.
func TestD62_DeadGrants(t *testing.T) {
	s := start(t)
	token := s.token(mytoken.Properties{})
	s.Provider.EndGrants("alice")
	for range 3 {
		got := s.access(token, nil)
		s.fails(got, 503, "oidc_error", "the provider refuses this login for now; it is asked again later")
		if got.Header.Get("Retry-After") != "10" {
			t.Errorf("%v", got.Header)
		}
	}
	s.Clock.Advance(11 * time.Second)
	for range 3 {
		s.fails(s.access(token, nil), 401, "invalid_token", "No refresh token attached")
	}
	if n := s.Provider.Count(optest.Refused); n != 2 {
		t.Errorf("the provider was asked %d times", n)
	}
}

// TestD103_ProviderDown: a provider that is down delays and fails only its own logins and
// access tokens.
func TestD103_ProviderDown(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) {
			upstream, err := oidcupstream.New(oidcupstream.Config{
				Issuer: "http://127.0.0.1:1/", ClientID: "x", Auth: oidcupstream.PublicClient(), RedirectURL: c.Issuer + "/redirect/down",
			})
			if err != nil {
				panic(err)
			}
			c.Providers = append(c.Providers, issuer.Provider{Upstream: upstream})
		}
	})
	s.object(s.access(s.token(mytoken.Properties{}), nil), 200)
	got := s.object(s.do(http.MethodGet, "/.well-known/mytoken-configuration", ""), 200)
	if len(got["providers_supported"].([]any)) != 2 {
		t.Errorf("%v", got["providers_supported"])
	}
	uri := s.object(s.post("/api/v0/token/my", m{"grant_type": "oidc_flow", "oidc_issuer": "http://127.0.0.1:1"}), 200)["consent_uri"].(string)
	failed := s.object(s.do(http.MethodPost, uri, "{}"), 503)
	if failed["error"] != "oidc_error" {
		t.Errorf("%v", failed)
	}
	if r := s.do(http.MethodGet, uri, ""); r.StatusCode != 200 {
		t.Errorf("and then the code is gone: %d", r.StatusCode)
	}
}
