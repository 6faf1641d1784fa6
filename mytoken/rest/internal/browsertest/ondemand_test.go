package browsertest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
)

// webView shows a page as oidc-agent does (protocol section 5.18.3): at an address of its
// own, with a bar before the footer and two functions behind everything.
//
// The window cannot reach the service: its policy is the service's own, without the
// service's origin. So what the page does not hold is missing.
func webView(t *testing.T, page, policy, service string) (address string) {
	t.Helper()
	const footer = `<div class="footer"`
	require.Equal(t, 1, strings.Count(page, footer))
	page = strings.Replace(page, footer, `<p id="timeout">Five minutes are left.</p>`+footer, 1)
	const functions = `
		function approve(data) { document.body.innerHTML = "<p id='approved'></p>"; document.getElementById("approved").textContent = JSON.stringify(data) }
		function cancel() { document.body.innerHTML = "<p id='cancelled'></p>" }
	`
	page += "<script>" + functions + "</script>"
	own := sha256.Sum256([]byte(functions))
	policy = strings.ReplaceAll(policy, "'self' "+service, "")
	policy = strings.Replace(policy, "script-src ", "script-src 'sha256-"+base64.StdEncoding.EncodeToString(own[:])+"' ", 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		if r.URL.Path == "/page" {
			_, _ = w.Write([]byte(page))
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/page"
}

// TestConsentOnDemand: a program that has a mytoken shows the page itself, and requests
// what the user agreed to.
func TestConsentOnDemand(t *testing.T) {
	eachView(t, func(t *testing.T, v view) {
		s := start(t)
		parent := s.give(mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.CreateMytoken, capability.Tokeninfo}})
		request := m{
			"grant_type": "mytoken", "mytoken": parent, "oidc_issuer": s.Provider.Issuer(), "name": "asked for by a job",
			"application_name": "agent", "capabilities": []string{"AT", "tokeninfo"}, "restrictions": []m{{"usages_AT": 9}},
		}
		text, policy := s.page("/c", request)
		page := webView(t, text, policy, s.URL)
		b := open(t, v, page)
		b.look("ondemand")
		require.NotEqual(t, "0px", eval[string](b, `getComputedStyle(document.querySelector("fieldset")).borderTopLeftRadius`), "the page has no style")
		require.Zero(t, eval[int](b, `performance.getEntriesByType("resource").filter(function (e) { return e.name.startsWith("`+s.URL+`") }).length`), "the page loads something")
		b.do(b.click("input[value=tokeninfo]"), b.click("details > summary"))
		b.fill("textarea[name=restrictions]", `[{"usages_AT":2,"scope":"compute"}]`)
		b.do(b.click("button[value=approve]"), chromedp.WaitReady(chromedp.CSS("#approved")))

		var decision m
		require.NoError(t, json.Unmarshal([]byte(eval[string](b, `document.querySelector("#approved").textContent`)), &decision))
		for _, name := range []string{"grant_type", "mytoken"} {
			decision[name] = request[name]
		}
		status, child := s.post("/api/v0/token/my", decision)
		require.Equal(t, http.StatusOK, status, "%v", child)
		require.Equal(t, []any{"AT"}, child["capabilities"])
		require.Equal(t, []any{m{"usages_AT": 2.0, "scope": "compute"}}, child["restrictions"])

		b.leave(chromedp.Navigate(page), "/page", "#timeout")
		b.do(b.click("button[value=decline]"), chromedp.WaitReady(chromedp.CSS("#cancelled")))
	})
}

// page requests a page as a program does, and returns it with its policy.
func (s *service) page(path string, request m) (text, policy string) {
	s.t.Helper()
	body, err := json.Marshal(request)
	require.NoError(s.t, err)
	resp, err := http.Post(s.URL+path, "application/json", strings.NewReader(string(body)))
	require.NoError(s.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, resp.StatusCode, string(data))
	return string(data), resp.Header.Get("Content-Security-Policy")
}
