package issuer_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// claiming makes an answer whose scope is "compute", and whose access token is a JWT with
// this payload. In it, AUD stands for the audience of the clause.
func claiming(payload string) optest.Fault {
	return tokenFault("compute", `{"alg":"ES256"}`, payload)
}

func tokenFault(scope, header, payload string) optest.Fault {
	encode := base64.RawURLEncoding.EncodeToString
	token := encode([]byte(header)) + "." + encode([]byte(strings.ReplaceAll(payload, "AUD", worldAudience))) + ".c2ln"
	return optest.Fault{Edit: func(a map[string]any) { a["access_token"], a["scope"] = token, scope }}
}

// An access token says in several ways how far it reaches. It is withheld if one of them
// goes beyond the clause, or cannot be read, and the use is refunded.
//
// proves P1, P2, P3
func TestBreadthUnderOtherNames(t *testing.T) {
	long := `"` + strings.Repeat("compute ", 50_000) + `"`
	many := `[` + strings.Repeat(`"compute",`, 50_000) + `"compute"]`
	withheld := map[string]optest.Fault{
		"nested too deep":       claiming(`{"aud":"AUD","scp":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`),
		"no JSON":               claiming(`nonsense`),
		"no object":             claiming(`["compute"]`),
		"cut off":               claiming(`{"aud":"AUD","scope":"compute"`),
		"twice":                 claiming(`{"aud":"AUD","scp":"admin","scp":"compute"}`),
		"twice, escaped":        claiming(`{"aud":"AUD","scp":"admin","sc\u0070":"compute"}`),
		"compressed":            tokenFault("compute", `{"alg":"ES256","zip":"DEF"}`, "\x01\x02\x03"),
		"another alphabet":      {Edit: func(a map[string]any) { a["scope"], a["access_token"] = "compute", "eyJhbGciOiJFUzI1NiJ9.!!.c2ln" }},
		"answer in an array":    {Edit: func(a map[string]any) { a["scope"] = []any{"compute", "admin"} }},
		"answer in a number":    {Edit: func(a map[string]any) { a["scope"] = 7 }},
		"answer in an object":   {Edit: func(a map[string]any) { a["scope"] = map[string]any{"compute": true} }},
		"answer of mixed types": {Edit: func(a map[string]any) { a["scope"] = []any{"compute", 7} }},
		"answer with null":      {Edit: func(a map[string]any) { a["scope"] = []any{"compute", nil} }},
		"answer with scopes":    {Edit: func(a map[string]any) { a["scope"], a["scopes"] = "compute", "compute admin" }},
		"answer with details":   {Edit: func(a map[string]any) { a["authorization_details"] = []any{map[string]any{"type": "account"}} }},
		"token with details":    claiming(`{"aud":"AUD","authorization_details":[{"type":"account"}]}`),
		"no audience":           claiming(`{"scp":"compute"}`),
		"audience a number":     claiming(`{"aud":7,"scp":"compute"}`),
		"audience mixed":        claiming(`{"aud":["AUD",7]}`),
		"audience with null":    claiming(`{"aud":["AUD",null]}`),
		"audience an object":    claiming(`{"aud":{"AUD":true}}`),
		"audience twice":        claiming(`{"aud":"https://elsewhere.example.org","aud":"AUD"}`),
		"resource":              claiming(`{"aud":"AUD","resource":"https://elsewhere.example.org"}`),
		"resources":             claiming(`{"aud":"AUD","resource":["AUD","https://elsewhere.example.org"]}`),
		"resource a number":     claiming(`{"aud":"AUD","resource":7}`),
		"audience by name":      claiming(`{"aud":"AUD","audience":["https://elsewhere.example.org"]}`),
		"audience in one word":  claiming(`{"aud":"AUD https://elsewhere.example.org"}`),
		"many audiences":        claiming(`{"aud":` + many + `}`),
	}
	for _, claim := range []string{"scope", "scp", "scopes", "permissions", "roles"} {
		for value, text := range map[string]string{
			"one more": `"compute storage.write"`, "another": `"admin"`, "tabs": `"compute\tadmin"`, "list": `["compute","admin"]`,
			"list of lists": `[["compute"]]`, "words in a list": `["compute admin"]`, "number": `7`, "true": `true`,
			"object": `{"compute":true}`, "mixed list": `["compute",7]`, "list with null": `["compute",null]`,
			"list with an object": `[{"value":"compute"}]`, "too long": long, "too many": many, "comma": `"compute,admin"`,
		} {
			withheld[claim+": "+value] = claiming(`{"aud":"AUD","` + claim + `":` + text + `}`)
		}
	}
	handedOut := map[string]optest.Fault{
		"nothing":            claiming(`{"aud":"AUD"}`),
		"null":               claiming(`{"aud":"AUD","scp":null,"scope":null,"roles":null}`),
		"empty":              claiming(`{"aud":"AUD","scp":"","scopes":[],"roles":[],"authorization_details":[]}`),
		"scp":                claiming(`{"aud":"AUD","scp":"compute"}`),
		"scp list":           claiming(`{"aud":["AUD"],"scp":["compute","storage.read"]}`),
		"all":                claiming(`{"aud":"AUD","scope":"compute","scp":["storage.read"],"scopes":["compute"],"permissions":["compute"],"roles":"compute"}`),
		"roles of Keycloak":  claiming(`{"aud":"AUD","scope":"compute","realm_access":{"roles":["admin"]},"resource_access":{"account":{"roles":["manage-account"]}}}`),
		"resource":           claiming(`{"aud":"AUD","resource":"AUD"}`),
		"qualified by Entra": tokenFault("compute", `{"alg":"RS256"}`, `{"aud":"AUD","scp":"compute"}`),
		"padded": {Edit: func(a map[string]any) {
			a["scope"] = "compute"
			a["access_token"] = strings.Replace(a["access_token"].(string), ".", "=.", 1)
		}},
		"encoded in the payload": claiming(`{"aud":"AUD","sc\u0070":"comp\u0075te"}`),
	}
	try := func(name string, fault optest.Fault, ok bool) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, optest.RotateStrict, worldOptions{limit: 5})
			w.failOnce(fault)
			at, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
			if ok {
				require.NoError(t, err)
				w.requireCharged(t, 1)
				return
			}
			require.Nil(t, at)
			upstream := errAs[*issuer.UpstreamError](t, err)
			require.Equal(t, http.StatusBadGateway, upstream.Status)
			require.False(t, upstream.Charged)
			require.NotContains(t, upstream.Description, "admin")
			require.Equal(t, 1, w.told(issuer.NoticeBroaderAnswer))
			w.requireCharged(t, 0)
			_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
			require.NoError(t, err, "the refresh token that came with it was kept")
			require.Zero(t, w.reuses())
		})
	}
	for name, fault := range withheld {
		try(name, fault, false)
	}
	for name, fault := range handedOut {
		try(name, fault, true)
	}
}

// An audience claim that cannot be read is not an opaque token, for which the operator
// has allowed an unknown audience.
//
// proves P1, P2
func TestUnreadableAudienceIsNotOpaque(t *testing.T) {
	for payload, ok := range map[string]bool{
		`{"scp":"compute"}`: true, `{"aud":["AUD",7]}`: false, `{"aud":{}}`: false, `{"aud":7}`: false, `nonsense`: false,
		`{"resource":"https://elsewhere.example.org"}`: false,
	} {
		w := newWorld(t, optest.RotateOff, worldOptions{limit: 5, config: func(c *issuer.Config) {
			c.Providers[0].InsecureOpaqueAudience = true
		}})
		w.failOnce(claiming(payload))
		_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
		require.Equal(t, ok, err == nil, "%s: %v", payload, err)
	}
}

// An operator names the scopes that the provider always adds. The log says which scopes
// were too many, and where to name them. The client does not learn them.
//
// proves P1, P3
func TestAlwaysGranted(t *testing.T) {
	for name, test := range map[string]struct {
		always []string
		scopes []string
		roles  string
		ok     bool
	}{
		"default":              {nil, []string{"compute", "offline_access"}, "", true},
		"default, openid":      {nil, []string{"compute", "openid"}, "", false},
		"openid":               {[]string{"openid"}, []string{"compute", "openid"}, "", true},
		"openid alone":         {[]string{"openid"}, []string{"openid"}, "", true},
		"replaces the default": {[]string{"openid"}, []string{"compute", "offline_access"}, "", false},
		"none":                 {[]string{}, []string{"compute", "offline_access"}, "", false},
		"none, none":           {[]string{}, []string{"compute"}, "", true},
		"not others":           {[]string{"openid"}, []string{"compute", "openid", "admin"}, "", false},
		"roles":                {[]string{"user"}, nil, `["user"]`, true},
		"other roles":          {[]string{"user"}, nil, `["user","admin"]`, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, optest.RotateOff, worldOptions{limit: 5, upstream: func(c *oidcupstream.Config) { c.AlwaysGranted = test.always }})
			var notice issuer.Notice
			w.onNotice(func(n issuer.Notice) {
				if n.Kind == issuer.NoticeBroaderAnswer {
					notice = n
				}
			})
			fault := optest.Fault{Scopes: test.scopes}
			if test.roles != "" {
				fault = claiming(`{"aud":"AUD","roles":` + test.roles + `}`)
			}
			w.failOnce(fault)
			_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
			if test.ok {
				require.NoError(t, err)
				w.requireCharged(t, 1)
				return
			}
			upstream := errAs[*issuer.UpstreamError](t, err)
			w.requireCharged(t, 0)
			more := test.scopes[max(len(test.scopes)-1, 0):]
			if test.roles != "" {
				more = []string{"admin"}
			}
			require.Contains(t, notice.Detail, more[0])
			require.Contains(t, notice.Detail, "oidcupstream.Config.AlwaysGranted")
			require.NotContains(t, upstream.Description, more[0])
			require.NotContains(t, upstream.Description, "AlwaysGranted")
		})
	}
}

// A clause that does not limit scopes or audiences is not concerned by them.
func TestBreadthOfUnlimitedClauses(t *testing.T) {
	for _, payload := range []string{`nonsense`, `{"scp":7,"roles":["admin"],"aud":7}`, `{"scope":"admin","aud":["x"],"resource":"y"}`} {
		var fault atomic.Value
		s := start(t, mytokentest.Options{Provider: optest.Options{Faults: func(at optest.FaultPoint) optest.Fault {
			f, _ := fault.Load().(optest.Fault)
			if at.Endpoint != optest.EndpointRefresh {
				return optest.Fault{}
			}
			return f
		}}})
		token := login(t, s, mytoken.Properties{Restrictions: restriction.List{{UsagesAT: restriction.Usages(3)}}})
		fault.Store(claiming(payload))
		_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token.Token, Client: mytokentest.Client})
		require.NoError(t, err, payload)
	}
}

// A refusal for want of consent concerns the scopes of one request. It does not end the
// login for all tokens of the tree.
//
// proves P5
func TestRefusedConsentLeavesTheLogin(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 5})
	w.failOnce(optest.Fault{Refuse: "invalid_grant", RefuseText: "AADSTS65001: no consent", RefuseMore: map[string]any{"suberror": "consent_required"}})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	upstream := errAs[*issuer.UpstreamError](t, err)
	require.Equal(t, "consent_required", upstream.Code)
	require.Equal(t, http.StatusBadRequest, upstream.Status)
	require.False(t, upstream.Charged)
	require.Zero(t, w.told(issuer.NoticeGrantDead))
	w.requireCharged(t, 0)
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
}
