package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// withRules starts an issuer with attribute rules. Only userinfo tells the users' claims.
func withRules(t *testing.T, rules issuer.AttributeRules) *mytokentest.Service {
	t.Helper()
	clock := mytokentest.NewClock(time.Time{})
	rules.Clock = clock.Now
	policy, err := issuer.AttributePolicy(rules)
	require.NoError(t, err)
	s, err := mytokentest.Start(mytokentest.Options{
		Clock: clock,
		Provider: optest.Options{Users: []optest.User{
			{Subject: "student", Claims: map[string]any{"groups": []string{"university", "students"}}},
			{Subject: "staff", Claims: map[string]any{"groups": []string{"staff", "students", "university"}}},
			{Subject: "admin", Claims: map[string]any{"groups": "admin"}},
			{Subject: "guest", Claims: map[string]any{"other": "x"}},
		}},
		Config: func(c *issuer.Config) { c.Policy = issuer.Policies(nil, policy) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

var groupRules = issuer.AttributeRules{
	Sources: []issuer.ClaimSource{{Claim: "groups"}},
	Rules: []issuer.AttributeRule{
		{Value: "admin", Enforce: issuer.Enforced{Nothing: true}},
		{Value: "staff", Enforce: issuer.Enforced{JSON: `[{"exp":"+1w","scope":"openid compute"},{"usages_AT":5}]`}},
		{Value: "students", Enforce: issuer.Enforced{Template: "student"}},
		{Value: "university", Enforce: issuer.Enforced{JSON: `[{"usages_AT":0}]`}},
	},
	Forbid: true,
	Templates: fstest.MapFS{
		"restrictions/student.json": {Data: []byte(`{"include":"1d","scope":"openid"}`)},
	},
}

// uses is a clause with a limit of access tokens.
func uses(limit int64) restriction.Clause { return restriction.Clause{UsagesAT: &limit} }

// TestD56_D61_AttributePolicy: a claim at userinfo decides, in the order of the rules.
// The request can only narrow what the rule gives. // proves P1, P2
func TestD56_D61_AttributePolicy(t *testing.T) {
	s := withRules(t, groupRules)
	now := s.Clock.Now().Unix()
	login := func(subject string, asked restriction.List) (*mytoken.Issued, error) {
		return s.Login(t.Context(), subject, mytoken.Properties{
			Capabilities: capability.Set{capability.AT, capability.CreateMytoken}, Restrictions: asked,
		})
	}
	student := restriction.List{{Expires: now + 86400, Scopes: []string{"openid"}}}
	one := int64(1)
	narrower := restriction.List{{Expires: now + 60, Scopes: []string{"openid"}, UsagesAT: &one}}
	for _, c := range []struct {
		subject     string
		asked, want restriction.List
	}{
		{subject: "admin"},
		{"admin", restriction.List{uses(3)}, restriction.List{uses(3)}},
		{"student", nil, student},
		{"student", narrower, narrower},
		{"student", restriction.List{{Expires: now + 90000}}, student}, // nothing fits
		{"staff", restriction.List{uses(4), {Scopes: []string{"storage.write"}}}, restriction.List{uses(4)}},
		// The uses of a rule do not multiply with the clauses.
		{"staff", restriction.List{uses(4), {UsagesAT: &one, Hosts: []string{"192.0.2.1"}}, {UsagesAT: &one, Hosts: []string{"192.0.2.2"}}},
			restriction.List{uses(4), {UsagesAT: &one, Hosts: []string{"192.0.2.1"}}}},
	} {
		got, err := login(c.subject, c.asked)
		require.NoError(t, err, "%s with %v", c.subject, c.asked)
		assert.Equal(t, c.want, got.Restrictions, "%s with %v", c.subject, c.asked)
	}
	_, err := login("guest", nil)
	var refused *issuer.PolicyError
	require.ErrorAs(t, err, &refused)
	assert.EqualError(t, refused.Unwrap(), "you do not have the required attributes to use this service")

	// A child stays within what the rule gave.
	got, err := login("student", nil)
	require.NoError(t, err)
	child, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{
		Token: got.Token, Properties: mytoken.Properties{Restrictions: restriction.List{uses(1)}}, Adjust: true, Client: mytokentest.Client,
	})
	require.NoError(t, err)
	assert.Equal(t, student, child.Restrictions)
}

// TestAttributesBeforeTheLogin: a consent page shows what the rules enforce for everybody.
// Rules for some users wait until the user is known. // proves P1
func TestAttributesBeforeTheLogin(t *testing.T) {
	source := []issuer.ClaimSource{{Claim: "groups"}}
	day, week := issuer.Enforced{JSON: `[{"exp":"+1d","scope":"openid"}]`}, issuer.Enforced{Template: "1w"}
	staff := func(e issuer.Enforced) []issuer.AttributeRule {
		return []issuer.AttributeRule{{Value: "staff", Enforce: e}}
	}
	for name, c := range map[string]struct {
		rules  issuer.AttributeRules
		shown  bool // on the page
		issued bool
	}{
		"one for all":      {issuer.AttributeRules{Default: day}, true, true},
		"one for members":  {issuer.AttributeRules{Rules: staff(day), Forbid: true}, true, true},
		"the same for all": {issuer.AttributeRules{Rules: staff(day), Default: day}, true, true},
		"some get more":    {issuer.AttributeRules{Rules: staff(day), Default: week}, false, true},
		"some get all":     {issuer.AttributeRules{Rules: staff(issuer.Enforced{Nothing: true}), Default: day}, false, false},
		"other provider":   {issuer.AttributeRules{Default: day, Provider: "https://elsewhere.example"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.rules.Sources = source
			s := withRules(t, c.rules)
			want := restriction.List{{Expires: unix(s, 24*time.Hour), Scopes: []string{"openid"}}}
			n := native(t, s, issuer.LoginRequest{})
			s.Clock.Advance(time.Minute)
			shown, err := s.Issuer.PreviewConsent(t.Context(), n.ConsentCode, agreedProperties)
			require.NoError(t, err)
			login, err := s.Issuer.Approve(t.Context(), n.ConsentCode, agreedProperties)
			require.NoError(t, err)
			s.Clock.Advance(time.Minute)
			_, err = s.Follow(t.Context(), "staff", login)
			require.NoError(t, err)
			issued, err := poll(t, s, n)
			require.NoError(t, err)
			for what, got := range map[string]struct {
				list    restriction.List
				present bool
			}{"shown": {shown.Restrictions, c.shown}, "issued": {issued.Restrictions, c.issued}} {
				if got.present {
					require.Equal(t, want, got.list, what)
				} else {
					require.Empty(t, got.list, what)
				}
			}
		})
	}

	// The address of the client counts when the user has logged in.
	s := withRules(t, issuer.AttributeRules{Sources: source, Default: issuer.Enforced{JSON: `[{"ip":["this"]}]`}})
	n := native(t, s, issuer.LoginRequest{Client: issuer.Client{Address: netip.MustParseAddr("198.51.100.9")}})
	shown, err := s.Issuer.PreviewConsent(t.Context(), n.ConsentCode, agreedProperties)
	require.NoError(t, err)
	require.Empty(t, shown.Restrictions)
	agree(t, s, n, agreedProperties)
	issued, err := poll(t, s, n)
	require.NoError(t, err)
	require.Equal(t, []string{client.Address.String()}, issued.Restrictions[0].Hosts)

	// The rule leaves nothing of what the user agreed to. The token is refused: it would
	// allow something else.
	s = withRules(t, issuer.AttributeRules{Sources: source, Rules: staff(week), Default: day})
	agreed := agreedProperties
	agreed.Restrictions = restriction.List{{Scopes: []string{"storage.read"}}}
	n = native(t, s, issuer.LoginRequest{})
	login, err := s.Issuer.Approve(t.Context(), n.ConsentCode, agreed)
	require.NoError(t, err)
	_, err = s.Follow(t.Context(), "guest", login)
	errAs[*issuer.PolicyError](t, err)
}

// TestAttributeSources: the policy asks other services with the user's access token, in
// order. It refuses the login if one does not answer.
func TestAttributeSources(t *testing.T) {
	var asked []string
	answer := func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"member":["vo"]}`)) }
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Authorization"))
		answer(w)
	}))
	t.Cleanup(source.Close)
	s := withRules(t, issuer.AttributeRules{
		Sources: []issuer.ClaimSource{{Claim: "absent"}, {URL: source.URL + "/me", Claim: "member"}},
		Rules:   []issuer.AttributeRule{{Value: "vo", Enforce: issuer.Enforced{JSON: `[{"usages_AT":7}]`}}},
		Default: issuer.Enforced{JSON: `[{"usages_AT":1}]`},
	})
	got, err := s.Login(t.Context(), "guest", mytoken.Properties{})
	require.NoError(t, err)
	assert.Equal(t, restriction.List{uses(7)}, got.Restrictions)
	require.Len(t, asked, 1)
	assert.Regexp(t, `^Bearer .{93,}`, asked[0])

	answer = func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"member":7}`)) }
	got, err = s.Login(t.Context(), "guest", mytoken.Properties{})
	require.NoError(t, err)
	assert.Equal(t, restriction.List{uses(1)}, got.Restrictions)

	for cause, bad := range map[string]func(http.ResponseWriter){
		"status 500": func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		"status 302": func(w http.ResponseWriter) {
			w.Header().Set("Location", source.URL+"/elsewhere")
			w.WriteHeader(http.StatusFound)
		},
	} {
		answer = bad
		_, err := s.Login(t.Context(), "guest", mytoken.Properties{})
		var refused *issuer.PolicyError
		require.ErrorAs(t, err, &refused, cause)
		assert.Equal(t, "your attributes cannot be looked up now", refused.Description(), "the user's text")
		assert.ErrorContains(t, err, cause, "the operator's text")
	}
}

// TestAttributeRulesAreChecked: AttributePolicy refuses rules that could enforce nothing
// by mistake.
func TestAttributeRulesAreChecked(t *testing.T) {
	source := []issuer.ClaimSource{{Claim: "groups"}}
	const which = "set exactly one of Template, JSON and Nothing"
	for _, c := range []struct {
		want  string
		rules issuer.AttributeRules
	}{
		{".Sources is empty", issuer.AttributeRules{}},
		{".Sources is empty", issuer.AttributeRules{Forbid: true}},
		{".Sources: a source names no claim", issuer.AttributeRules{Sources: []issuer.ClaimSource{{}}, Forbid: true}},
		{`.Sources: the URL for the claim "x" is not https`, issuer.AttributeRules{Sources: []issuer.ClaimSource{{URL: "http://example.org/", Claim: "x"}}, Forbid: true}},
		{".Default: " + which, issuer.AttributeRules{Sources: source}},
		{": set either Forbid or Default, not both", issuer.AttributeRules{Sources: source, Forbid: true, Default: issuer.Enforced{Nothing: true}}},
		{`.Rules: the rule for "x": ` + which, issuer.AttributeRules{Sources: source, Forbid: true, Rules: []issuer.AttributeRule{{Value: "x"}}}},
		{".Rules: a rule names no value", issuer.AttributeRules{Sources: source, Forbid: true, Rules: []issuer.AttributeRule{{Enforce: issuer.Enforced{Nothing: true}}}}},
		{".Default: " + which, issuer.AttributeRules{Sources: source, Default: issuer.Enforced{Template: "1d", Nothing: true}}},
		{".Default: profile: unknown include name: 'nobody'", issuer.AttributeRules{Sources: source, Default: issuer.Enforced{Template: "nobody"}}},
		{".Default: restriction: clause 0: exp: malformed", issuer.AttributeRules{Sources: source, Default: issuer.Enforced{JSON: `[{"exp":`}}},
		{".Default: there is no clause", issuer.AttributeRules{Sources: source, Default: issuer.Enforced{JSON: `[]`}}},
		{".Default: restriction: clause 0: empty clause", issuer.AttributeRules{Sources: source, Default: issuer.Enforced{JSON: `[{}]`}}},
		{".Templates: profile: x.json", issuer.AttributeRules{Sources: source, Forbid: true, Templates: fstest.MapFS{"x.json": {Data: []byte(`{}`)}}}},
	} {
		_, err := issuer.AttributePolicy(c.rules)
		assert.ErrorContains(t, err, "issuer: AttributeRules"+c.want)
	}
}

// TestPoliciesStopAtTheFirstError: nobody asks the policies behind one that refuses.
func TestPoliciesStopAtTheFirstError(t *testing.T) {
	stop := errors.New("stop")
	p := issuer.Policies(func(context.Context, *issuer.Issuance) error { return stop }, func(context.Context, *issuer.Issuance) error {
		t.Error("a policy was asked after another one refused")
		return nil
	})
	assert.ErrorIs(t, p(t.Context(), &issuer.Issuance{}), stop)
}

// How do I give users the restrictions that their groups deserve? With rules about a
// claim.
func ExampleAttributePolicy() {
	policy, err := issuer.AttributePolicy(issuer.AttributeRules{
		Sources: []issuer.ClaimSource{{Claim: "eduperson_entitlement"}},
		Rules: []issuer.AttributeRule{
			{Value: "staff", Enforce: issuer.Enforced{Nothing: true}},
			{Value: "student", Enforce: issuer.Enforced{JSON: `[{"exp":"+30d","usages_AT":1000}]`}},
		},
		Forbid: true,
	})
	fmt.Println(policy != nil, err) // set it in issuer.Config
	// Output: true <nil>
}
