package rest_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// link encodes the request of a link that fills in the form.
func link(request string) string { return base64.RawURLEncoding.EncodeToString([]byte(request)) }

// ownKeys gives the service a restriction key of its own.
func ownKeys(o *setup) {
	o.Config = func(c *issuer.Config) {
		c.Restrictions.Conditions = map[string]restriction.Factory{
			"cluster": func([]byte) (restriction.Condition, error) { return closed{}, nil },
		}
	}
}

// TestLinkFillsInTheForm: a link leads to the form with its whole request, also by way of the
// start page, and what is created is what the form showed.
func TestLinkFillsInTheForm(t *testing.T) {
	s := start(t)
	b := s.manager("alice")
	request := `{"oidc_issuer":"` + s.Provider.Issuer() + `","grant_type":"oidc_flow","name":"night \u00fc job","response_type":"token",` +
		`"capabilities":["AT","tokeninfo:introspect"],"rotation":{"on_AT":true,"lifetime":3600,"auto_revoke":true},` +
		`"restrictions":[{"exp":"+2d","scope":"compute openid","hosts":["this","192.0.2.0/24"],"usages_AT":7},{"exp":"+3d","audience":["https://a.example"]}]}`
	now := s.Clock.Now()
	for _, path := range []string{"/manage/create", "/home", "/"} {
		page := b.click(s.URL + path + "?r=" + link(request))
		if path != "/manage/create" {
			require.Equal(t, []any{http.StatusSeeOther, "/manage/create?r=" + link(request)}, []any{page.StatusCode, page.Header.Get("Location")})
			page = b.click(s.URL + page.Header.Get("Location"))
		}
		require.Equal(t, http.StatusOK, page.StatusCode, page.text)
		accessible(t, page)
		assert.Contains(t, page.text, `id="filled"`)
		f := formOf(t, page, "create-form")
		want := map[string]string{
			"name": "night ü job", "response": "token", "clauses": "2", "provider": s.Provider.Issuer(), "clause-1-scope": "compute openid", "clause-1-hosts": "127.0.0.1 192.0.2.0/24", "clause-1-usages_AT": "7",
			"clause-1-exp": now.Add(48 * time.Hour).UTC().Format("2006-01-02T15:04:05"), "clause-2-exp": now.Add(72 * time.Hour).UTC().Format("2006-01-02T15:04:05"), "clause-2-audience": "https://a.example",
			"rotation-on_AT": "1", "rotation-on_other": "", "rotation-lifetime": "3600", "rotation-auto_revoke": "1",
		}
		for name, value := range want {
			assert.Equal(t, value, f.values.Get(name), name)
		}
		assert.Equal(t, "[AT tokeninfo:introspect]", fmt.Sprint(f.values["capabilities"]))
		assert.Contains(t, page.text, "<details open>", "a chosen capability is hidden")
	}
	before := len(s.tokens(t))
	b.click(s.URL + "/manage/create?r=" + link(request))
	require.Len(t, s.tokens(t), before, "opening a link made a token")
	f := formOf(t, b.click(s.URL+"/manage/create?r="+link(request)), "create-form")
	created := b.login(continues(t, b.send(f, "decision", "create")), "alice")
	shown := shownToken.FindStringSubmatch(created.text)
	require.NotNil(t, shown, created.text)
	got := s.object(s.introspect(shown[1]), 200)["token"].(m)
	require.JSONEq(t, fmt.Sprintf(`["night ü job",["AT","tokeninfo:introspect"],{"on_AT":true,"lifetime":3600,"auto_revoke":true},
		[{"exp":%d,"scope":"compute openid","hosts":["127.0.0.1","192.0.2.0/24"],"usages_AT":7},{"exp":%d,"audience":["https://a.example"]}]]`,
		now.Add(48*time.Hour).Unix(), now.Add(72*time.Hour).Unix()), encode(t, []any{got["name"], got["capabilities"], got["rotation"], got["restrictions"]}))
}

// TestLinkWithoutMembers: what a request leaves out is what it means in any request. The form
// shows that, and warns.
func TestLinkWithoutMembers(t *testing.T) {
	b := start(t).manager("alice")
	page := b.click(b.URL + "/manage/create?r=" + link(`{"response_type":"transfer_code","capabilities":null,"rotation":{}}`))
	f := formOf(t, page, "create-form")
	require.Equal(t, "[AT tokeninfo] 0 transfer_code", fmt.Sprint(f.values["capabilities"], " ", f.values.Get("clauses"), " ", f.values.Get("response")))
	require.Contains(t, page.text, "There are no restrictions.")
	page = b.click(b.URL + "/manage/create?r=" + link(`{"restrictions":"1d ip-this","capabilities":"@default AT list_mytokens"}`)) // templates
	f = formOf(t, page, "create-form")
	require.Equal(t, "[AT tokeninfo] 127.0.0.1", fmt.Sprint(f.values["capabilities"], " ", f.values.Get("clause-1-hosts")))
}

// TestLinkAfterLogin: a user who is not logged in logs in first, and comes back to the form
// with the whole request.
func TestLinkAfterLogin(t *testing.T) {
	s := start(t)
	request := `{"name":"after the login","capabilities":["tokeninfo:history"],"restrictions":[{"exp":"+1d","usages_other":3}]}`
	longest := request[:len(request)-1] + strings.Repeat(" ", 3000-len(request)) + "}"
	require.Len(t, link(longest), 4000)
	for _, text := range []string{link(request), link(longest)} {
		b := s.browser()
		leads := b.open(s.URL + "/manage/create?r=" + text) // from a mail: the browser withholds the cookie
		f := formOf(t, b.click(continues(t, leads)), "login")
		require.Equal(t, "r="+text, f.values.Get("wanted"))
		back := b.login(continues(t, b.send(f, "provider", b.Provider.Issuer())), "alice")
		to, err := back.Location()
		require.NoError(t, err)
		require.Equal(t, "/manage/login?r="+text, to.RequestURI())
		page := b.click(continues(t, b.open(to.String())))
		created := formOf(t, page, "create-form")
		require.Equal(t, "after the login [tokeninfo:history] 3", fmt.Sprint(created.values.Get("name"), " ", created.values["capabilities"], " ", created.values.Get("clause-1-usages_other")))
		require.Contains(t, page.text, `id="filled"`)
	}
	// A form cannot send its user anywhere else.
	b := s.browser()
	f := formOf(t, b.click(s.URL+"/manage/create?r="+link(request)), "login")
	for _, wanted := range []string{"r=https://evil.example", "r=//evil.example", "r=" + strings.Repeat("A", 4100), "r=", "https://evil.example", "r=" + link(request) + "\r\nX: y"} {
		back := b.login(continues(t, b.send(f.set(t, "wanted", wanted), "provider", b.Provider.Issuer())), "alice")
		require.Equal(t, "/manage/login", back.Header.Get("Location"), wanted)
		require.Equal(t, s.URL+"/manage", continues(t, b.open(s.URL+"/manage/login?"+url.Values{"r": {strings.TrimPrefix(wanted, "r=")}}.Encode())), wanted)
	}
}

// TestBadLink: a link that cannot be used fills in nothing, whether or not the user is logged
// in, and makes nothing.
func TestBadLink(t *testing.T) {
	s := start(t, ownKeys)
	b, stranger := s.manager("alice"), s.browser()
	before := len(s.tokens(t))
	valid := `{"name":"kept","capabilities":["AT"]}`
	many := strings.TrimSuffix(strings.Repeat(`{"usages_AT":1,"exp":4102444800},`, 30), ",")
	for i := range 30 {
		many = strings.Replace(many, `"usages_AT":1,`, fmt.Sprintf(`"usages_AT":%d,`, i+2), 1)
	}
	for name, query := range map[string]string{
		"nothing": "r=", "no base64": "r=%21%21", "padded": "r=" + base64.URLEncoding.EncodeToString([]byte(valid+" ")), "standard alphabet": "r=" + strings.NewReplacer("-", "+", "_", "/").Replace(link(`{"name":"~~~???>>>"}`)),
		"cut off": "r=" + link(valid)[:20], "trailing bits": "r=" + link(valid)[:len(link(valid))-1] + "R", "twice": "r=" + link(valid) + "&r=" + link(valid), "too long": "r=" + link(valid+strings.Repeat(" ", 4000)),
		"no JSON": "r=" + link("name=x"), "no object": "r=" + link(`[]`), "text": "r=" + link(`"x"`), "null": "r=" + link(`null`), "more": "r=" + link(valid+valid), "not strict": "r=" + link(`{"name":"a","name":"b"}`),
		"no UTF-8": "r=" + link("{\"name\":\"\xff\"}"), "unknown member": "r=" + link(`{"name":"kept","nonsense":1}`), "another case": "r=" + link(`{"Name":"kept"}`),
		"hidden member": "r=" + link(`{"max_token_len":20,"name":"kept"}`), "application": "r=" + link(`{"application_name":"x"}`), "a token": "r=" + link(`{"mytoken":"x"}`), "redirect": "r=" + link(`{"redirect_uri":"https://evil.example"}`),
		"notifications": "r=" + link(`{"subscribe_notifications":[{}]}`), "tags": "r=" + link(`{"tags":{"tag":1}}`),
		"wrong type": "r=" + link(`{"name":1}`), "grant": "r=" + link(`{"grant_type":"polling_code"}`), "short token": "r=" + link(`{"response_type":"short_token"}`),
		"provider": "r=" + link(`{"oidc_issuer":"https://evil.example"}`), "long name": "r=" + link(`{"name":"`+strings.Repeat("x", 101)+`"}`), "unreadable name": "r=" + link(`{"name":"\u202e"}`),
		"unknown capability": "r=" + link(`{"capabilities":["tokeninfo:foo"]}`), "capability without a field": "r=" + link(`{"capabilities":["AT","settings:email"]}`), "old capability": "r=" + link(`{"capabilities":["list_mytokens"]}`),
		"past": "r=" + link(`{"restrictions":[{"exp":1}]}`), "empty clause": "r=" + link(`{"restrictions":[{}]}`), "unknown key": "r=" + link(`{"restrictions":[{"nonsense":1}]}`), "negative": "r=" + link(`{"restrictions":[{"usages_AT":-1}]}`),
		"own key": "r=" + link(`{"restrictions":[{"cluster":true}]}`), "no country": "r=" + link(`{"restrictions":[{"geoip_allow":["DE"]}]}`), "host name": "r=" + link(`{"restrictions":[{"hosts":["a.example"]}]}`), "many clauses": "r=" + link(`{"restrictions":[`+many+`]}`),
		"template": "r=" + link(`{"restrictions":"no-such"}`), "rotation": "r=" + link(`{"rotation":{"on_at":true}}`), "rotation without a field": "r=" + link(`{"rotation":{"lifetime":60}}`), "revoking alone": "r=" + link(`{"rotation":{"auto_revoke":true}}`),
	} {
		for _, path := range []string{"/manage/create", "/home", "/"} {
			for who, user := range map[string]*browser{"alice": b, "a stranger": stranger} {
				page := user.click(s.URL + path + "?" + query)
				if page.StatusCode != http.StatusBadRequest || !strings.Contains(page.text, "<h1>This link cannot be used</h1>") {
					t.Errorf("%s, %s, %s: %d %s", name, path, who, page.StatusCode, page.text)
				}
				assert.NotContains(t, page.text, "create-form", name)
				assert.NotContains(t, page.text, "kept", name)
				assert.Empty(t, page.Cookies(), name)
			}
		}
		r := s.do(http.MethodGet, "/manage/create?"+query, "")
		assert.GreaterOrEqual(t, r.StatusCode, 400, name)
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"), name)
	}
	require.Len(t, s.tokens(t), before)
	assert.Equal(t, 1, s.Provider.Count(optest.Exchanged), "only alice logged in")
}

// TestLinkOfAStranger: the policy of the operator is not asked before a user is logged in.
// Nobody limits how often strangers open links.
func TestLinkOfAStranger(t *testing.T) {
	var asked atomic.Int64
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) {
			c.Policy = func(context.Context, *issuer.Issuance) error { asked.Add(1); return nil }
		}
	})
	alice, stranger := s.manager("alice"), s.browser()
	asked.Store(0)
	for _, path := range []string{"/", "/home", "/manage/create"} {
		require.Less(t, stranger.click(s.URL+path+"?r="+link(`{"name":"job"}`)).StatusCode, 400)
		s.do(http.MethodGet, path+"?r="+link(`{"name":"job"}`), "", "Cookie", "mytoken=x", "Accept", "text/html")
	}
	require.Zero(t, asked.Load())
	formOf(t, alice.click(s.URL+"/manage/create?r="+link(`{"name":"job"}`)), "create-form")
	require.EqualValues(t, 1, asked.Load())
}

// TestLinkWithoutManagement: a service without these pages says so.
func TestLinkWithoutManagement(t *testing.T) {
	s := start(t, func(o *setup) { o.rest.NoManagement = true })
	for _, path := range []string{"/", "/home"} {
		r := s.browser().click(s.URL + path + "?r=" + link("{}"))
		require.Equal(t, http.StatusNotFound, r.StatusCode)
		require.Contains(t, r.text, "This service has no pages on which you can create tokens.")
	}
}

// tokens are the tokens of alice, as her service sees them.
func (s *service) tokens(t *testing.T) []*mytoken.Record {
	t.Helper()
	owner, err := s.Issuer.Owner(s.Provider.Issuer(), "alice")
	require.NoError(t, err)
	records, err := owner.List(t.Context())
	require.NoError(t, err)
	return records.Roots
}
