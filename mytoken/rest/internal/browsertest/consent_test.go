package browsertest

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// asked is what a program requests in these tests.
var asked = m{
	"capabilities": []string{"AT", "create_mytoken", "tokeninfo"},
	"restrictions": []m{{
		"exp": time.Now().Add(30 * 24 * time.Hour).Unix(), "scope": "openid compute storage.read", "usages_AT": 50,
		"audience": []string{"https://storage.example"}, "hosts": []string{"192.0.2.0/24", "2001:db8::/32", "127.0.0.1"},
	}},
}

// TestConsent: the user reads what a program asks for, allows less, and logs in. The
// program gets what the user allowed. // proves P1
func TestConsent(t *testing.T) {
	eachView(t, func(t *testing.T, v view) {
		s := start(t)
		address, polling := s.askFor(asked)
		page := pathOf(t, address)
		b := open(t, v, address)
		b.look("consent")
		for _, said := range []string{"nightly backup", "Example University", "127.0.0.1", "50 access tokens", "storage.read"} {
			require.Contains(t, b.text(), said)
		}

		b.do(b.click(`input[value=create_mytoken]`), b.click(`#restrictions-editor > summary`))
		b.fill(`input[name$="-usages_AT"]`, "500")
		b.press("#check", page, "[role=alert]")
		b.look("consent-problem")
		b.clean("status: 400", "log: error") // the user may only allow less

		b.fill(`input[name$="-usages_AT"]`, "5")
		b.fill(`input[name$="-scope"]`, "openid storage.read")
		b.press("#check", page, "#restrictions")
		b.look("consent-narrowed")
		require.Contains(t, b.text(), "5 access tokens")
		require.False(t, eval[bool](b, `document.querySelector("input[value=create_mytoken]").checked`))

		b.press("#approve", "/native", "main h1")
		b.look("landing")
		answer := s.token(polling)
		require.Equal(t, []any{"AT", "tokeninfo"}, answer["capabilities"])
		clauses := answer["restrictions"].([]any)
		require.Len(t, clauses, 1)
		clause := clauses[0].(m)
		require.EqualValues(t, 5, clause["usages_AT"])
		require.Equal(t, "openid storage.read", clause["scope"])
		require.Equal(t, asked["restrictions"].([]m)[0]["exp"], int64(clause["exp"].(float64)))
	})
}

// TestDecline: the user declines, and the program hears so.
func TestDecline(t *testing.T) {
	eachView(t, func(t *testing.T, v view) {
		s := start(t)
		address, polling := s.askFor(asked)
		b := open(t, v, address)
		b.press("#decline", "/native/abort", "main h1")
		b.look("declined")
		status, answer := s.fetch(polling)
		require.Equal(t, http.StatusUnauthorized, status)
		require.Equal(t, "access_denied", answer["error"])
	})
}

// TestUsedLink: a used link leads to a page that says so.
func TestUsedLink(t *testing.T) {
	s := start(t)
	address, _ := s.askFor(asked)
	b := open(t, phone, address)
	b.press("#decline", "/native/abort", "main h1")
	b.leave(chromedp.Navigate(address), pathOf(t, address), "main h1")
	require.Contains(t, b.text(), "You declined")
	other := open(t, phone, address)
	other.look("used")
	require.Contains(t, other.text(), "This link is not good any more")
	other.clean("status: 404", "log: error")
}

// TestConsentWithoutScripts: everything works without scripts.
func TestConsentWithoutScripts(t *testing.T) {
	s := start(t)
	address, polling := s.askFor(asked)
	b := open(t, desktop, "about:blank")
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	b.do(chromedp.Navigate(address), b.click(`input[value=tokeninfo]`), b.click(`#restrictions-editor > summary`))
	b.fill(`input[name$="-usages_AT"]`, "7")
	b.press("#approve", "/native", "main h1")
	answer := s.token(polling)
	require.Equal(t, []any{"AT", "create_mytoken"}, answer["capabilities"])
	require.EqualValues(t, 7, answer["restrictions"].([]any)[0].(m)["usages_AT"])
}

// TestHostileNames: the page displays hostile text of a request, and executes none of it.
func TestHostileNames(t *testing.T) {
	s := start(t)
	const evil = `"'><script>document.title="owned"</script><img src=x onerror="document.title='owned'">{{.Base}}`
	address, polling := s.askFor(m{
		"application_name": evil, "name": evil, "capabilities": []string{"AT"},
		"restrictions": []m{{"audience": []string{`https://a.example/"><script>document.title="owned"</script>`}, "usages_AT": 1}},
	})
	b := open(t, desktop, address)
	b.do(b.click(`#restrictions-editor > summary`))
	b.look("hostile")
	require.Contains(t, b.text(), evil)
	b.press("#approve", "/native", "main h1")
	require.Contains(t, b.text(), evil[:50])
	require.NotEqual(t, "owned", eval[string](b, "document.title"))
	s.token(polling)
}

// token is what the waiting program gets.
func (s *service) token(polling string) m {
	s.t.Helper()
	status, answer := s.fetch(polling)
	require.Equal(s.t, http.StatusOK, status, "%v", answer)
	return answer
}

func pathOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Path
}
