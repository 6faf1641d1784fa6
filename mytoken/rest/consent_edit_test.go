package rest_test

import (
	"fmt"
	"html"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// phases are two clauses for the tests of the editor.
func phases(s *service) []m {
	now := s.Clock.Now()
	return []m{
		{"nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(), "scope": "compute", "usages_AT": 5},
		{"exp": now.Add(48 * time.Hour).Unix(), "scope": "storage.read storage.write", "audience": []string{"https://a.example", "https://b.example"}, "hosts": []string{"192.0.2.0/24"}},
	}
}

// asked starts a login and opens its consent page.
func (b *browser) asked(request m) (f *form, page *reply, polling string) {
	b.t.Helper()
	consent, polling := b.startNative(request)
	page = b.open(consent)
	return formOf(b.t, page, "consent"), page, polling
}

// agree sends the form, logs alice in, and returns what the poller gets.
func (b *browser) agree(f *form, polling string) m {
	b.t.Helper()
	b.login(continues(b.t, b.send(f, "decision", "approve")), "alice")
	return b.object(b.poll(polling), http.StatusOK)
}

// TestConsentNarrows: the token does not get what the user takes away.
func TestConsentNarrows(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) { c.Restrictions.Locator = countries{} }
	})
	now := s.Clock.Now()
	request := m{"capabilities": []string{"AT", "tokeninfo", "create_mytoken"}, "restrictions": phases(s), "rotation": m{"on_AT": true}}
	for name, c := range map[string]struct {
		change func(*form)
		want   string // capabilities, restrictions, rotation
	}{
		"nothing": {func(*form) {}, fmt.Sprintf(`[["AT","tokeninfo","create_mytoken"],`+
			`[{"exp":%d,"nbf":%d,"scope":"compute","usages_AT":5},{"audience":["https://a.example","https://b.example"],"exp":%d,"hosts":["192.0.2.0/24"],"scope":"storage.read storage.write"}],{"on_AT":true}]`,
			now.Unix()+3600, now.Unix(), now.Unix()+48*3600)},
		"each field": {func(f *form) {
			f.set(t, "capabilities", "AT")
			f.set(t, "clause-1-usages_AT", "1").set(t, "clause-1-usages_other", "0").set(t, "clause-1-exp", now.Add(30*time.Minute).UTC().Format("2006-01-02T15:04"))
			f.set(t, "clause-2-scope", " storage.read ").set(t, "clause-2-audience", "\r\nhttps://b.example\r\n").set(t, "clause-2-hosts", "192.0.2.7, 192.0.2.8").
				set(t, "clause-2-geoip_allow", "de FR").set(t, "clause-2-geoip_disallow", "us")
			f.set(t, "rotation-on_AT").set(t, "rotation-on_other", "1").set(t, "rotation-lifetime", "60")
		}, fmt.Sprintf(`[["AT"],`+
			`[{"exp":%d,"nbf":%d,"scope":"compute","usages_AT":1,"usages_other":0},{"audience":["https://b.example"],"exp":%d,"geoip_allow":["de","FR"],"geoip_disallow":["us"],"hosts":["192.0.2.7","192.0.2.8"],"scope":"storage.read"}],{"lifetime":60,"on_other":true}]`,
			now.Unix()+1800, now.Unix(), now.Unix()+48*3600)},
		"a shorter life": {func(f *form) { f.set(t, "lifetime", "28800") }, fmt.Sprintf(`[["AT","tokeninfo","create_mytoken"],`+
			`[{"exp":%d,"nbf":%d,"scope":"compute","usages_AT":5},{"audience":["https://a.example","https://b.example"],"exp":%d,"hosts":["192.0.2.0/24"],"scope":"storage.read storage.write"}],{"on_AT":true}]`,
			now.Unix()+3600, now.Unix(), now.Unix()+8*3600)},
	} {
		b := s.browser()
		f, _, polling := b.asked(request)
		c.change(f)
		got := b.agree(f, polling)
		if text := encode(t, []any{got["capabilities"], got["restrictions"], got["rotation"]}); text != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, text, c.want)
		}
	}
}

// TestConsentClausesComeAndGo: buttons of the form add and remove clauses without a
// script. They decide nothing, and keep the text of all other fields.
func TestConsentClausesComeAndGo(t *testing.T) {
	s := start(t)
	b := s.browser()
	f, first, polling := b.asked(m{"capabilities": []string{"AT", "tokeninfo"}, "restrictions": phases(s)})
	accessible(t, first)
	f.set(t, "clause-2-usages_AT", "many").set(t, "name", `my "name"`).set(t, "capabilities", "AT")
	added := b.send(f, "edit", "add")
	accessible(t, added)
	if added.StatusCode != 200 || strings.Contains(added.text, `role="alert"`) {
		t.Fatalf("%d %s", added.StatusCode, added.text)
	}
	f = formOf(t, added, "consent")
	for name, want := range map[string]string{
		"clauses": "3", "clause-2-usages_AT": "many", "name": `my "name"`, "capabilities": "AT", "clause-1-scope": "compute",
		"clause-3-scope": "compute", "clause-3-usages_AT": "5", // a new clause begins as one that was asked for
	} {
		if got := f.values[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	f.set(t, "clause-1-usages_AT", "3").set(t, "clause-3-usages_AT", "2").set(t, "clause-3-exp", s.Clock.Now().Add(time.Minute).UTC().Format("2006-01-02T15:04:05"))
	f = formOf(t, b.send(f, "edit", "remove-2"), "consent")
	if f.values.Get("clauses") != "2" || f.values.Get("clause-2-usages_AT") != "2" || f.values.Get("clause-2-scope") != "compute" {
		t.Errorf("%v", f.values)
	}
	// The user checks what the fields mean.
	checked := b.send(f, "edit", "check")
	accessible(t, checked)
	if checked.StatusCode != 200 || !strings.Contains(checked.text, `<li>Only with the rights <bdi class="item">compute</bdi></li><li>At most 2 access tokens</li>`) ||
		!strings.Contains(checked.text, "Case 2: from ") || strings.Contains(checked.text, `Only with the rights <bdi class="item">storage.read`) {
		t.Errorf("%d %s", checked.StatusCode, checked.text)
	}
	s.fails(s.poll(polling), 428, "authorization_pending", "")
	f = formOf(t, checked, "consent")
	got := b.agree(f, polling)
	if list := got["restrictions"].([]any); len(list) != 2 || list[1].(m)["usages_AT"] != 2.0 || encode(t, got["capabilities"]) != `["AT"]` {
		t.Errorf("%v", got)
	}
}

// TestConsentOnlyNarrows: a form never grants more than was asked for. The message stands
// next to the field, and the login goes on.
func TestConsentOnlyNarrows(t *testing.T) {
	s := start(t)
	b := s.browser()
	f, _, polling := b.asked(m{"capabilities": []string{"AT", "tokeninfo:introspect"}, "restrictions": phases(s)})
	far := s.Clock.Now().Add(100 * time.Hour).UTC().Format("2006-01-02T15:04:05")
	for name, c := range map[string]struct {
		change  map[string][]string
		problem string // where it is told
	}{
		"another capability": {map[string][]string{"capabilities": {"AT", "settings"}}, "capabilities"},
		"a wider capability": {map[string][]string{"capabilities": {"AT", "tokeninfo"}}, "capabilities"},
		"longer":             {map[string][]string{"clause-1-exp": {far}}, "clause-1-exp"},
		"without end":        {map[string][]string{"clause-1-exp": {""}}, "clause-1-exp"},
		"another scope":      {map[string][]string{"clause-1-scope": {"compute admin"}}, "clause-1-scope"},
		"any scope":          {map[string][]string{"clause-1-scope": {" "}}, "clause-1-scope"},
		"another audience":   {map[string][]string{"clause-2-audience": {"https://a.example\nhttps://c.example"}}, "clause-2-audience"},
		"another host":       {map[string][]string{"clause-2-hosts": {"0.0.0.0/0"}}, "clause-2-hosts"},
		"more uses":          {map[string][]string{"clause-1-usages_AT": {"6"}}, "clause-1-usages_AT"},
		"any number of uses": {map[string][]string{"clause-1-usages_AT": {""}}, "clause-1-usages_AT"},
		"no clauses":         {map[string][]string{"clauses": {"0"}}, "add-clause"},
		"no number":          {map[string][]string{"clauses": {"x"}}, "add-clause"},
		"another clause":     {map[string][]string{"clauses": {"3"}, "clause-3-hosts": {"198.51.100.1"}}, "clause-3-"},
		"the same uses again": {map[string][]string{"clauses": {"3"}, "clause-3-origin": {"1"}, "clause-3-exp": f.values["clause-1-exp"],
			"clause-3-nbf": f.values["clause-1-nbf"], "clause-3-scope": {"compute"}, "clause-3-usages_AT": {"1"}}, "add-clause"},
		"the same uses in JSON": {map[string][]string{"clauses": nil, "restrictions": {encode(t, append(phases(s), m{"nbf": s.Clock.Now().Unix(), "exp": s.Clock.Now().Unix() + 60, "scope": "compute", "usages_AT": 1}))}}, "restrictions"},
		"as JSON":               {map[string][]string{"clauses": nil, "restrictions": {`[{"scope":"admin"}]`}}, "restrictions"},
		"no clause in JSON":     {map[string][]string{"clauses": nil, "restrictions": {`[]`}}, "restrictions"},
	} {
		forged := &form{method: f.method, action: f.action, text: f.text, values: map[string][]string{}}
		for field, values := range f.values {
			forged.values[field] = values
		}
		for field, values := range c.change {
			if forged.values[field] = values; values == nil {
				delete(forged.values, field)
			}
		}
		r := b.send(forged, "decision", "approve")
		if r.StatusCode != http.StatusBadRequest || !strings.Contains(r.text, `<a href="#`+c.problem) || len(r.Cookies()) > 0 {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.text)
		}
		if strings.HasPrefix(c.problem, "clause-") && !strings.HasSuffix(c.problem, "-") &&
			(!strings.Contains(r.text, ` aria-invalid="true" aria-describedby="`+c.problem+`-problem"`) || !strings.Contains(r.text, `id="`+c.problem+`-problem">allows more than was asked for<`)) {
			t.Errorf("%s: nothing next to the field in %s", name, r.text)
		}
	}
	s.fails(s.poll(polling), 428, "authorization_pending", "")
	got := b.agree(f, polling)
	if encode(t, got["capabilities"]) != `["AT","tokeninfo:introspect"]` || len(got["restrictions"].([]any)) != 2 {
		t.Errorf("%v", got)
	}
}

// TestConsentByJSONOnlyNarrows: a program that knows the consent code cannot agree to
// more than the user was asked for, unless the operator says so. // proves P1
func TestConsentByJSONOnlyNarrows(t *testing.T) {
	s := start(t)
	request := m{"capabilities": []string{"AT", "tokeninfo:introspect"}, "restrictions": []m{{"scope": "compute", "usages_AT": 3}}}
	wider := map[string]m{
		"capabilities": {"capabilities": []string{"AT", "settings"}},
		"restrictions": {"restrictions": []m{{"scope": "compute", "usages_AT": 4}}},
		"uses":         {"restrictions": []m{{"scope": "compute", "usages_AT": 3}, {"scope": "compute", "usages_AT": 1}}},
	}
	why := m{
		"capabilities": "capabilities: more than was asked for", "restrictions": "restrictions: more than was asked for",
		"uses": "restrictions: the clauses together allow more uses than were asked for; lower their limits",
	}
	for field, decision := range wider {
		consent, polling := s.startNative(request)
		r := s.do(http.MethodPost, consent, encode(t, decision))
		s.fails(r, 400, "invalid_request", why[field].(string))
		if len(r.Cookies()) > 0 {
			t.Errorf("%s: %v", field, r.Cookies())
		}
		s.fails(s.poll(polling), 428, "authorization_pending", "")
		got := s.browser().approve(consent, m{"capabilities": []string{"AT"}, "restrictions": []m{{"scope": "compute", "usages_AT": 2}}})
		if got == "" {
			t.Errorf("%s: it cannot be narrowed any more", field)
		}
	}
	none, _ := s.startNative(request)
	s.fails(s.do(http.MethodPost, none, `{"restrictions":[]}`), 400, "invalid_request", "restrictions: more than was asked for")

	may := start(t, func(o *setup) { o.rest.ConsentMayWiden = true })
	for field, decision := range wider {
		got := may.object(may.poll(may.loggedIn(request, decision)), 200)
		for member := range decision {
			if encode(t, got[member]) != encode(t, decision[member]) {
				t.Errorf("%s: %v", field, got)
			}
		}
	}
}

// TestConsentInvalidInput: each message says what is wrong, and the form keeps the user's
// text.
func TestConsentInvalidInput(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) { c.Restrictions.Locator = countries{} }
	})
	b := s.browser()
	f, _, polling := b.asked(nil) // without restrictions, so that every clause is allowed
	page := b.send(f, "edit", "add")
	require.NotContains(t, page.text, `role="alert"`)
	f = formOf(t, page, "consent")
	if r := b.send(f, "decision", "approve"); r.StatusCode != 400 || !strings.Contains(r.text, "says nothing, and would allow everything") || !strings.Contains(r.text, `href="#clause-1"`) {
		t.Errorf("an empty clause: %d %s", r.StatusCode, r.text)
	}
	for field, values := range map[string]map[string]string{
		"nbf":   {"tomorrow": "not a date and time such as 31 January 2030 18:00", "2030-13-01T00:00": "not a date and time such as", "1970-01-01T00:00:00": "not a date"},
		"exp":   {"1969-01-01T00:00": "negative", "x": "not a date and time"},
		"scope": {`a"b`: "holds a character that a scope must not have"}, "audience": {"a\x00b": ""},
		"hosts": {"300.1.1.1/99": "", "not a host!": ""}, "geoip_allow": {"DEU": "", "D3": ""}, "geoip_disallow": {"QQQ": ""},
		"usages_AT":    {"-1": "not a whole number, 0 or more", "1.5": "not a whole number", "1e3": "not a whole number", "9223372036854775808": "not a whole number"},
		"usages_other": {"some": "not a whole number"},
	} {
		for value, text := range values {
			id := "clause-1-" + field
			f.set(t, id, value).set(t, "clause-1-usages_AT", "3").set(t, id, value)
			r := b.send(f, "decision", "approve")
			if r.StatusCode != http.StatusBadRequest || !strings.Contains(r.text, `id="`+id+`-problem">`) || !strings.Contains(html.UnescapeString(r.text), text) {
				t.Errorf("%s %q: %d %s", field, value, r.StatusCode, r.text)
				continue
			}
			accessible(t, r)
			if kept := formOf(t, r, "consent").values.Get(id); kept != value && !strings.Contains(value, "\x00") {
				t.Errorf("%s %q became %q", field, value, kept)
			}
			f.set(t, id, "").set(t, "clause-1-usages_AT", "3")
		}
	}
	for field, value := range map[string]string{"rotation-lifetime": "long", "name": strings.Repeat("x", 101)} {
		bad := formOf(t, page, "consent").set(t, "clause-1-usages_AT", "3").set(t, field, value)
		if r := b.send(bad, "decision", "approve"); r.StatusCode != 400 || !strings.Contains(r.text, `<a href="#`+field+`">`) || formOf(t, r, "consent").values.Get(field) != value {
			t.Errorf("%s: %d %s", field, r.StatusCode, r.text)
		}
	}
	none := formOf(t, page, "consent").set(t, "clause-1-usages_AT", "3").set(t, "capabilities")
	if r := b.send(none, "decision", "approve"); r.StatusCode != 400 || !strings.Contains(r.text, "Choose at least one thing") {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	late := formOf(t, page, "consent").set(t, "clause-1-nbf", s.Clock.Now().Add(48*time.Hour).UTC().Format("2006-01-02T15:04")).set(t, "lifetime", "3600")
	if r := b.send(late, "decision", "approve"); r.StatusCode != 400 || !strings.Contains(r.text, "No case is left") || !strings.Contains(r.text, `id="lifetime-problem"`) {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
	many := formOf(t, page, "consent")
	for i := range 2000 {
		many.values.Add("capabilities", fmt.Sprint(i))
	}
	if r := b.send(many, "decision", "approve"); r.StatusCode != 400 || !strings.Contains(r.text, "too many values") {
		t.Errorf("%d", r.StatusCode)
	}
	s.fails(s.poll(polling), 428, "authorization_pending", "")
}

// TestConsentAsJSON: the user edits restrictions as JSON if the fields cannot express
// them. They come back as they were written.
func TestConsentAsJSON(t *testing.T) {
	s := start(t)
	var many []m
	for n := range 25 {
		many = append(many, m{"usages_AT": n + 1})
	}
	b := s.browser()
	f, page, polling := b.asked(m{"restrictions": many})
	accessible(t, page)
	good := f.values.Get("restrictions")
	if f.values.Has("clauses") || good == "" {
		t.Fatalf("%v", f.values)
	}
	for _, bad := range []string{"nonsense", `[{"usages_AT":"1"}]`, `{}`} {
		r := b.send(f.set(t, "restrictions", bad), "decision", "approve")
		if again := formOf(t, r, "consent"); r.StatusCode != 400 || again.values.Get("restrictions") != bad {
			t.Errorf("%d %s", r.StatusCode, r.text)
		}
	}
	got := b.agree(f.set(t, "restrictions", good), polling)
	if len(got["restrictions"].([]any)) != len(many) {
		t.Errorf("%v", got)
	}
	// A request cannot have a time that no field can show.
	r := s.post("/api/v0/token/my", m{"grant_type": "oidc_flow", "redirect_type": "native", "restrictions": []m{{"exp": 1000000000000}}})
	if r.StatusCode != 400 || !strings.Contains(r.text, `"invalid_request"`) || !strings.Contains(r.text, "beyond the year 9999") {
		t.Errorf("%d %s", r.StatusCode, r.text)
	}
}

// TestConsentKeepsOwnConditions: the page shows a key of the embedding program. An edit
// keeps it, and no form can remove it from a clause.
func TestConsentKeepsOwnConditions(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) {
			c.Restrictions.Conditions = map[string]restriction.Factory{"badge": func([]byte) (restriction.Condition, error) { return badge{"blue"}, nil }}
		}
	})
	b := s.browser()
	f, page, polling := b.asked(m{"restrictions": []m{{"badge": "blue", "usages_AT": 4}}})
	if !strings.Contains(page.text, `It also demands:</p><ul><li>Only if this condition holds: <bdi class="item">badge: &#34;blue&#34;</bdi></li>`) {
		t.Error(page.text)
	}
	for _, origin := range []string{"0", "2", "-1", "x"} {
		if r := b.send(f.set(t, "clause-1-origin", origin), "decision", "approve"); r.StatusCode != 400 || !strings.Contains(r.text, "allows more than was asked for") {
			t.Errorf("%s: %d %s", origin, r.StatusCode, r.text)
		}
	}
	got := b.agree(f.set(t, "clause-1-origin", "1").set(t, "clause-1-usages_AT", "2"), polling)
	if encode(t, got["restrictions"]) != `[{"badge":"blue","usages_AT":2}]` {
		t.Errorf("%v", got["restrictions"])
	}
}

// TestConsentProviderDown: the page says that the provider does not answer. The user can
// agree later.
func TestConsentProviderDown(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	s := start(t, func(o *setup) {
		o.Provider.Faults = func(p optest.FaultPoint) optest.Fault {
			if p.Endpoint == optest.EndpointDiscovery && down.Load() {
				return optest.Fault{FailBefore: http.StatusServiceUnavailable}
			}
			return optest.Fault{}
		}
	})
	b := s.browser()
	f, _, polling := b.asked(m{"name": "kept", "capabilities": []string{"AT"}})
	r := b.send(f.set(t, "name", "mine"), "decision", "approve")
	if r.StatusCode < 500 || !strings.Contains(r.text, "Your provider does not answer as it should") || formOf(t, r, "consent").values.Get("name") != "mine" {
		t.Fatalf("%d %s", r.StatusCode, r.text)
	}
	down.Store(false)
	s.Clock.Advance(time.Minute)
	b.agree(formOf(t, r, "consent"), polling)
}
