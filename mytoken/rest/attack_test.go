package rest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// Attacks, and the tests that try them:
//
//	forged X-Forwarded-For         TestD17_ClientAddress, TestD17_ForgedAddress, FuzzForwarded
//	login CSRF                     TestD03_LoginCSRF, TestSwappedCodes
//	forged consent                 TestD68_ConsentIsNotForged
//	guessing codes                 TestD02_GuessingIsHopeless (computes the odds), TestD01_D02_CodesAreIndependent
//	guessing at the limit          TestOnlyFailuresCount, TestManyAtOnce, TestAttackerDoesNotStopOthers, TestMarksAreNotAWayAround
//	floods of logins               TestFloodOfLogins, TestEveryLoginCounts, TestTooManyWait, TestUnknownAddressesShareABudget
//	replayed codes                 TestReplayedCodes, TestD06_OneTaker
//	framed pages                   TestNoFrames, and framed in TestD03_LoginCSRF
//	open redirect                  TestD69_NoOpenRedirect
//	HTML in names                  TestD69a_NothingIsInjected, TestNothingIsInjectedOnDemand
//	huge and slow bodies           TestHugeBodies, TestManyClausesAreNotDecoded, TestSlowBodies, TestCompressedBodies
//	ambiguous and smuggled ones    TestAmbiguousRequests, TestSmuggling

// TestReplayedCodes: a used code is worthless to everybody, in every process. Presenting
// it again changes nothing for its first user.
func TestReplayedCodes(t *testing.T) {
	s := start(t)
	other := s.restart(nil, rest.Options{}) // same store and keys
	processes := []*service{s, other}
	const used = "Bad polling or transfer code"

	polling := s.loggedIn(m{"capabilities": everything}, nil)
	token := s.object(s.poll(polling), 200)["mytoken"]
	transfer := s.object(s.post("/api/v0/token/transfer", m{"mytoken": token}), 200)["transfer_code"]
	redeem := m{"grant_type": "transfer_code", "transfer_code": transfer}
	s.object(other.post("/api/v0/token/my", redeem), 200)
	for range 2 {
		for _, p := range processes {
			p.fails(p.poll(polling), 401, "invalid_token", used)
			p.fails(p.post("/api/v0/token/my", redeem), 401, "invalid_token", used)
		}
	}

	consent, polling := s.startNative(nil)
	b := s.browser()
	to := b.approve(consent, nil)
	path := strings.TrimPrefix(consent, s.URL)
	for _, p := range processes {
		for _, decision := range []string{"{}", `{"capabilities":["AT","settings"]}`, ""} { // agree again, to more, decline
			p.fails(p.do(http.MethodPost, path, decision), 404, "not_found", "consent code not valid")
		}
		if r := p.do(http.MethodGet, path, "", "Accept", "text/html"); r.StatusCode != http.StatusNotFound {
			t.Errorf("the page: %d", r.StatusCode)
		}
	}
	exchanged := s.Provider.Count(optest.Exchanged)
	back, err := optest.Login(t.Context(), to, "alice")
	require.NoError(t, err)
	if r := b.comeBack(back); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", r.StatusCode, r.text)
	}
	for _, p := range processes {
		again := strings.Replace(back, s.URL, p.URL, 1)
		// The browser learns what became of the login, and nothing happens again.
		if r := b.comeBack(again); r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.Header.Get("Location"), "/native?login=") {
			t.Errorf("the authorization response: %d %s", r.StatusCode, r.text)
		}
		if r := p.do(http.MethodGet, again, ""); r.StatusCode != http.StatusBadRequest || !strings.Contains(r.text, "State mismatched") || len(r.Cookies()) > 0 {
			t.Errorf("the authorization response: %d %s", r.StatusCode, r.text)
		}
	}
	require.Equal(t, exchanged+1, s.Provider.Count(optest.Exchanged))
	s.object(s.access(s.object(s.poll(polling), 200)["mytoken"], nil), 200)
	s.object(other.access(token, nil), 200)
}

// TestSwappedCodes: an authorization code of another login does not finish this one. The
// attacker's own login in the same browser is no exception.
func TestSwappedCodes(t *testing.T) {
	s := start(t)
	b := s.browser()
	var backs [2]url.URL
	var polling [2]string
	for i, subject := range []string{"alice", "mallory"} {
		consent, code := s.startNative(nil)
		back, err := optest.Login(t.Context(), b.approve(consent, nil), subject)
		require.NoError(t, err)
		u, err := url.Parse(back)
		require.NoError(t, err)
		backs[i], polling[i] = *u, code
	}
	query, stolen := backs[0].Query(), backs[1].Query()
	query.Set("code", stolen.Get("code"))
	backs[0].RawQuery = query.Encode()
	if r := b.comeBack(backs[0].String()); r.StatusCode < 400 {
		t.Errorf("%d %v %s", r.StatusCode, r.Header, r.text)
	}
	for _, code := range polling {
		if r := s.poll(code); r.StatusCode == http.StatusOK {
			t.Errorf("a token was given: %s", r.text)
		}
	}
	if n := s.Provider.Count(optest.Exchanged); n != 0 {
		t.Errorf("the provider exchanged %d codes", n)
	}
}

// TestNothingIsInjectedOnDemand: the page that a program shows to its user displays what
// the request says, and executes none of it. The template engine of the program does not
// execute it either.
func TestNothingIsInjectedOnDemand(t *testing.T) {
	s := start(t)
	token := s.token(mytoken.Properties{Capabilities: everything})
	harmless := s.onDemand(token, "harmless")
	if strings.Count(harmless, "harmless") < 3 {
		t.Fatalf("the page does not show what is asked for: %s", harmless)
	}
	for _, text := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</textarea><script>alert(1)</script>`, `' onfocus=alert(1) autofocus '`,
		"<!-- ", `{{.Mytoken}}`, `{{{x}}}`, `</title><svg onload=alert(1)>`,
	} {
		page := s.onDemand(token, text)
		for _, tag := range []string{"<script", "<img", "<svg", "<!--", "<textarea", "</textarea", "<input", "<form", "{{", "}}"} {
			if got, want := strings.Count(page, tag), strings.Count(harmless, tag); got != want {
				t.Errorf("%s: %d times %s instead of %d: %s", text, got, tag, want, page)
			}
		}
		assert.NotContains(t, page, "' onfocus", text)
	}
}

// onDemand requests the page on which the user of a program agrees.
func (s *service) onDemand(token, text string) string {
	s.t.Helper()
	r := s.post("/c", m{
		"grant_type": "mytoken", "mytoken": token, "oidc_issuer": s.Provider.Issuer(), "name": text, "application_name": text,
		"capabilities": []string{"AT"}, "restrictions": []m{{"audience": []string{strings.TrimSpace(text)}}},
	}, "Accept", "text/html")
	require.Equal(s.t, http.StatusOK, r.StatusCode, "%d %s", r.StatusCode, r.text)
	return r.text
}
