package rest_test

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// The tests in the files defects_*_test.go are named after what the reference server gets
// wrong (protocol section 10).

// inParallel calls f n times at once and counts the statuses of the responses.
func inParallel(n int, f func(i int) *reply) map[int]int {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		count = make(map[int]int)
	)
	for i := range n {
		wg.Go(func() {
			r := f(i)
			mu.Lock()
			defer mu.Unlock()
			count[r.StatusCode]++
		})
	}
	wg.Wait()
	return count
}

// loggedIn starts a native login, finishes it, and returns the polling code.
func (s *service) loggedIn(request, decision m) string {
	s.t.Helper()
	consent, polling := s.startNative(request)
	b := s.browser()
	if r := b.login(b.approve(consent, decision), "alice"); r.StatusCode != http.StatusSeeOther {
		s.t.Fatalf("%d %s", r.StatusCode, r.text)
	}
	return polling
}

// TestD01_D02_CodesAreIndependent: nobody can compute a code from another code, from the
// state, or from the time.
func TestD01_D02_CodesAreIndependent(t *testing.T) {
	s := start(t)
	seen := make(map[string]bool)
	const same = 10 // characters that random codes have in common once in 10^12 runs of this test
	for range 50 {
		consent, polling := s.startNative(nil)
		to, err := url.Parse(s.browser().approve(consent, nil))
		require.NoError(t, err)
		all := []string{consent[strings.LastIndex(consent, "/")+1:], polling, to.Query().Get("state"), to.Query().Get("code_challenge"), to.Query().Get("nonce")}
		for i, a := range all {
			if seen[a] || len(a) < 20 {
				t.Fatalf("code %d is short, or was there before", i)
			}
			seen[a] = true
			for j, b := range all {
				for at := 0; i != j && at+same <= len(a); at++ {
					require.NotContains(t, b, a[at:at+same])
				}
			}
		}
		if len(polling) >= 32 {
			t.Error("a polling code is taken for a token")
		}
	}
}

// TestD06_OneTaker: of many redemptions at once, exactly one succeeds.
func TestD06_OneTaker(t *testing.T) {
	s := start(t)
	polling := s.loggedIn(nil, nil)
	if got := inParallel(12, func(int) *reply { return s.poll(polling) }); got[200] != 1 || got[401] != 11 {
		t.Errorf("polling: %v", got)
	}
	token := s.token(mytoken.Properties{})
	code := s.object(s.post("/api/v0/token/transfer", m{"mytoken": token}), 200)["transfer_code"]
	redeem := func(int) *reply {
		return s.post("/api/v0/token/my", m{"grant_type": "transfer_code", "transfer_code": code})
	}
	if got := inParallel(12, redeem); got[200] != 1 || got[401] != 11 {
		t.Errorf("transfer: %v", got)
	}
}

// TestD07_CodesHaveAType: a code works only at its own grant. Trying it elsewhere does
// not use it up.
func TestD07_CodesHaveAType(t *testing.T) {
	s := start(t)
	consent, pending := s.startNative(nil)
	done := s.loggedIn(nil, nil)
	transfer := s.object(s.post("/api/v0/token/transfer", m{"mytoken": s.token(mytoken.Properties{})}), 200)["transfer_code"].(string)
	for grant, codes := range map[string][]string{
		"polling_code":  {transfer, consent[strings.LastIndex(consent, "/")+1:]},
		"transfer_code": {pending, done, consent[strings.LastIndex(consent, "/")+1:]},
	} {
		for _, code := range codes {
			s.fails(s.post("/api/v0/token/my", m{"grant_type": grant, grant: code}), 401, "invalid_token", "Bad polling or transfer code")
		}
	}
	for _, code := range []string{pending, done, transfer} {
		if r := s.do(http.MethodGet, "/c/"+code, "", "Accept", "text/html"); r.StatusCode != 404 {
			t.Errorf("a consent page: %d", r.StatusCode)
		}
	}
	s.object(s.poll(done), 200)
	s.object(s.post("/api/v0/token/my", m{"grant_type": "transfer_code", "transfer_code": transfer}), 200)
}

// TestD08_ResponseTypes: the poller gets the form of token that the login asked for. A
// login that asks for none that exists is refused.
func TestD08_ResponseTypes(t *testing.T) {
	s := start(t)
	for kind, field := range map[string]string{"token": "mytoken", "short_token": "mytoken", "transfer_code": "transfer_code", "": "mytoken"} {
		got := s.object(s.poll(s.loggedIn(m{"response_type": kind}, nil)), 200)
		if text, _ := got[field].(string); text == "" || got["mytoken_type"] != cmp.Or(kind, "token") {
			t.Errorf("%s: %v", kind, got)
		}
	}
	s.fails(s.post("/api/v0/token/my", m{"grant_type": "oidc_flow", "oidc_issuer": s.Provider.Issuer(), "response_type": "nonsense"}), 400, "invalid_request",
		"response_type: 'nonsense' is none of token, short_token and transfer_code")
}

// TestD58_ProviderOfConsent: the user cannot change the provider that was asked for.
func TestD58_ProviderOfConsent(t *testing.T) {
	s := start(t)
	consent, _ := s.startNative(nil)
	s.fails(s.do(http.MethodPost, consent, `{"oidc_issuer":"https://other.example"}`), 400, "invalid_request", "The provided issuer is not supported")
	if to := s.browser().approve(consent, m{"oidc_issuer": s.Provider.Issuer() + "/"}); !strings.HasPrefix(to, s.Provider.Issuer()) {
		t.Error(to)
	}
}

// TestD65_D95_WhatWasAgreed: the user's edits are checked like a request. The token gets
// what the user agreed to, rotation included. Leaving a member out never widens it.
func TestD65_D95_WhatWasAgreed(t *testing.T) {
	s := start(t)
	request := m{"name": "asked", "capabilities": []string{"AT", "tokeninfo"}, "restrictions": []m{{"usages_AT": 3}}, "rotation": m{"on_AT": true}}
	for name, c := range map[string]struct {
		decision m
		want     string // rotation, restrictions, capabilities
	}{
		"nothing said":     {m{}, `[null,[{"usages_AT":3}],["AT","tokeninfo"]]`},
		"rotation added":   {m{"rotation": m{"on_other": true}}, `[{"on_other":true},[{"usages_AT":3}],["AT","tokeninfo"]]`},
		"rotation removed": {m{"rotation": nil}, `[null,[{"usages_AT":3}],["AT","tokeninfo"]]`},
		"narrowed":         {m{"capabilities": []string{"AT"}, "restrictions": []m{{"usages_AT": 1}}, "rotation": m{"on_AT": true}}, `[{"on_AT":true},[{"usages_AT":1}],["AT"]]`},
		"null is not none": {m{"restrictions": nil}, `[null,[{"usages_AT":3}],["AT","tokeninfo"]]`},
	} {
		got := s.object(s.poll(s.loggedIn(request, c.decision)), 200)
		if text := encode(t, []any{got["rotation"], got["restrictions"], got["capabilities"]}); text != c.want {
			t.Errorf("%s: %s", name, text)
		}
	}
	got := s.object(s.poll(s.loggedIn(m{}, m{"rotation": m{"on_AT": true}})), 200)
	if encode(t, got["rotation"]) != `{"on_AT":true}` {
		t.Errorf("rotation where none was asked for: %v", got)
	}
	for body, text := range map[string]string{
		`{"capabilities":[]}`:                         "capabilities: a token without capabilities is of no use",
		`{"restrictions":[]}`:                         "restrictions: more than was asked for",
		`{"capabilities":["everything"]}`:             "capabilities: more than was asked for",
		`{"capabilities":["@all"]}`:                   "capabilities: more than was asked for",
		`{"restrictions":[{}]}`:                       "restrictions: clause 0: empty clause",
		`{"restrictions":[{"exp":"+1d"}]}`:            "restrictions: clause 0: exp: malformed: need an integer",
		`{"restrictions":[{"hosst":["x"]}]}`:          "restrictions: more than was asked for",
		`{"restrictions":["1d"]}`:                     "restrictions: clause 0: malformed: need an object",
		`{"rotation":{"on_at":true}}`:                 "rotation is malformed",
		`{"name":"` + strings.Repeat("x", 101) + `"}`: "name: longer than 100 characters",
	} {
		consent, _ := s.startNative(request)
		s.fails(s.do(http.MethodPost, consent, body), 400, "invalid_request", text)
		if r := s.do(http.MethodPost, consent, `{}`); r.StatusCode != 278 {
			t.Errorf("after %s the code is used up: %d", body, r.StatusCode)
		}
	}
}

// TestD66_D67_UnknownIsNotAnError: unknown codes and tokens have errors of their own,
// never a 500.
func TestD66_D67_UnknownIsNotAnError(t *testing.T) {
	s := start(t)
	s.fails(s.post("/c", m{"oidc_issuer": s.Provider.Issuer(), "mytoken": "nonsense"}), 401, "invalid_token", "token not valid")
	s.fails(s.post("/c", m{"oidc_issuer": s.Provider.Issuer()}), 401, "invalid_token", "no mytoken found in request")
	for _, body := range []string{"{}", ""} {
		s.fails(s.do(http.MethodPost, "/c/abcdefghijkmno", body), 404, "not_found", "consent code not valid")
	}
}

// TestD71_D72_FailedLogins: the poller learns what the provider said, or that the user
// declined.
func TestD71_D72_FailedLogins(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Provider.Decide = func(r optest.AuthorizationRequest) optest.Decision { return optest.Decision{Error: r.Subject} }
	})
	for code, want := range map[string][2]string{"access_denied": {"access_denied", "access_denied"}, "server_error": {"oidc_error", ""}, "login_required": {"oidc_error", "login_required"}} {
		consent, polling := s.startNative(nil)
		b := s.browser()
		if r := b.login(b.approve(consent, nil), code); r.StatusCode != 555 {
			t.Errorf("%s: %d", code, r.StatusCode)
		}
		status := map[string]int{"access_denied": 401, "oidc_error": 502}[want[0]]
		got := s.object(s.poll(polling), status)
		if got["error"] != want[0] || want[1] != "" && got["error_description"] != want[1] {
			t.Errorf("%s: %v", code, got)
		}
	}
}

// TestD77_PollingIsNotLimited: no limit applies to polling, nor to the configuration that
// oidc-agent reads before each poll.
func TestD77_PollingIsNotLimited(t *testing.T) {
	s := start(t)
	_, polling := s.startNative(nil)
	for range 300 {
		if r := s.do(http.MethodGet, "/.well-known/openid-configuration", ""); r.StatusCode != 200 {
			t.Fatalf("%d", r.StatusCode)
		}
		s.fails(s.poll(polling), 428, "authorization_pending", "")
	}
}

// TestD04_CodesAreErased: a redeemed or expired code leaves nothing behind that any
// endpoint could redeem again. // proves P7
func TestD04_CodesAreErased(t *testing.T) {
	s := start(t)
	polling := s.loggedIn(nil, nil)
	token := s.object(s.poll(polling), 200)["mytoken"]
	if r := s.post("/api/v0/token/revoke", m{"token": polling, "recursive": true}); r.StatusCode != 204 {
		t.Fatalf("%d", r.StatusCode)
	}
	s.object(s.access(token, nil), 200) // the code is not the token any more
	pending := s.loggedIn(nil, nil)
	if r := s.post("/api/v0/token/revoke", m{"token": pending}); r.StatusCode != 204 {
		t.Fatalf("%d", r.StatusCode)
	}
	s.fails(s.poll(pending), 401, "invalid_token", "Bad polling or transfer code")
}
