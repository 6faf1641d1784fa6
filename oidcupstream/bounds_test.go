package oidcupstream

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/jws"
)

// words returns n different words, and n words in JSON.
func words(n int) (spaced, quoted string) {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("w%d", i)
	}
	text, _ := json.Marshal(list)
	return strings.Join(list, " "), string(text)
}

// members returns a JSON object with n members besides the given ones.
func members(n int, more string) []byte {
	var b strings.Builder
	b.WriteString("{" + more)
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return []byte(b.String() + "}")
}

func unsigned(payload []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"ES256"}`)) + "." + encode(payload) + ".c2ln"
}

// Every list in an answer of the provider is bounded before anything else is done with
// it. Work is counted in allocations: each entry that is split off, decoded or put into a
// set makes one. Lists of scopes and audiences above the bound cost the same, however long
// they are. The rest of an answer costs no more than its length, and hands on no list that
// others would have to compare.
func TestAnswersOfManyEntries(t *testing.T) {
	spaced := map[int]string{}
	quoted := map[int]string{}
	const few, many = 10_000, 100_000
	for _, n := range []int{few, many} {
		spaced[n], quoted[n] = words(n)
	}
	answer := func(body []byte) *Tokens {
		tokens, err := parseTokens("refresh", readReply(200, body), time.Time{}, []string{"asked"})
		if err != nil {
			require.Nil(t, tokens)
			return new(Tokens)
		}
		return tokens
	}
	bounded := func(tokens *Tokens) {
		for _, list := range [][]string{tokens.Scopes, tokens.Claimed, tokens.Audiences, tokens.ScopesUnread, tokens.AudiencesUnread} {
			require.LessOrEqual(t, len(list), 5*maxListed)
		}
	}
	refused := func(body []byte) {
		f, _ := parseFields(body)
		var e Error
		require.True(t, refusal(&e, f, []string{"secret"}))
		require.Less(t, len(e.Error()), 1000)
	}
	type work func(n int) func()
	constant, linear := map[string]work{}, map[string]work{}
	constant["scope of the answer"] = func(n int) func() {
		body := []byte(`{"access_token":"a","scope":"` + spaced[n] + `"}`)
		return func() { bounded(answer(body)) }
	}
	constant["list of scopes in the answer"] = func(n int) func() {
		body := []byte(`{"access_token":"a","scope":` + quoted[n] + `}`)
		return func() { bounded(answer(body)) }
	}
	constant["error_codes"] = func(n int) func() {
		body := []byte(`{"error":"invalid_grant","error_codes":[1` + strings.Repeat(",65001", n) + `]}`)
		return func() { refused(body) }
	}
	constant["error_description"] = func(n int) func() {
		body := []byte(`{"error":"` + spaced[n] + `","suberror":"` + spaced[n] + `","error_description":"` + spaced[n] + `"}`)
		return func() { refused(body) }
	}
	for _, claim := range append(append([]string{"scope", "aud"}, claimedScopes...), append(claimedAudiences, claimDetails)...) {
		for form, text := range map[string]map[int]string{"string": {few: `"` + spaced[few] + `"`, many: `"` + spaced[many] + `"`}, "list": quoted} {
			constant["claim "+claim+" as a "+form] = func(n int) func() {
				body := []byte(`{"access_token":"` + unsigned([]byte(`{"`+claim+`":`+text[n]+`}`)) + `"}`)
				return func() { bounded(answer(body)) }
			}
		}
	}
	linear["members of the answer"] = func(n int) func() {
		body := members(n, `"access_token":"a"`)
		return func() { bounded(answer(body)) }
	}
	linear["members of a refusal"] = func(n int) func() {
		body := members(n, `"error":"invalid_grant"`)
		return func() { refused(body) }
	}
	linear["claims of the access token"] = func(n int) func() {
		body := []byte(`{"access_token":"` + unsigned(members(n, `"aud":"x"`)) + `"}`)
		return func() { bounded(answer(body)) }
	}
	linear["claims of an ID token"] = func(n int) func() {
		p := &Provider{cfg: Config{ClientID: "client"}}
		token := unsigned(members(n, `"iss":"i","sub":"s","aud":`+quoted[n]))
		return func() { require.Error(t, p.checkAbout(&metadata{}, token, "s")) }
	}
	linear["challenge"] = func(n int) func() {
		h := http.Header{"Www-Authenticate": {"Bearer " + strings.Repeat(`x="y",`, n) + `error="invalid_token"`}}
		return func() { require.True(t, bearerRefusal(new(Error), h, "secret")) }
	}
	linear["key set"] = func(n int) func() {
		body := []byte(`{"keys":[0` + strings.Repeat(",0", n) + `]}`)
		return func() {
			_, err := jws.DecodeLenientSet(body)
			require.NoError(t, err)
		}
	}
	linear["metadata"] = func(n int) func() {
		raw := json.RawMessage(quoted[n])
		return func() {
			list, offline, err := supportedScopes(raw)
			require.NoError(t, err)
			require.LessOrEqual(t, len(list), maxListed)
			require.False(t, offline)
		}
	}
	linear["algorithms"] = func(n int) func() {
		list := strings.Fields(spaced[n] + strings.Repeat(" ES256 RS256", n))
		return func() { require.Len(t, signingAlgorithms(list), 2) }
	}
	const slack = 50 // of the runtime, and of maps that grow
	for name, f := range constant {
		small, large := testing.AllocsPerRun(1, f(few)), testing.AllocsPerRun(1, f(many))
		require.LessOrEqual(t, large, small+slack, name)
		require.Less(t, large, 500.0, name)
	}
	for name, f := range linear {
		small, large := testing.AllocsPerRun(1, f(few)), testing.AllocsPerRun(1, f(many))
		require.LessOrEqual(t, large, small*many/few*2+slack, name)
	}
}

// A provider that supports very many scopes is of use.
func TestSupportedScopes(t *testing.T) {
	_, long := words(50_000)
	long = strings.TrimSuffix(long, "]")
	for name, test := range map[string]struct {
		supported string
		want      string
		listed    int
	}{
		"with offline_access at the end": {long + `,"offline_access"]`, "openid offline_access", maxListed},
		"without":                        {long + `]`, "openid", maxListed},
		"null":                           {`null`, "openid offline_access", 0},
		"empty":                          {`[]`, "openid", 0},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			server := httptest.NewServer(mux)
			defer server.Close()
			mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":"%[1]s/auth","token_endpoint":"%[1]s/token","jwks_uri":"%[1]s/keys","scopes_supported":%s}`,
					server.URL, test.supported)
			})
			p, err := New(Config{Issuer: server.URL, ClientID: "c", Auth: PublicClient(), RedirectURL: "https://portal.example.org/redirect"})
			require.NoError(t, err)
			m, err := p.Discover(t.Context())
			require.NoError(t, err)
			require.Len(t, m.ScopesSupported, test.listed)
			snapshot, err := p.lookup(t.Context(), "test")
			require.NoError(t, err)
			scopes, _ := p.loginScopes(snapshot, nil)
			require.Equal(t, test.want, strings.Join(scopes, " "))
		})
	}
}
