package rest_test

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
)

// raw is JSON text.
type raw string

// badValues are values that a member must not have, by the endpoint's path and grant type
// or action, and the member. Every one of them is a 400 that names the member or says
// what is wrong.
var badValues = map[string]map[string][]raw{
	"token/my mytoken": {
		"grant_type":            {`"Mytoken"`, `"mytoken "`, `"ssh"`, `"password"`, `1`, `[]`},
		"response_type":         {`"foo"`, `"Token"`, `"token "`, `"short_token transfer_code"`, `1`, `["token"]`, `{}`, `true`},
		"max_token_len":         {`-1`, `-9007199254740993`, `1.5`, `"5"`, `1e400`, `99999999999999999999`, `[]`, `{}`, `true`},
		"error_on_restrictions": {`"yes"`, `"true"`, `1`, `0`, `[]`, `{}`},
		"name":                  {`"` + raw(strings.Repeat("x", 101)) + `"`, `"` + raw(strings.Repeat("x", 1<<19)) + `"`, `"a\u0000"`, `"a\nb"`, `"\u202e"`, `1`, `[]`, `["x"]`, `{}`},
		"oidc_issuer":           {`"https://elsewhere.example.org"`, `"x"`, `1`, `["x"]`},
		"mytoken":               {`1`, `[]`, `{}`, `["x"]`},
		"include":               {`"no-such-profile"`, `1`, `{}`, `[1]`, `true`, `[["x"]]`},
		"restrictions": {
			`1`, `true`, `"no-such-template"`, `[1]`, `[[1]]`, `[null]`, `[{}]`, `{}`, `[{"scope":null}]`, `[{"exp":null,"nbf":null}]`,
			`[{"exp":-1}]`, `[{"exp":1}]`, `[{"exp":1.5}]`, `[{"exp":1e300}]`, `[{"exp":999999999999}]`, `[{"exp":"nonsense"}]`, `[{"exp":"-1d"}]`, `[{"exp":[]}]`, `[{"exp":true}]`,
			`[{"nbf":-1}]`, `[{"nbf":9223372036854775808}]`, `[{"nbf":4102444800,"exp":4102444799}]`,
			`[{"usages_AT":-1}]`, `[{"usages_AT":0}]`, `[{"usages_AT":1.0}]`, `[{"usages_AT":1e2}]`, `[{"usages_AT":"1"}]`, `[{"usages_AT":9223372036854775808}]`, `[{"usages_other":-1}]`, `[{"usages_other":{}}]`,
			`[{"scope":1}]`, `[{"scope":["a"]}]`, `[{"scope":"a\"b"}]`, `[{"scope":"\u00e9"}]`, `[{"audience":"a"}]`, `[{"audience":[1]}]`, `[{"audience":[null]}]`, `[{"audience":[""]}]`, `[{"audience":[" a"]}]`,
			`[{"hosts":"a"}]`, `[{"hosts":["1.2.3.4/33"]}]`, `[{"hosts":["*"]}]`, `[{"hosts":[""]}]`, `[{"hosts":[null]}]`, `[{"ip":["192.0.2.1"],"hosts":["192.0.2.1"]}]`,
			`[{"geoip_allow":["Germany"]}]`, `[{"geoip_allow":[1]}]`, `[{"geoip_disallow":[""]}]`, `[{"unknown":1}]`, `[{"exp":4102444800,"exp":4102444800}]`, `[{"Scope":"a"}]`,
			`[{"schedule":1}]`, `[{"schedule":{}}]`, `[{"schedule":{"timezone":"Mars/Olympus"}}]`, `[{"schedule":{"timezone":"Local"}}]`, `[{"schedule":{"timezone":"../etc/passwd"}}]`, `[{"schedule":{"days":[8]}}]`, `[{"schedule":{"days":["1"]}}]`,
			`[{"schedule":{"days_of_month":[0]}}]`, `[{"schedule":{"from":"25:00","to":"06:00"}}]`, `[{"schedule":{"from":"22:00"}}]`, `[{"schedule":{"every":-1}}]`, `[{"schedule":{"every":2,"anchor":"2030-02-30"}}]`, `[{"schedule":{"zone":"UTC","days":[1]}}]`,
		},
		"capabilities": {
			`1`, `true`, `{}`, `[1]`, `[null]`, `[[]]`, `["AT",["AT"]]`, `[""]`, `" "`, `["nonsense"]`, `["at"]`, `["@no-such"]`, `["AT\u0000"]`, `["` + raw(strings.Repeat("x", 129)) + `"]`,
			`["AT"` + raw(strings.Repeat(`,"AT"`, 9999)) + `]`, `"AT` + raw(strings.Repeat(" AT", 200)) + `"`,
		},
		"rotation": {
			`1`, `true`, `"no-such"`, `[]`, `[{}]`, `{"lifetime":-1}`, `{"lifetime":1.5}`, `{"lifetime":"60"}`, `{"lifetime":null}`, `{"lifetime":99999999999}`, `{"lifetime":1e3}`,
			`{"on_AT":1}`, `{"on_AT":"true"}`, `{"on_at":true}`, `{"on_AT":true,"on_AT":true}`, `{"auto_revoke":[]}`, `{"unknown":true}`, `{"on_other":{}}`,
		},
		"tags": {
			`1`, `true`, `""`, `{}`, `[1]`, `[null]`, `[[]]`, `[{}]`, `[""]`, `[{"tag":1}]`, `[{"tag":""}]`, `[{"tag":"a/b"}]`, `[{"tag":"a","include_children":"true"}]`, `[{"tag":"a","include_children":1}]`,
			`[{"tag":"a","unknown":true}]`, `[{"Tag":"a"}]`, `[{"tag":"a","tag":"b"}]`, `[{"tag":".."}]`, `["a%41"]`, `["a\u0000"]`, `["\u202e"]`, `["` + raw(strings.Repeat("x", 65)) + `"]`,
			`["` + raw(strings.Join(strings.Fields(fmt.Sprint(make([]int, 65))), `","`)) + `"]`,
		},
	},
	"settings/tags/x": {"color": {`1`, `[]`, `"red"`, `"fff"`, `"#"`, `"1234567"`, `"` + raw(strings.Repeat("0", 1<<19)) + `"`}, "mytoken": {`1`, `[]`}},
	"token/my/tags": {
		"tag":              {`1`, `[]`, `{}`, `""`, `" "`, `"a/b"`, `"."`, `"a\u0000"`, `"\u202e"`, `"` + raw(strings.Repeat("x", 65)) + `"`},
		"mom_id":           {`1`, `[]`, `"x"`, `"this"`},
		"include_children": {`1`, `"true"`, `[]`},
	},
	"token/my oidc_flow": {
		"oidc_flow":        {`"device"`, `"authorization-code"`, `1`, `[]`},
		"client_type":      {`"mobile"`, `"Web"`, `1`, `{}`},
		"oidc_issuer":      {`""`, `"https://elsewhere.example.org"`, `1`},
		"response_type":    {`"foo"`, `"code"`, `1`},
		"max_token_len":    {`-1`, `"1"`},
		"application_name": {`1`, `[]`, `"` + raw(strings.Repeat("x", 8193)) + `"`},
		"redirect_uri":     {`1`, `[]`, `{}`},
		"capabilities":     {`["nonsense"]`, `["list_mytokens"]`},
		"restrictions":     {`[{"usages_AT":0}]`, `[{"exp":1}]`},
		"rotation":         {`{"lifetime":-1}`},
	},
	"token/access": {
		"grant_type":    {`"password"`, `"authorization_code"`, `""`, `1`, `[]`},
		"scope":         {`1`, `{}`, `[1]`, `[null]`, `true`, `[["a"]]`, `"` + raw(strings.Repeat("a ", 60_000)) + `"`},
		"audience":      {`1`, `{}`, `[1]`, `[null]`},
		"resource":      {`1`, `{}`, `[1]`},
		"comment":       {`1`, `[]`, `{}`, `"\u0007"`, `"\u202e"`, `"` + raw(strings.Repeat("x", 1<<19)) + `"`, `"` + raw(strings.Repeat("x", 8193)) + `"`},
		"oidc_issuer":   {`"https://elsewhere.example.org"`, `1`},
		"refresh_token": {`1`, `[]`},
	},
	"token/revoke": {
		"recursive":   {`"true"`, `1`, `[]`},
		"mom_id":      {`"x"`, `1`, `[]`},
		"oidc_issuer": {`"https://elsewhere.example.org"`, `1`},
		"token":       {`1`, `[]`, `{}`},
	},
	"tokeninfo explain": {
		"action":   {`"nonsense"`, `"Explain"`, `1`, `[]`},
		"use":      {`"at"`, `"both"`, `1`, `[]`},
		"at":       {`-1`, `-62135596801`, `253402300800`, `9223372036854775807`, `9223372036854775808`, `1.5`, `"1"`, `[]`, `true`},
		"scope":    {`1`, `{}`, `[1]`},
		"audience": {`1`, `{}`},
	},
	"tokeninfo event_history": {
		"mom_ids": {`1`, `{}`, `[1]`, `[null]`, `["x"]`, `[""]`, `["children@"]`, `["children@x"]`, `"x"`, `["this"` + raw(strings.Repeat(`,"this"`, 100)) + `]`},
	},
	"pt/restrictions": {
		"name":    {`1`, `[]`, `{}`, `""`, `"a/b"`, `"../x"`, `".x"`, `"a b"`, `"@a"`, `"a\u0000"`, `"\u202e"`, `"rotation"`, `"` + raw(strings.Repeat("x", 101)) + `"`},
		"id":      {`1`, `[]`, `"x"`},
		"payload": {`1`, `true`, `""`, `[]`, `[1]`, `[null]`, `"no-such"`, `{"unknown":1}`, `{"exp":-1}`, `{"include":"x"}`, `{"exp":4102444800,"exp":4102444800}`},
	},
	"settings/grants": {"grant_type": {`"nonsense"`, `""`, `1`, `[]`}},
	"settings/grants/ssh": {
		"ssh_key":      {`1`, `[]`, `{}`, `""`, `"ssh-dss AAAA"`, `"x"`, `"` + raw(strings.Repeat("x", 20_000)) + `"`},
		"ssh_key_fp":   {`1`, `[]`, `{}`},
		"name":         {`1`, `[]`, `"\u0007"`, `"a\nb"`, `"` + raw(strings.Repeat("x", 65)) + `"`},
		"capabilities": {`["nonsense"]`, `1`},
		"restrictions": {`[{"usages_AT":0}]`, `{"include":["_/1d"]}`, `1`},
	},
}

// TestBadInput: every member of every request refuses what it cannot mean: another type,
// a negative, a fraction, something huge, an unknown name, a repetition, a nested null.
func TestBadInput(t *testing.T) {
	s := start(t, withSSH, withEditors(&memoryTemplates{files: fstest.MapFS{}}), func(o *setup) { o.rest.Explanations = rest.ExplainClauses })
	s.settingsToken() // enables the grant
	token := s.token(mytoken.Properties{})
	line, _ := sshLine(t)
	proper := map[string]m{
		"token/my mytoken": {"grant_type": "mytoken", "mytoken": token}, "token/my oidc_flow": {"grant_type": "oidc_flow", "oidc_issuer": s.Provider.Issuer()},
		"token/access": {"grant_type": "mytoken", "mytoken": token}, "token/revoke": {"token": s.token(mytoken.Properties{})},
		"tokeninfo explain": {"action": "explain", "mytoken": token}, "tokeninfo event_history": {"action": "event_history", "mytoken": token},
		"settings/grants": {"mytoken": token, "grant_type": "ssh"}, "settings/tags/x": {"mytoken": token}, "token/my/tags": {"mytoken": token, "tag": "x"},
		"settings/grants/ssh": {"mytoken": token, "grant_type": "mytoken", "ssh_key": line}, "pt/restrictions": {"name": "x", "payload": m{"usages_AT": 1}},
	}
	header := func(request string) []string {
		if strings.HasPrefix(request, "pt/") {
			return basic("_", editorPassword)
		}
		return nil
	}
	for request, members := range badValues {
		path, _, _ := strings.Cut(request, " ")
		for name, values := range members {
			for _, value := range values {
				body := `{` + encode(t, name) + `:` + string(value)
				for k, v := range proper[request] {
					if k != name {
						body += `,` + encode(t, k) + `:` + encode(t, v)
					}
				}
				r := s.do("POST", "/api/v0/"+path, body+`}`, header(request)...)
				if want := "invalid_request"; r.StatusCode != 400 || !strings.Contains(r.text, want) && name != "grant_type" && name != "oidc_flow" || len(r.text) > 600 {
					t.Errorf("%s: %s: %.100s: %d %.300s", request, name, value, r.StatusCode, r.text)
				}
			}
		}
	}
	// The requests are good without these values.
	for request, body := range proper {
		path, _, _ := strings.Cut(request, " ")
		if r := s.post("/api/v0/"+path, body, header(request)...); r.StatusCode >= 300 {
			t.Errorf("%s: %d %s", request, r.StatusCode, r.text)
		}
	}
}

// TestBadInputOfStandards is TestBadInput for the OAuth endpoints.
func TestBadInputOfStandards(t *testing.T) {
	s := start(t)
	token := s.token(mytoken.Properties{})
	exchange := url.Values{"grant_type": {wire.GrantTokenExchange}, "subject_token": {token}, "subject_token_type": {wire.TokenTypeJWT}, "requested_token_type": {wire.TokenTypeJWT}}
	s.object(s.form("/oauth/token", exchange), 200)
	for name, values := range map[string][]string{
		"grant_type":           {"password", "client_credentials", "REFRESH_TOKEN"},
		"requested_token_type": {"jwt", "urn:ietf:params:oauth:token-type:id_token", "x"},
		"subject_token_type":   {"jwt", "urn:ietf:params:oauth:token-type:access_token", "x"},
		"actor_token":          {"x"},
		"scope":                {"é", "\"", strings.Repeat("a ", 257) + "b", strings.Repeat("a", 8193)},
		"audience":             {"\x00", strings.Repeat("a", 8193)},
		"resource":             {"not a uri", "/relative", "https://x.example/#fragment", "::"},
		"name":                 {strings.Repeat("x", 101), "a\nb"},
		"restrictions":         {"[", "[{}]", `[{"exp":-1}]`, `[{"usages_AT":0}]`, "{", `"x"`, "no-such"},
		"capabilities":         {"nonsense", "[1]", "@no-such", strings.Repeat("AT ", 129)},
		"rotation":             {"[]", `{"lifetime":-1}`, "no-such"},
	} {
		for _, value := range values {
			form := url.Values{}
			for k, v := range exchange {
				form[k] = v
			}
			form.Set(name, value)
			if r := s.form("/oauth/token", form); r.StatusCode != 400 || !strings.Contains(r.text, `"error":"`) {
				t.Errorf("%s: %.100q: %d %.300s", name, value, r.StatusCode, r.text)
			}
		}
	}
	for _, name := range []string{"grant_type", "subject_token", "requested_token_type", "name"} {
		form := url.Values{name: {"a", "b"}}
		for k, v := range exchange {
			if k != name {
				form[k] = v
			}
		}
		if r := s.form("/oauth/token", form); r.StatusCode != 400 {
			t.Errorf("%s twice: %d %s", name, r.StatusCode, r.text)
		}
	}
}

// TestBadInputNamesEveryMember: TestBadInput tries each member of each request.
func TestBadInputNamesEveryMember(t *testing.T) {
	tried := make(map[string]bool)
	for _, members := range badValues {
		for name := range members {
			tried[name] = true
		}
	}
	// Codes and tokens are looked up, and wrong ones are 401. The last two are for pages.
	// Whoever subscribes to notifications gets a 501; see TestNothingIsDropped.
	for _, name := range []string{"polling_code", "transfer_code", "include", "subscribe_notifications"} {
		tried[name] = true
	}
	for _, body := range []reflect.Type{
		reflect.TypeFor[wire.TokenRequest](), reflect.TypeFor[wire.AccessTokenRequest](), reflect.TypeFor[wire.TransferRequest](),
		reflect.TypeFor[wire.RevocationRequest](), reflect.TypeFor[wire.TokeninfoRequest](), reflect.TypeFor[wire.GrantSettingRequest](),
		reflect.TypeFor[wire.TagRequest](), reflect.TypeFor[wire.TokenTagRequest](), reflect.TypeFor[wire.SSHKeyRequest](),
		reflect.TypeFor[wire.TemplateRequest](),
	} {
		for i := range body.NumField() {
			name, _, _ := strings.Cut(body.Field(i).Tag.Get("json"), ",")
			assert.True(t, tried[name], "%s.%s", body.Name(), name)
		}
	}
}

// TestBudgetOfAnExhaustedParent: introspection never promises more uses than are left of
// what a token and its relatives share. // proves P4
func TestBudgetOfAnExhaustedParent(t *testing.T) {
	s := start(t)
	parent := s.issued("alice", mytoken.Properties{Capabilities: everything, Restrictions: restriction.List{{UsagesAT: restriction.Usages(2)}}})
	two, one := restriction.List{{UsagesAT: restriction.Usages(2)}}, restriction.List{{UsagesAT: restriction.Usages(1)}}
	var children []*mytoken.Issued
	for _, list := range []restriction.List{two, nil, one} {
		children = append(children, s.child(parent, mytoken.Properties{Restrictions: list, Capabilities: capability.Set{capability.AT, capability.Tokeninfo}}))
	}
	left := func(token *mytoken.Issued) float64 {
		clause := s.object(s.introspect(token.Token.Reveal()), 200)["token"].(m)["restrictions"].([]any)[0].(m)
		done, _ := clause["usages_AT_done"].(float64)
		return clause["usages_AT"].(float64) - done
	}
	all := func() (out []float64) {
		for _, token := range append([]*mytoken.Issued{parent}, children...) {
			out = append(out, left(token))
		}
		return out
	}
	require.Equal(t, []float64{2, 2, 2, 1}, all())
	s.object(s.access(children[0].Token.Reveal(), nil), 200)
	require.Equal(t, []float64{1, 1, 1, 1}, all())
	s.object(s.access(parent.Token.Reveal(), nil), 200)
	require.Equal(t, []float64{0, 0, 0, 0}, all())
	s.refusedBy(s.access(children[2].Token.Reveal(), nil), "usages_AT")
}

// TestChildWithoutAnyUse: a child that could never get an access token, because its parent
// has spent the limit, is refused. Without the capability AT it is useful. proves P4
func TestChildWithoutAnyUse(t *testing.T) {
	s := start(t)
	spent := s.issued("alice", mytoken.Properties{Capabilities: everything, Restrictions: restriction.List{{UsagesAT: restriction.Usages(1)}}})
	s.object(s.access(spent.Token.Reveal(), nil), 200)
	partly := s.token(mytoken.Properties{Capabilities: everything, Restrictions: restriction.List{
		{Scopes: []string{"storage.read"}, UsagesAT: restriction.Usages(1)}, {Scopes: []string{"compute"}},
	}})
	s.object(s.access(partly, m{"scope": "storage.read"}), 200)
	for _, c := range []struct {
		parent       string
		restrictions any
	}{
		{spent.Token.Reveal(), nil},
		{spent.Token.Reveal(), []m{{"usages_AT": 1}}},
		{spent.Token.Reveal(), []m{{"usages_AT": 5}}},
		{partly, []m{{"scope": "storage.read", "usages_AT": 1}}},
	} {
		body := m{"grant_type": "mytoken", "mytoken": c.parent, "restrictions": c.restrictions, "capabilities": []string{"AT", "tokeninfo"}}
		s.fails(s.post("/api/v0/token/my", body), 400, "invalid_request",
			"restrictions: usages_AT leaves nothing in any clause, so the capability AT could never be used; raise the limit or leave the capability out")
		body["capabilities"] = []string{"tokeninfo"}
		s.object(s.post("/api/v0/token/my", body), 200)
	}
	s.object(s.post("/api/v0/token/my", m{"grant_type": "mytoken", "mytoken": partly, "restrictions": []m{{"scope": "compute"}}}), 200)
}
