package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// scripted is the address at which a script asks about a login and decides, from the
// address of its consent page.
func scripted(consentURI string) string {
	return strings.Replace(consentURI, "/c/", "/api/v0/consent/", 1)
}

// TestConsentByScript: a page of the operator's own shows a login and decides about it.
func TestConsentByScript(t *testing.T) {
	s := start(t)
	consent, polling := s.startNative(m{
		"name": "job", "application_name": "a program", "capabilities": []string{"AT", "tokeninfo"}, "rotation": m{"on_AT": true},
		"restrictions": []m{{"scope": "openid compute"}},
	})
	b := s.browser()
	shown := s.object(b.script(http.MethodGet, scripted(consent), ""), 200)
	all := shown["all_capabilities"].([]any)
	delete(shown, "all_capabilities")
	require.JSONEq(t, `{"oidc_issuer":"`+s.Provider.Issuer()+`","application_name":"a program","token_name":"job","capabilities":["AT","tokeninfo"],
		"client_type":"native","ip":"127.0.0.1","expires_at":`+fmt.Sprint(s.Clock.Now().Add(5*time.Minute).Unix())+`,
		"restrictions":[{"scope":"openid compute"}],"rotation":{"on_AT":true},
		"supported_scopes":["openid","profile","email","offline_access","compute","storage.read","storage.write"]}`, encode(t, shown))
	require.Equal(t, "AT", all[0].(m)["read_write_capability"].(m)["name"])

	// More than was asked for is refused, and nothing is started by that.
	s.fails(b.script(http.MethodPost, scripted(consent), `{"capabilities":["AT","settings"]}`), 400, "invalid_request", "capabilities: more than was asked for")
	r := b.script(http.MethodPost, scripted(consent), `{"oidc_issuer":"`+s.Provider.Issuer()+`","capabilities":["AT"],"name":"other","restrictions":[{"scope":"openid"}]}`)
	to := s.object(r, 278)["authorization_uri"].(string)
	for _, method := range []string{http.MethodGet, http.MethodPost} { // a code is answered once
		s.fails(b.script(method, scripted(consent), ""), 404, "not_found", "consent code not valid")
	}
	b.login(to, "alice")
	got := s.object(s.poll(polling), 200)
	require.Equal(t, `[["AT"],[{"scope":"openid"}],null]`, encode(t, []any{got["capabilities"], got["restrictions"], got["rotation"]}))
}

// TestConsentByScriptTellsWhoGetsTheToken: a script learns what the consent page shows of
// the risk: whether a program elsewhere gets the token, from which address it asked, and
// the SSH key that the token is for.
func TestConsentByScriptTellsWhoGetsTheToken(t *testing.T) {
	s := start(t, withSSH)
	shown := func(consent string) m {
		return s.object(s.browser().script(http.MethodGet, scripted(consent), ""), 200)
	}
	consent, _ := s.startNative(nil)
	got := shown(consent)
	require.Equal(t, []any{"native", "127.0.0.1", nil}, []any{got["client_type"], got["ip"], got["ssh_key_fp"]})
	require.Equal(t, float64(s.Clock.Now().Add(5*time.Minute).Unix()), got["expires_at"])

	web := s.object(s.post("/api/v0/token/my", m{"grant_type": "oidc_flow", "oidc_issuer": s.Provider.Issuer(), "client_type": "web", "redirect_uri": "/"}), 200)
	require.Equal(t, "web", shown(web["consent_uri"].(string))["client_type"])

	line, fingerprint := sshLine(t)
	started := s.object(s.post(pathSSH, m{"grant_type": "mytoken", "mytoken": s.settingsToken(), "ssh_key": line}), 200)
	got = shown(started["consent_uri"].(string))
	require.Equal(t, []any{"native", fingerprint}, []any{got["client_type"], got["ssh_key_fp"]})
}

// TestConsentByScriptKeepsTags: a page sends back the tags that it has read, or some of them.
func TestConsentByScriptKeepsTags(t *testing.T) {
	s := start(t)
	tags := []m{{"tag": "a", "include_children": true}, {"tag": "b"}}
	for _, row := range []struct {
		change func(shown []any) []any
		want   []string
	}{
		{func(shown []any) []any { return shown }, []string{"a", "b"}},
		{func(shown []any) []any { return shown[1:] }, []string{"b"}},
		{func([]any) []any { return []any{} }, nil},
		{func([]any) []any { return []any{"c"} }, []string{"c"}},
	} {
		consent, polling := s.startNative(m{"capabilities": []string{"AT", "tokeninfo"}, "tags": tags})
		b := s.browser()
		shown := s.object(b.script(http.MethodGet, scripted(consent), ""), 200)["tags"].([]any)
		require.Len(t, shown, 2)
		s.fails(b.script(http.MethodPost, scripted(consent), `{"tags":[{"tag":"a","color":"red"}]}`), 400, "invalid_request", "color: use six hexadecimal digits, such as 1F6FEB")
		s.fails(b.script(http.MethodPost, scripted(consent), `{"tags":[{"tag":"a","more":1}]}`), 400, "invalid_request",
			`tags are malformed: each is {"tag": "<name>", "include_children": true or false}`)
		r := b.script(http.MethodPost, scripted(consent), encode(t, m{"tags": row.change(shown)}))
		b.login(s.object(r, 278)["authorization_uri"].(string), "alice")
		got := s.object(s.poll(polling), 200)
		listed := s.object(s.info("subtokens", got["mytoken"].(string), nil), 200)["mytokens"].(m)["token"].(m)
		var names []string
		if has, ok := listed["tags"].([]any); ok {
			for _, tag := range has {
				names = append(names, tag.(m)["tag"].(string))
			}
		}
		require.Equal(t, row.want, names)
	}
}

// TestConsentByScriptDeclines: no body declines, and so does null, which stands for none.
func TestConsentByScriptDeclines(t *testing.T) {
	s := start(t)
	for _, body := range []string{"", "null\n"} {
		for _, address := range []func(string) string{scripted, func(consent string) string { return consent }} {
			consent, polling := s.startNative(nil)
			r := s.browser().script(http.MethodPost, address(consent), body, "Content-Type", "")
			require.Regexp(t, `^/native/abort\?login=`, s.object(r, 278)["url"])
			s.fails(s.poll(polling), 401, "access_denied", "user declined consent")
		}
	}
	for _, unknown := range []string{"x", "abcdEFGHjkmnPQRSTuvwx"} {
		s.fails(s.do(http.MethodGet, "/api/v0/consent/"+unknown, ""), 404, "not_found", "consent code not valid")
		s.fails(s.do(http.MethodPost, "/api/v0/consent/"+unknown, "{}"), 404, "not_found", "consent code not valid")
		s.fails(s.do(http.MethodPost, "/api/v0/consent/"+unknown, ""), 404, "not_found", "consent code not valid")
	}
}

// TestD03_ConsentByScript: who knows the code can approve a login, in their own browser
// only. The browser of a victim does not finish it.
func TestD03_ConsentByScript(t *testing.T) {
	s := start(t)
	consent, polling := s.startNative(nil)
	attacker, victim := s.browser(), s.browser()
	to := s.object(attacker.script(http.MethodPost, scripted(consent), "{}"), 278)["authorization_uri"].(string)
	back, err := optest.Login(t.Context(), to, "victim")
	require.NoError(t, err)
	r := victim.comeBack(back)
	require.Equal(t, http.StatusBadRequest, r.StatusCode)
	require.Contains(t, r.text, "State mismatched")
	s.fails(s.poll(polling), 428, "authorization_pending", "")
	require.Equal(t, http.StatusSeeOther, attacker.comeBack(back).StatusCode)
	s.object(s.poll(polling), 200)
}

// TestD68_ConsentByScriptIsNotForged: a page of another origin neither decides for the user
// nor reads what is asked for, whatever type its request has.
func TestD68_ConsentByScriptIsNotForged(t *testing.T) {
	s := start(t)
	consent, polling := s.startNative(nil)
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.mytoken.example", "Content-Type", "text/plain"},
		{"Origin", "https://evil.example", "Content-Type", "application/x-www-form-urlencoded"},
		{"Origin", "null", "Content-Type", "multipart/form-data; boundary=x"},
	} {
		for _, body := range []string{"{}", "", "null"} {
			r := s.do(http.MethodPost, scripted(consent), body, header...)
			s.fails(r, 403, "access_denied", "request from another site")
		}
		r := s.do(http.MethodGet, scripted(consent), "", header...)
		require.Empty(t, r.Header.Get("Access-Control-Allow-Origin"), "a page of another origin can read it")
		require.Equal(t, []string{"same-origin", "no-store"}, []string{r.Header.Get("Cross-Origin-Resource-Policy"), r.Header.Get("Cache-Control")})
		r = s.do(http.MethodOptions, scripted(consent), "", header...)
		require.Empty(t, r.Header.Get("Access-Control-Allow-Origin"))
		require.Empty(t, r.Header.Get("Access-Control-Allow-Methods"))
	}
	s.fails(s.poll(polling), 428, "authorization_pending", "")
}

// TestJSONUnderAnyType: a body that begins with a brace is JSON, because curl -d sends it
// under the type of a form. A cookie still counts only for the service's own pages: a page
// of another origin can send such a body without asking.
func TestJSONUnderAnyType(t *testing.T) {
	s := start(t)
	token := s.token(mytoken.Properties{})
	body := encode(t, m{"action": "introspect", "mytoken": token})
	types := []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json", "nonsense/"}
	for _, media := range types {
		s.object(s.do(http.MethodPost, "/api/v0/tokeninfo", " \r\n"+body, "Content-Type", media), 200)
		for _, origin := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			r := s.do(http.MethodPost, "/api/v0/tokeninfo", `{"action":"introspect"}`, append(origin, "Content-Type", media, "Cookie", "mytoken="+token)...)
			s.fails(r, 401, "invalid_token", "no mytoken found in request")
		}
		s.object(s.do(http.MethodPost, "/api/v0/tokeninfo", `{"action":"introspect"}`, "Content-Type", media, "Cookie", "mytoken="+token, "Origin", s.URL), 200)
		for _, nothing := range []string{"", "null", "null\n"} { // no body
			s.object(s.do(http.MethodPost, "/api/v0/tokeninfo", nothing, "Content-Type", media, "Authorization", "Bearer "+token), 200)
		}
	}
	s.fails(s.do(http.MethodPost, "/api/v0/tokeninfo", `{"action"`, "Content-Type", types[2]), 400, "invalid_request", "the body is not a JSON object, or not strict JSON")
}
