package rest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// TestStandardEndpoints: what generic OAuth clients rely on besides the transcripts.
// proves P1
func TestStandardEndpoints(t *testing.T) {
	s := start(t, scenarios["standards"]...)
	parent := s.token(mytoken.Properties{Capabilities: everything, Restrictions: restriction.List{
		{Scopes: []string{"openid", "compute"}, UsagesAT: restriction.Usages(2)}, {Scopes: []string{"storage.read"}, Audiences: []string{"https://a.example"}},
	}})
	exchange := func(extra url.Values) *reply {
		values := url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {parent},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:refresh_token"}, "requested_token_type": {"urn:ietf:params:oauth:token-type:refresh_token"},
		}
		for k, v := range extra {
			values[k] = v
		}
		return s.form("/oauth/token", values)
	}
	for _, c := range []struct {
		ask  url.Values
		want string
	}{
		{url.Values{}, `[{"scope":"openid compute","usages_AT":2},{"scope":"storage.read","audience":["https://a.example"]}]`},
		{url.Values{"scope": {"compute"}}, `[{"scope":"compute","usages_AT":2}]`},
		{url.Values{"audience": {"https://a.example"}}, `[{"scope":"openid compute","audience":["https://a.example"],"usages_AT":2},{"scope":"storage.read","audience":["https://a.example"]}]`},
		{url.Values{"restrictions": {`[{"scope":"openid","usages_AT":1}]`}}, `[{"scope":"openid","usages_AT":1}]`},
	} {
		got := s.object(exchange(c.ask), 200)
		claims := s.object(s.introspect(got["access_token"]), 200)["token"].(m)
		var want any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if encode(t, claims["restrictions"]) != encode(t, want) {
			t.Errorf("%v: %v", c.ask, claims["restrictions"])
		}
	}
	for name, c := range map[string]struct {
		ask  url.Values
		code string
	}{
		"other scope":       {url.Values{"scope": {"storage.write"}}, "invalid_scope"},
		"mixed scopes":      {url.Values{"scope": {"compute storage.read"}}, "invalid_scope"},
		"other audience":    {url.Values{"scope": {"storage.read"}, "audience": {"https://b.example"}}, "invalid_target"},
		"wider":             {url.Values{"restrictions": {`[{"exp":4102444800}]`}}, "invalid_request"},
		"both":              {url.Values{"scope": {"openid"}, "restrictions": {`[{"scope":"openid","usages_AT":1}]`}}, "invalid_request"},
		"actor":             {url.Values{"actor_token": {parent}, "actor_token_type": {"x"}}, "invalid_request"},
		"unknown type":      {url.Values{"requested_token_type": {"urn:ietf:params:oauth:token-type:saml2"}}, "invalid_request"},
		"unknown subject":   {url.Values{"subject_token_type": {"urn:ietf:params:oauth:token-type:id_token"}}, "invalid_request"},
		"resource fragment": {url.Values{"resource": {"https://a.example/#x"}}, "invalid_target"},
	} {
		if got := s.object(exchange(c.ask), 400); got["error"] != c.code {
			t.Errorf("%s: %v", name, got)
		}
	}
	// The token counts in the body only.
	if got := s.object(s.form("/oauth/token", url.Values{"grant_type": {"refresh_token"}}, "Authorization", "Bearer "+parent), 400); got["error"] != "invalid_request" {
		t.Errorf("%v", got)
	}
	// Introspection needs no capability of the token, and tells strangers nothing.
	weak := s.token(can(capability.AT))
	asClient := []string{"Authorization", "Basic Y29tcHV0ZTphLXNlY3JldC1vZi10aGUtdGVzdHM="}
	if got := s.object(s.form("/oauth/introspect", url.Values{"token": {weak}}, asClient...), 200); got["active"] != true || got["sub"] == "" {
		t.Errorf("%v", got)
	}
	for _, token := range []string{parent + "x", "x"} {
		if got := s.object(s.form("/oauth/introspect", url.Values{"token": {token}}, asClient...), 200); encode(t, got) != `{"active":false}` {
			t.Errorf("%v", got)
		}
	}
	without := start(t)
	without.fails(without.form("/oauth/introspect", url.Values{"token": {weak}}), 404, "not_found", "/oauth/introspect")
	if doc := without.object(without.do(http.MethodGet, "/.well-known/oauth-authorization-server", ""), 200); doc["introspection_endpoint"] != nil {
		t.Errorf("%v", doc)
	}
	// Revocation includes the children, and always succeeds.
	child := s.object(exchange(nil), 200)["access_token"]
	if r := s.form("/oauth/revoke", url.Values{"token": {parent}}); r.StatusCode != 200 {
		t.Errorf("%d", r.StatusCode)
	}
	s.fails(s.access(child, nil), 401, "invalid_token", "")
}

// TestStandardTargetOfTheProvider: the client gets the provider's error about a scope or
// target unchanged (RFC 6749 section 5.2, RFC 8707 section 2.2).
func TestStandardTargetOfTheProvider(t *testing.T) {
	for code, want := range map[string][2]string{ // refresh, exchange
		"invalid_target": {"invalid_target", "invalid_target"}, "invalid_scope": {"invalid_scope", "invalid_scope"},
		"access_denied": {"invalid_grant", "invalid_request"},
	} {
		s := start(t, onRefresh(optest.Fault{Refuse: code}))
		token := s.token(mytoken.Properties{})
		refreshed := s.object(s.form("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "resource": {"https://a.example"}}), 400)
		exchanged := s.object(s.form("/oauth/token", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {token},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:refresh_token"}, "resource": {"https://a.example"},
		}), 400)
		if got := [2]any{refreshed["error"], exchanged["error"]}; got != [2]any{want[0], want[1]} {
			t.Errorf("%s: %v", code, got)
		}
	}
}
