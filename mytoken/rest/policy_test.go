package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// groups are users with a claim that only userinfo tells.
var groups = []optest.User{
	{Subject: "student", Claims: map[string]any{"groups": []string{"university", "students"}}},
	{Subject: "staff", Claims: map[string]any{"groups": []string{"staff", "students", "university"}}},
	{Subject: "admin", Claims: map[string]any{"groups": "admin"}},
	{Subject: "guest", Claims: map[string]any{"other": "x"}},
}

func withRules(rules rest.AttributeRules) func(*setup) {
	return func(o *setup) {
		o.Provider.Users = groups
		clock := mytokentest.NewClock(time.Time{})
		o.Clock, rules.Clock = clock, clock.Now
		o.Config = func(c *issuer.Config) {
			policy, err := rest.AttributePolicy(rules)
			if err != nil {
				panic(err)
			}
			c.Policy = rest.Policies(nil, policy)
		}
	}
}

var groupRules = rest.AttributeRules{
	Sources: []rest.ClaimSource{{Claim: "groups"}},
	Rules: []rest.AttributeRule{
		{Value: "admin", Enforce: rest.Enforced{Nothing: true}},
		{Value: "staff", Enforce: rest.Enforced{JSON: `[{"exp":"+1w","scope":"openid compute"},{"usages_AT":5}]`}},
		{Value: "students", Enforce: rest.Enforced{Template: "student"}},
		{Value: "university", Enforce: rest.Enforced{JSON: `[{"usages_AT":0}]`}},
	},
	Forbid: true,
	Templates: fstest.MapFS{
		"restrictions/student.json": {Data: []byte(`{"include":"1d","scope":"openid"}`)},
	},
}

// tokenAs logs a user in through the browser and polls.
func (s *service) tokenAs(subject string, restrictions any) (*reply, *reply) {
	s.t.Helper()
	request := m{"capabilities": []string{"AT", "tokeninfo", "create_mytoken"}}
	if restrictions != nil {
		request["restrictions"] = restrictions
	}
	consent, polling := s.startNative(request)
	b := s.browser()
	back := b.login(b.approve(consent, nil), subject)
	return back, s.poll(polling)
}

// TestD56_D61_AttributePolicy: what a claim at userinfo says decides, in the order
// of the rules, and what is asked for can only be narrower. // proves P1, P2
func TestD56_D61_AttributePolicy(t *testing.T) {
	s := start(t, withRules(groupRules))
	now := s.Clock.Now().Unix()
	for _, c := range []struct {
		subject   string
		asked     any
		want      string
		forbidden bool
	}{
		{subject: "admin", asked: nil, want: `null`},
		{subject: "admin", asked: []m{{"usages_AT": 3}}, want: `[{"usages_AT":3}]`},
		{subject: "student", asked: nil, want: encode(t, []m{{"exp": now + 86400, "scope": "openid"}})},
		{subject: "student", asked: []m{{"exp": now + 60, "scope": "openid", "usages_AT": 1}}, want: encode(t, []m{{"exp": now + 60, "scope": "openid", "usages_AT": 1}})},
		{subject: "student", asked: []m{{"exp": now + 90000}}, want: encode(t, []m{{"exp": now + 86400, "scope": "openid"}})}, // nothing fits
		{subject: "staff", asked: []m{{"usages_AT": 4}, {"scope": "storage.write"}}, want: `[{"usages_AT":4}]`},
		{subject: "guest", forbidden: true},
	} {
		back, polled := s.tokenAs(c.subject, c.asked)
		if c.forbidden {
			s.fails(polled, 401, "access_denied", "you do not have the required attributes to use this service")
			if back.StatusCode != http.StatusForbidden || !strings.Contains(back.text, "required attributes") {
				t.Errorf("%s: %d %s", c.subject, back.StatusCode, back.text)
			}
			continue
		}
		got := s.object(polled, 200)
		var want any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if encode(t, got["restrictions"]) != encode(t, want) {
			t.Errorf("%s with %v: %v, want %s", c.subject, c.asked, got["restrictions"], c.want)
		}
	}
	// what is made from the token stays within
	_, polled := s.tokenAs("student", nil)
	child := s.object(s.post("/api/v0/token/my", m{
		"grant_type": "mytoken", "mytoken": s.object(polled, 200)["mytoken"], "restrictions": []m{{"usages_AT": 1}},
	}), 200)
	if encode(t, child["restrictions"]) != encode(t, []m{{"exp": now + 86400, "scope": "openid"}}) {
		t.Errorf("%v", child["restrictions"])
	}
}

// TestAttributeSources: other services are asked with the user's access token, in
// order; one that does not answer refuses the login.
func TestAttributeSources(t *testing.T) {
	var asked []string
	answer := func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"member":["vo"]}`)) }
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Authorization"))
		answer(w)
	}))
	t.Cleanup(source.Close)
	rules := rest.AttributeRules{
		Sources: []rest.ClaimSource{{Claim: "absent"}, {URL: source.URL + "/me", Claim: "member"}},
		Rules:   []rest.AttributeRule{{Value: "vo", Enforce: rest.Enforced{JSON: `[{"usages_AT":7}]`}}},
		Default: rest.Enforced{JSON: `[{"usages_AT":1}]`},
	}
	s := start(t, withRules(rules))
	_, polled := s.tokenAs("guest", nil)
	if got := s.object(polled, 200); encode(t, got["restrictions"]) != `[{"usages_AT":7}]` {
		t.Errorf("%v", got)
	}
	if len(asked) != 1 || len(asked[0]) < 100 || !strings.HasPrefix(asked[0], "Bearer ") {
		t.Errorf("asked with %d tokens", len(asked))
	}
	answer = func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"member":7}`)) }
	_, polled = s.tokenAs("guest", nil)
	if got := s.object(polled, 200); encode(t, got["restrictions"]) != `[{"usages_AT":1}]` {
		t.Errorf("%v", got)
	}
	for _, bad := range []func(http.ResponseWriter){
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		func(w http.ResponseWriter) {
			w.Header().Set("Location", source.URL+"/elsewhere")
			w.WriteHeader(http.StatusFound)
		},
	} {
		answer = bad
		back, polled := s.tokenAs("guest", nil)
		s.fails(polled, 401, "access_denied", "your attributes cannot be looked up now")
		if back.StatusCode != http.StatusForbidden {
			t.Errorf("%d", back.StatusCode)
		}
	}
}

// TestAttributeRulesAreChecked: what could enforce nothing by mistake is refused.
func TestAttributeRulesAreChecked(t *testing.T) {
	source := []rest.ClaimSource{{Claim: "groups"}}
	for name, rules := range map[string]rest.AttributeRules{
		"nothing":            {},
		"no source":          {Forbid: true},
		"no claim":           {Sources: []rest.ClaimSource{{}}, Forbid: true},
		"plain http":         {Sources: []rest.ClaimSource{{URL: "http://example.org/", Claim: "x"}}, Forbid: true},
		"no default":         {Sources: source},
		"default and forbid": {Sources: source, Forbid: true, Default: rest.Enforced{Nothing: true}},
		"empty rule":         {Sources: source, Forbid: true, Rules: []rest.AttributeRule{{Value: "x"}}},
		"empty value":        {Sources: source, Forbid: true, Rules: []rest.AttributeRule{{Enforce: rest.Enforced{Nothing: true}}}},
		"two things":         {Sources: source, Default: rest.Enforced{Template: "1d", Nothing: true}},
		"unknown template":   {Sources: source, Default: rest.Enforced{Template: "nobody"}},
		"malformed":          {Sources: source, Default: rest.Enforced{JSON: `[{"exp":`}},
		"empty list":         {Sources: source, Default: rest.Enforced{JSON: `[]`}},
		"empty clause":       {Sources: source, Default: rest.Enforced{JSON: `[{}]`}},
	} {
		if _, err := rest.AttributePolicy(rules); !errors.Is(err, rest.ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for want, rules := range map[string]rest.AttributeRules{
		"Default: exactly one of":      {Sources: source},
		`rule for "x": exactly one of`: {Sources: source, Forbid: true, Rules: []rest.AttributeRule{{Value: "x"}}},
	} {
		if _, err := rest.AttributePolicy(rules); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
	stop := errors.New("stop")
	p := rest.Policies(func(context.Context, *issuer.Issuance) error { return stop }, func(context.Context, *issuer.Issuance) error {
		t.Error("a policy was asked after another one refused")
		return nil
	})
	if err := p(t.Context(), &issuer.Issuance{}); !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestMaximumLifetime is protocol section 2.8 with D22: it is applied to the
// result, so it does not stand in the way of narrowing.
func TestD22_MaximumLifetime(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) { c.Providers[0].MaxLifetime = time.Hour }
	})
	now := s.Clock.Now().Unix()
	_, polled := s.tokenAs("alice", []m{{"scope": "openid"}})
	got := s.object(polled, 200)
	if encode(t, got["restrictions"]) != encode(t, []m{{"exp": now + 3600, "scope": "openid"}}) || got["expires_in"] != 3600.0 {
		t.Fatalf("%v", got)
	}
	derive := func(body m) *reply {
		body["grant_type"], body["mytoken"], body["response_type"] = "mytoken", got["mytoken"], "short_token"
		return s.post("/api/v0/token/my", body)
	}
	child := s.object(derive(m{"error_on_restrictions": true}), 200)
	if encode(t, child["restrictions"]) != encode(t, got["restrictions"]) {
		t.Errorf("%v", child)
	}
	_, polled = s.tokenAs("alice", nil)
	if got := s.object(polled, 200); encode(t, got["restrictions"]) != encode(t, []m{{"exp": now + 3600}}) {
		t.Errorf("%v", got)
	}
	s.fails(derive(m{"restrictions": []m{{"exp": now + 7200, "scope": "openid"}}, "error_on_restrictions": true}), 400, "invalid_request",
		"requested restrictions are not subset of original restrictions")
}

func TestHealth(t *testing.T) {
	var database, reachable error
	h, err := rest.HealthHandler(rest.HealthOptions{
		Database:  func(context.Context) error { return database },
		Reachable: func(context.Context) error { return reachable },
		Version:   "1.2.3", Clock: func() time.Time { return time.Unix(7, 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	down := errors.New("password=hunter2")
	for _, c := range []struct {
		database, reachable error
		status              int
		want                string
	}{
		{nil, nil, 200, `{"healthy":true,"operational":true,"components":{"server_up":true,"server_reachable":true,"database_up":true,"cache_up":true},"version":"1.2.3","timestamp":7}`},
		{nil, down, 200, `{"healthy":false,"operational":true,"components":{"server_up":true,"server_reachable":false,"database_up":true,"cache_up":true},"version":"1.2.3","timestamp":7}`},
		{down, nil, 503, `{"healthy":false,"operational":false,"components":{"server_up":true,"server_reachable":true,"database_up":false,"cache_up":true},"version":"1.2.3","timestamp":7}`},
	} {
		database, reachable = c.database, c.reachable
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != c.status || w.Body.String() != c.want {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if _, err := rest.HealthHandler(rest.HealthOptions{}); !errors.Is(err, rest.ErrOptions) {
		t.Error(err)
	}
}
