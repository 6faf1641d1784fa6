package oidcupstream_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// The claims of access tokens that real providers write. proves P1
func TestAccessTokenClaims(t *testing.T) {
	for name, test := range map[string]struct {
		scope   string // of the answer
		token   string
		scopes  []string
		claimed []string
		unread  []string
	}{
		"opaque":             {"a", "at-1234", []string{"a"}, nil, nil},
		"opaque with dots":   {"a", "ya29.a0Af.H6S", []string{"a"}, nil, nil},
		"encrypted":          {"a", "eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d", []string{"a"}, nil, nil},
		"RFC 9068":           {"a", jwt(`{"scope":"a b"}`), []string{"a", "b"}, nil, nil},
		"Okta":               {"a", jwt(`{"scp":["a","b"]}`), []string{"a"}, []string{"b"}, nil},
		"Auth0":              {"a", jwt(`{"scope":"a","permissions":["read:all"]}`), []string{"a"}, []string{"read:all"}, nil},
		"Keycloak":           {"a", jwt(`{"scope":"a","realm_access":{"roles":["x"]},"resource_access":{"account":{"roles":["y"]}}}`), []string{"a"}, nil, nil},
		"Entra":              {"api://app/read openid", jwt(`{"aud":"app","scp":"read","roles":["Reader"]}`), []string{"api://app/read", "openid"}, []string{"Reader"}, nil},
		"Entra, by address":  {"https://api.example/read", jwt(`{"aud":"https://api.example/","scp":"read write"}`), []string{"https://api.example/read"}, []string{"write"}, nil},
		"not that audience":  {"https://api.example/read", jwt(`{"aud":["https://api.example","https://other.example"],"scp":"read"}`), []string{"https://api.example/read"}, []string{"read"}, nil},
		"no audience":        {"/read api:///read", jwt(`{"scp":"read"}`), []string{"/read", "api:///read"}, []string{"read"}, nil},
		"short role":         {"api://app/read", jwt(`{"aud":"app","roles":"read"}`), []string{"api://app/read"}, []string{"read"}, nil},
		"repeated":           {"a", jwt(`{"scp":"b b","scopes":["b"],"roles":["b","c","c"]}`), []string{"a"}, []string{"b", "c"}, nil},
		"standard base64":    {"a", "eyJhbGciOiJFUzI1NiJ9." + base64.StdEncoding.EncodeToString([]byte(`{"scp":"??>>~~"}`)) + ".s", []string{"a"}, []string{"??>>~~"}, nil},
		"white space around": {"a", " \t" + jwt(`{"scp":"b"}`) + "\n", []string{"a"}, []string{"b"}, nil},
		"unsigned":           {"a", "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(`{"scp":"b"}`)) + ".", []string{"a"}, []string{"b"}, nil},
		"UMA":                {"a", jwt(`{"scope":"a","authorization":{"permissions":[{"rsid":"7","scopes":["view"]}]}}`), []string{"a"}, nil, []string{"authorization"}},
		"UMA, unreadable":    {"a", jwt(`{"authorization":{"permissions":7}}`), []string{"a"}, nil, []string{"authorization"}},
		"UMA, none":          {"a", jwt(`{"authorization":{"permissions":[]}}`), []string{"a"}, nil, nil},
		"own claim":          {"a", jwt(`{"authorization":"basic"}`), []string{"a"}, nil, nil},
		"several":            {"a", jwt(`{"scope":1,"scp":{},"scopes":[0],"roles":false}`), []string{"a"}, nil, []string{"scope", "scp", "scopes", "roles"}},
		"deep member twice":  {"a", jwt(`{"x":{"a":1,"a":2}}`), []string{"a"}, nil, []string{"the payload"}},
		"null":               {"a", jwt(`null`), []string{"a"}, nil, []string{"the payload"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := answering(t, 200, nil, fmt.Sprintf(`{"access_token":%s,"scope":%q}`, quote(t, test.token), test.scope))
			got, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
			require.NoError(t, err)
			require.Equal(t, test.scopes, got.Scopes)
			require.Equal(t, test.claimed, got.Claimed)
			require.Equal(t, test.unread, got.ScopesUnread)
		})
	}
}

// Some answers name the scopes under other names than scope, also for opaque access
// tokens.
//
// proves P1
func TestAnswerWithOtherNames(t *testing.T) {
	for name, test := range map[string]struct {
		more    string
		claimed []string
		unread  []string
	}{
		"list":    {`"scopes":["a","admin"]`, []string{"admin"}, nil},
		"words":   {`"scp":"a admin"`, []string{"admin"}, nil},
		"several": {`"scope":"a","permissions":"x","roles":["y","x"],"scopes":["a"]`, []string{"x", "y"}, nil},
		"same":    {`"scope":"a","scopes":["a"],"scp":"a"`, nil, nil},
		"null":    {`"scopes":null,"roles":[]`, nil, nil},
		"number":  {`"scopes":7`, nil, []string{"scopes of the answer"}},
		"object":  {`"permissions":{"admin":true}`, nil, []string{"permissions of the answer"}},
	} {
		p := answering(t, 200, nil, `{"access_token":"opaque",`+test.more+`}`)
		got, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r", Scopes: []string{"a"}})
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, got.Scopes, name)
		require.Equal(t, test.claimed, got.Claimed, name)
		require.Equal(t, test.unread, got.ScopesUnread, name)
	}
}

// A member of the answer that occurs twice may have been read differently elsewhere.
// proves P1
func TestAnswerWithMemberTwice(t *testing.T) {
	p := answering(t, 200, nil, `{"access_token":"a","scope":"a b","scope":"a","refresh_token":"new"}`)
	got, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
	require.NoError(t, err)
	require.Equal(t, []string{"the answer"}, got.ScopesUnread)
	require.Equal(t, "new", got.RefreshToken)
}

// A refresh names offline_access only if the operator says that the provider always
// grants it, and only together with other scopes.
func TestOfflineAccessAtRefresh(t *testing.T) {
	for _, test := range []struct {
		always, scopes, want []string
	}{
		{nil, []string{"storage.read"}, []string{"storage.read"}},
		{[]string{}, []string{"storage.read"}, []string{"storage.read"}},
		{[]string{"openid"}, []string{"storage.read"}, []string{"storage.read"}},
		{[]string{"offline_access", "openid"}, []string{"storage.read"}, []string{"storage.read", "offline_access"}},
		{[]string{"offline_access"}, []string{"offline_access", "storage.read"}, []string{"offline_access", "storage.read"}},
	} {
		b := newBench(t, optest.Options{}, func(c *oidcupstream.Config) { c.AlwaysGranted = test.always })
		login := b.login()
		scopes := test.scopes[:len(test.scopes):len(test.scopes)]
		got, err := b.p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: login.RefreshToken, Scopes: scopes})
		require.NoError(t, err)
		require.Equal(t, test.want, got.Scopes)
		require.Len(t, scopes, len(test.scopes))
	}
	var scope []string
	p := rawProvider(t, func(w http.ResponseWriter, r *http.Request) {
		scope = append(scope, r.FormValue("scope"))
		fmt.Fprint(w, granted)
	}, func(c *oidcupstream.Config) { c.AlwaysGranted = []string{"offline_access"} })
	_, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
	require.NoError(t, err)
	require.Equal(t, []string{""}, scope, "no scopes mean all that were granted")
}

func TestAlwaysGrantedIsChecked(t *testing.T) {
	cfg := oidcupstream.Config{Issuer: "https://op.example.org", ClientID: "c", Auth: oidcupstream.PublicClient()}
	p, err := oidcupstream.New(cfg)
	require.NoError(t, err)
	require.Equal(t, []string{"offline_access"}, p.AlwaysGranted())
	for _, bad := range []string{"", "openid profile", "a\tb", "\u00a0"} {
		cfg.AlwaysGranted = []string{"openid", bad}
		_, err := oidcupstream.New(cfg)
		require.ErrorIs(t, err, oidcupstream.ErrConfig, "%q", bad)
	}
	cfg.AlwaysGranted = []string{}
	p, err = oidcupstream.New(cfg)
	require.NoError(t, err)
	require.Empty(t, p.AlwaysGranted())
	cfg.AlwaysGranted = []string{"openid"}
	p, err = oidcupstream.New(cfg)
	require.NoError(t, err)
	cfg.AlwaysGranted[0], p.AlwaysGranted()[0] = "x", "y"
	require.Equal(t, []string{"openid"}, p.AlwaysGranted())
}

func quote(t *testing.T, text string) string {
	t.Helper()
	quoted, err := json.Marshal(text)
	require.NoError(t, err)
	return string(quoted)
}
