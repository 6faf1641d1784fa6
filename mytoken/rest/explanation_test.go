package rest_test

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
)

// ownWords is what a condition of the embedding program says.
const ownWords = "the cluster of order 4711 is closed"

// closed is a condition that never admits, and cannot tell when it will.
type closed struct{}

func (closed) Check(*restriction.Request) error         { return errors.New(ownWords) }
func (closed) Within(parent restriction.Condition) bool { return parent == closed{} }

// explaining starts a service whose refusals have a level.
func explaining(t *testing.T, level rest.ExplanationLevel) *service {
	return start(t, func(o *setup) {
		o.rest.Explanations = level
		o.Config = func(c *issuer.Config) {
			c.Restrictions.Conditions = map[string]restriction.Factory{
				"cluster": func([]byte) (restriction.Condition, error) { return closed{}, nil },
			}
		}
	})
}

// refusals are the refusals of a JWT and of a short token that is spent, early, for other
// scopes and places, and subject to a condition.
func (s *service) refusals() (byJWT, byShort string) {
	s.t.Helper()
	begin := s.Clock.Now()
	later := begin.Add(24 * time.Hour).Unix() // 2030-03-02T08:00:00Z
	root := s.token(mytoken.Properties{Restrictions: restriction.List{
		{Scopes: []string{"compute"}, UsagesAT: restriction.Usages(1)},
		{NotBefore: later, Expires: later + 7777, Scopes: []string{"storage.read"}, Audiences: []string{"https://secret.example"}, Hosts: []string{"192.0.2.33"}},
		{Scopes: []string{"openid"}, Extra: []restriction.Extra{{Key: "cluster", Value: []byte("true")}}},
	}})
	body := m{"grant_type": "mytoken", "mytoken": root, "error_on_restrictions": true, "restrictions": []m{
		{"scope": "compute", "usages_AT": 1},
		{"nbf": later, "exp": later + 7777, "scope": "storage.read", "audience": []string{"https://secret.example"}, "hosts": []string{"192.0.2.33"}},
		{"scope": "openid", "cluster": true},
	}}
	jwt := s.object(s.post("/api/v0/token/my", body), http.StatusOK)["mytoken"].(string)
	body["response_type"] = "short_token"
	short := s.object(s.post("/api/v0/token/my", body), http.StatusOK)["mytoken"].(string)
	s.object(s.access(root, m{"scope": "compute"}), http.StatusOK)
	for _, scope := range []string{"compute", "storage.read", "openid"} {
		for text, token := range map[*string]string{&byJWT: jwt, &byShort: short} {
			refused, dry := s.access(token, m{"scope": scope}), s.dryRun(token, m{"scope": scope})
			*text += refused.text + refused.Header.Get("Retry-After") + dry.text
		}
	}
	return byJWT, byShort
}

func (s *service) dryRun(token string, use m) *reply {
	s.t.Helper()
	body := m{"action": "explain", "mytoken": token}
	for k, v := range use {
		body[k] = v
	}
	return s.post("/api/v0/tokeninfo", body)
}

// Texts that come from the clauses, and texts that come from elsewhere.
var (
	inClauses = []string{"192.0.2.33", "2030-03-02T08:00:00Z", "storage.read, not", `"earliest":1898668800`, `"never"`}
	elsewhere = []string{ownWords, "by an ancestor"}
)

// TestExplanationLevels: the first level tells the keys only. The second adds what the
// holder of a JWT can read, and the third everything. // proves P9, P10
func TestExplanationLevels(t *testing.T) {
	everything := slices.Concat(inClauses, elsewhere)
	for name, c := range map[string]struct {
		level      rest.ExplanationLevel
		jwt, short []string // what is told
	}{
		"keys":       {rest.ExplainKeys, nil, nil},
		"clauses":    {rest.ExplainClauses, inClauses, nil},
		"everything": {rest.ExplainEverything, everything, everything},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			byJWT, byShort := explaining(t, c.level).refusals()
			for form, told := range map[string][]string{byJWT: c.jwt, byShort: c.short} {
				for _, key := range []string{"nbf", "scope", "hosts", "cluster", "usages_AT"} {
					assert.Contains(t, form, `"key":"`+key+`"`, key)
				}
				for _, value := range everything {
					assert.Equal(t, slices.Contains(told, value), strings.Contains(form, value), "%q: want %t: %s", value, slices.Contains(told, value), form)
				}
				if told == nil && strings.Contains(form, "needed") {
					t.Errorf("values are told: %s", form)
				}
			}
		})
	}
	if _, err := rest.NewHandler(start(t).Issuer, rest.Options{Explanations: rest.ExplainEverything + 1}); !errors.Is(err, rest.ErrOptions) {
		t.Errorf("%v", err)
	}
}

// TestStrangersLearnNothing: without a valid token there is no explanation at any level.
// proves P9, P10
func TestStrangersLearnNothing(t *testing.T) {
	s := explaining(t, rest.ExplainEverything)
	clause := restriction.Clause{Expires: s.Clock.Now().Add(time.Hour).Unix(), Hosts: []string{"192.0.2.33"}}
	token := s.token(list(clause))
	other := start(t).token(list(clause))
	revoked := s.token(list(clause))
	if _, err := s.Issuer.Revoke(t.Context(), issuer.RevokeRequest{Token: mytoken.NewSecret(revoked)}); err != nil {
		t.Fatal(err)
	}
	expired := s.token(list(restriction.Clause{Expires: s.Clock.Now().Unix(), Hosts: []string{"192.0.2.33"}}))
	s.Clock.Advance(2 * time.Second)
	for name, bad := range map[string]string{
		"nothing": "", "nonsense": "nonsense", "short": strings.Repeat("x", 64), "forged": token[:len(token)-8] + "AAAAAAAA",
		"another service's": other, "revoked": revoked, "expired": expired,
	} {
		for _, r := range []*reply{s.access(bad, m{"scope": "openid"}), s.dryRun(bad, m{"scope": "openid", "at": 1}), s.dryRun(bad, m{"use": "other"})} {
			if got := s.object(r, 401); got["error"] != "invalid_token" || len(got) > 2 || r.Header.Get("Retry-After") != "" {
				t.Errorf("%s: %s %v", name, r.text, r.Header)
			}
		}
	}
	if r := s.dryRun(token, nil); s.object(r, 200)["mytoken_explanation"] == nil || !strings.Contains(r.text, "192.0.2.33") {
		t.Errorf("%s", r.text)
	}
	for name, capabilities := range map[string]capability.Set{
		"nothing but AT": {capability.AT}, "another action": {capability.AT, capability.TokeninfoHistory}, "no AT": {capability.Tokeninfo},
	} {
		weak := s.token(mytoken.Properties{Capabilities: capabilities, Restrictions: restriction.List{clause}})
		if got := s.object(s.dryRun(weak, nil), 403); got["error"] != "insufficient_capabilities" || len(got) > 2 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestComeBack: a client that waits as long as a refusal says is admitted, and one that
// waits a second less is not. A dry run says so before, and spends nothing. // proves P10
func TestComeBack(t *testing.T) {
	s := explaining(t, rest.ExplainClauses)
	begin := s.Clock.Now()
	soon := restriction.Clause{NotBefore: begin.Add(10 * time.Minute).Unix(), Scopes: []string{"storage.read"}}
	parent := s.token(list(
		restriction.Clause{Expires: begin.Add(time.Minute).Unix(), Scopes: []string{"openid"}}, soon,
		restriction.Clause{NotBefore: begin.Add(90 * time.Minute).Unix(), Scopes: []string{"compute"}, UsagesAT: restriction.Usages(1)},
		restriction.Clause{NotBefore: begin.Add(30 * time.Hour).Unix(), Scopes: []string{"compute"}},
	))
	child := s.object(s.post("/api/v0/token/my", m{ // all of it begins later
		"grant_type": "mytoken", "mytoken": parent, "restrictions": restriction.List{soon}, "error_on_restrictions": true,
	}), http.StatusOK)["mytoken"].(string)
	s.Clock.Advance(1234 * time.Millisecond)

	s.comesBack(child, "storage.read", 401, soon.NotBefore)
	s.comesBack(parent, "compute", 403, begin.Add(90*time.Minute).Unix())
	s.comesBack(parent, "compute", 403, begin.Add(30*time.Hour).Unix()) // the one use is spent

	never := s.access(parent, m{"scope": "openid"})
	if got := s.object(never, 403)["mytoken_explanation"].(m); got["earliest"] != "never" || never.Header.Get("Retry-After") != "" {
		t.Errorf("%s %v", never.text, never.Header)
	}
}

// comesBack is refused, waits as long as the refusal says, and is admitted.
func (s *service) comesBack(token, scope string, status int, earliest int64) {
	s.t.Helper()
	r := s.access(token, m{"scope": scope})
	got := s.object(r, status)["mytoken_explanation"].(m)
	wait, err := strconv.ParseInt(r.Header.Get("Retry-After"), 10, 64)
	if err != nil || got["earliest"] != float64(earliest) || wait != earliest-s.Clock.Now().Unix() {
		s.t.Fatalf("%s %v, want %d", r.text, r.Header, earliest)
	}
	if status == http.StatusForbidden {
		for at, admitted := range map[int64]bool{0: false, earliest - 1: false, earliest: true} {
			for range 2 { // a dry run spends nothing
				dry := s.object(s.dryRun(token, m{"scope": scope, "at": at}), http.StatusOK)["mytoken_explanation"].(m)
				if dry["admitted"] != admitted || at == 0 && encode(s.t, dry) != encode(s.t, got) {
					s.t.Fatalf("at %d: %v, the refusal says %v", at, dry, got)
				}
			}
		}
	}
	s.Clock.Advance(time.Duration(wait-1) * time.Second)
	if r := s.access(token, m{"scope": scope}); r.StatusCode == http.StatusOK || r.Header.Get("Retry-After") != "1" {
		s.t.Fatalf("a second earlier: %d %v", r.StatusCode, r.Header)
	}
	s.Clock.Advance(time.Second)
	s.object(s.access(token, m{"scope": scope}), http.StatusOK)
}
