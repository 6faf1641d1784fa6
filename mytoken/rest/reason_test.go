package rest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
)

// TestShortReason: public clients show error_description alone, so it ends in what refused,
// as far as the level permits. // proves P9, P10
func TestShortReason(t *testing.T) {
	type told struct{ keys, clauses string }
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		list func(now time.Time) restriction.List
		want told
	}{
		"early": {func(now time.Time) restriction.List {
			return restriction.List{{Expires: now.Unix() + 1, Scopes: []string{"compute"}}, {NotBefore: now.Add(day).Unix()}}
		}, told{"scope, nbf", "nbf: not before 2030-03-02 08:00 UTC"}},
		"a second later": {func(now time.Time) restriction.List {
			return restriction.List{{Expires: now.Unix() + 1, Scopes: []string{"compute"}}, {NotBefore: now.Add(day).Unix() + 1}}
		}, told{"scope, nbf", "nbf: not before 2030-03-02 08:00:01 UTC"}},
		"elsewhere": {func(time.Time) restriction.List {
			return restriction.List{{Hosts: []string{"192.0.2.0/24"}}, {Hosts: []string{"192.0.2.0/24"}, Scopes: []string{"compute"}}}
		}, told{"hosts, scope", "hosts: needs an address among 192.0.2.0/24, not 127.0.0.1"}},
		"two keys": {func(now time.Time) restriction.List {
			return restriction.List{{Expires: now.Unix() + 1, Scopes: []string{"compute"}}, {NotBefore: now.Add(day).Unix(), Scopes: []string{"compute"}}}
		}, told{"scope, nbf", "scope: needs scopes among compute, not 'openid'"}},
		"not ASCII": {func(time.Time) restriction.List {
			return restriction.List{{Audiences: []string{"https://ü.example", `a\b`}}}
		}, told{"audience", `audience: needs audiences among https://?.example a?b, not 'https://x.example'`}},
		"long": {func(time.Time) restriction.List {
			return restriction.List{{Hosts: []string{"192.0.2.1"}, Audiences: []string{strings.Repeat("a", 90), strings.Repeat("b", 90), strings.Repeat("c", 90), strings.Repeat("d", 90), strings.Repeat("e", 90)}}}
		}, told{"audience, hosts", "audience: needs audiences among " + strings.Repeat("a", 64) + "... " + strings.Repeat("b", 64) + "... "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for level, want := range map[rest.ExplanationLevel]string{rest.ExplainKeys: c.want.keys, rest.ExplainClauses: c.want.clauses} {
				s := start(t, func(o *setup) { o.rest.Explanations = level })
				use := m{"scope": "openid"}
				if strings.Contains(c.want.keys, "audience") {
					use = m{"audience": "https://x.example"}
				}
				got := s.object(s.access(s.token(mytoken.Properties{Restrictions: c.list(s.Clock.Now())}), use), 403)
				text := got["error_description"].(string)
				require.Regexp(t, `^[ !#-\[\]-~]*$`, text, "RFC 6749 section 5.2")
				require.LessOrEqual(t, len(text), len(refusedText)+2+400+3)
				if name == "long" && level == rest.ExplainClauses {
					require.True(t, strings.HasPrefix(text, refusedText+": "+want) && strings.HasSuffix(text, "..."), text)
					continue
				}
				require.Equal(t, refusedText+": "+want, text)
			}
		})
	}
}

// TestShortReasonOfATokenThatBegins: the same for a token whose every clause begins later,
// and at the standard endpoint. Whoever has no valid token learns nothing. // proves P9, P10
func TestShortReasonOfATokenThatBegins(t *testing.T) {
	s := start(t, func(o *setup) { o.rest.Explanations = rest.ExplainClauses })
	parent := s.token(mytoken.Properties{})
	begin := s.Clock.Now().Add(90 * time.Minute)
	asked := m{"restrictions": []m{{"nbf": begin.Unix()}}, "response_type": "token"}
	child := s.object(s.derive(parent, asked), 200)["mytoken"].(string)
	why := "token is not valid yet: nbf: not before " + begin.UTC().Format("2006-01-02 15:04 UTC")
	require.Equal(t, why, s.object(s.access(child, nil), 401)["error_description"])
	r := s.do(http.MethodPost, "/oauth/token", "grant_type=refresh_token&refresh_token="+child, "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, why, s.object(r, 400)["error_description"])
	asked["response_type"] = "short_token" // its holder cannot read it
	short := s.object(s.derive(parent, asked), 200)["mytoken"]
	require.Equal(t, "token is not valid yet: nbf", s.object(s.access(short, nil), 401)["error_description"])
	s.fails(s.access(child[:len(child)-8]+"AAAAAAAA", nil), 401, "invalid_token", "token not valid")
}
