package browsertest

import (
	"encoding/base64"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/npm"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// state is a page in one of its states.
type state struct {
	name     string
	template string // the file that it shows
	heading  string // a part of its heading
	reach    func(w *walk)
	quiet    []string // complaints of the browser that belong to it
}

// Complaints about the status of a page.
var (
	badRequest = []string{"status: 400", "log: error"}
	notFound   = []string{"status: 404", "log: error"}
	forbidden  = []string{"status: 403", "log: error"}
	away       = []string{"status: 503", "log: error"}
	failed     = []string{"status: 555", "log: error"}
	loggedOut  = []string{"status: 401", "log: error"}
)

// providerPage is the login page of the test provider.
const providerPage = "../../../../../oidcupstream/optest/page.html"

// asking returns what a program requests: what is usual, but for some members.
func asking(changes m) m {
	request := maps.Clone(asked)
	maps.Copy(request, changes)
	return request
}

// within returns a time from now on as restrictions have it.
func within(d time.Duration) int64 { return time.Now().Add(d).Unix() }

const day = 24 * time.Hour

// severalCases are restrictions of many kinds, with a gap.
var severalCases = []m{
	{"exp": within(2 * day), "scope": "openid storage.read:/home storage.modify:/home", "usages_AT": 3, "hosts": []string{"192.0.2.0/24"}},
	{"nbf": within(5 * day), "exp": within(9 * day), "audience": []string{"https://storage.example", "https://compute.example"}, "usages_other": 0},
	{"nbf": within(6 * day), "exp": within(30 * day), "scope": "compute", "hosts": []string{"198.51.100.0/24"}},
}

// open visits the page of the token that a search finds.
func (w *walk) open(search string) {
	w.tab.t.Helper()
	w.visit("/manage?search=" + url.QueryEscape(search))
	w.pressInto("a.token-name", "#history")
}

// states lists every page and every state that looks different, in the order in which one
// tab reaches them. A state may begin where the one before it ended.
var states = []state{
	{"home", "home.html", "Tokens for programs", func(w *walk) { w.visit("/home") }, nil},
	{"not-found", "message.html", "Not found", func(w *walk) { w.visit("/none") }, notFound},
	{"link-incomplete", "message.html", "A part of this link is missing", func(w *walk) { w.visit("/c") }, notFound},
	{"login-over", "message.html", "This login is over", func(w *walk) { w.visit("/native") }, nil},
	{"other-browser", "message.html", "This browser did not start the login", func(w *walk) { w.visit("/login/AAAAAAAAAAAA") }, badRequest},
	{"consent", "consent.html", "nightly backup", func(w *walk) { w.ask(asked) }, nil},
	{"consent-problem", "consent.html", "nightly backup", func(w *walk) {
		w.do(w.click(`#restrictions-editor > summary`))
		w.fill(`input[name$="-usages_AT"]`, "500")
		w.pressInto("#check", "[role=alert]")
		require.Contains(w.tab.t, w.text(), "what was asked for, without your changes")
	}, badRequest},
	{"consent-narrowed", "consent.html", "nightly backup", func(w *walk) {
		w.fill(`input[name$="-usages_AT"]`, "5")
		w.pressInto("#check", "#restrictions")
		require.NotContains(w.tab.t, w.text(), "without your changes")
	}, nil},
	{"consent-editing", "consent.html", "nightly backup", func(w *walk) { w.pressInto("#add-clause", "#remove-clause-2") }, nil},
	{"consent-nothing-chosen", "consent.html", "nightly backup", func(w *walk) {
		w.ask(m{"capabilities": []string{"AT"}})
		w.do(w.click("input[value=AT]"))
		w.pressInto("#approve", "[role=alert]")
	}, badRequest},
	{"given", "given.html", "Done", func(w *walk) {
		w.ask(asked)
		w.pressInto("#approve", "#manage")
	}, nil},
	{"consent-unrestricted", "consent.html", "A program that does not say its name", func(w *walk) {
		w.ask(m{"application_name": "", "name": "", "capabilities": []string{"AT", "create_mytoken", "tokeninfo", "manage_mytokens", "settings"}})
	}, nil},
	{"given-unrestricted", "given.html", "Done", func(w *walk) { w.pressInto("#approve", "#manage") }, nil},
	{"consent-changed", "consent.html", "nightly backup", func(w *walk) { w.ask(asking(m{"name": changedName})) }, nil},
	{"consent-changed-editing", "consent.html", "nightly backup", func(w *walk) {
		w.do(w.click(`#restrictions-editor > summary`))
		w.pressInto("#check", "#restrictions")
	}, nil},
	{"given-changed", "given.html", "Done", func(w *walk) { w.pressInto("#approve", "#manage") }, nil},
	{"consent-refused", "consent.html", "nightly backup", func(w *walk) { w.ask(asking(m{"name": refusedName})) }, nil},
	{"consent-refused-again", "consent.html", "nightly backup", func(w *walk) { w.pressInto("#approve", "[role=alert]") }, forbidden},
	{"consent-renamed", "given.html", "Done", func(w *walk) {
		w.fill("#name", "allowed")
		w.pressInto("#approve", "#manage")
	}, nil},
	{"policy", "message.html", "This service does not allow it", func(w *walk) {
		w.ask(m{"name": refusedLate})
		w.pressInto("#approve", "blockquote")
	}, forbidden},
	{"consent-scopes", "consent.html", "nightly backup", func(w *walk) {
		w.ask(m{"capabilities": []string{"AT"}, "restrictions": []m{{
			"exp": within(day), "scope": "openid compute storage.read:/home storage.modify:/ storage.raed write:/x " + strings.Repeat("verylong", 20),
		}}})
	}, nil},
	{"consent-cases", "consent.html", "nightly backup", func(w *walk) {
		w.ask(m{"restrictions": severalCases, "rotation": m{"on_AT": true, "lifetime": 40 * 24 * 60 * 60, "auto_revoke": true}})
	}, nil},
	{"consent-cases-editing", "consent.html", "nightly backup", func(w *walk) {
		w.do(w.click(`#restrictions-editor > summary`))
		w.pressInto("#check", "#restrictions")
	}, nil},
	{"consent-hostile", "consent.html", "nightly (backup)", func(w *walk) {
		w.ask(m{"application_name": longName, "name": longName, "restrictions": []m{{"audience": []string{"https://" + strings.Repeat("long", 50)}, "usages_AT": 1}}})
	}, nil},
	{"given-hostile", "given.html", "Done", func(w *walk) { w.pressInto("#approve", "#manage") }, nil},
	{"consent-json", "consent.html", "nightly backup", func(w *walk) {
		var many []m // more than there are fields for
		for i := range 25 {
			many = append(many, m{"nbf": within(time.Duration(2*i+1) * day), "exp": within(time.Duration(2*i+2) * day)})
		}
		w.ask(m{"restrictions": many})
	}, nil},
	{"consent-json-problem", "consent.html", "nightly backup", func(w *walk) {
		w.do(w.click(`form details > summary`))
		w.fill("#restrictions-json", "[{")
		w.pressInto("#approve", "[role=alert]")
	}, badRequest},
	{"declined", "message.html", "You declined", func(w *walk) {
		w.ask(asked)
		w.pressInto("#decline", "main h1")
	}, nil},
	{"link-used", "message.html", "This link is not good any more", func(w *walk) { w.visit("/c/aaaaaaaaaaaaaa") }, notFound},
	{"provider-away", "message.html", "does not answer", func(w *walk) {
		w.fault.Store(&optest.Fault{Throttle: time.Second})
		w.ask(asked)
		w.pressInto("#approve", "#next")
	}, away},
	{"provider-back", "given.html", "Done", func(w *walk) {
		w.fault.Store(nil)
		w.Clock.Advance(2 * time.Second)
		w.pressInto("#next", "#manage")
	}, nil},
	{"no-refresh-token", "message.html", "The login did not work", func(w *walk) {
		w.fault.Store(&optest.Fault{NoRefreshToken: true})
		w.ask(asked)
		w.pressInto("#approve", "[role=alert]")
		w.fault.Store(nil)
	}, failed},
	{"provider-refused", "message.html", "The login did not work", func(w *walk) {
		w.fault.Store(&optest.Fault{Refuse: "invalid_grant", RefuseText: "the account has no access to " + strings.Repeat("example", 20)})
		w.ask(asked)
		w.pressInto("#approve", "blockquote")
		w.fault.Store(nil)
	}, failed},
	{"provider-cancelled", "message.html", "You were not logged in", func(w *walk) {
		w.deny.Store(true)
		w.ask(asked)
		w.pressInto("#approve", "[role=alert]")
		w.deny.Store(false)
	}, failed},
	{"login", "login.html", "Log in to see your tokens", func(w *walk) { w.visit("/manage") }, nil},
	{"tokens", "tokens.html", "Your tokens", func(w *walk) {
		w.pressInto("#provider-0", "form.search")
		w.Clock.Advance(soon + time.Second)
		w.visit("/manage")
	}, nil},
	{"tokens-none-found", "tokens.html", "Your tokens", func(w *walk) { w.visit("/manage?search=nothing") }, nil},
	{"link-refused", "message.html", "This link cannot be used", func(w *walk) { w.visit("/manage/create?r=x") }, badRequest},
	{"create-filled", "create.html", "Create a token", func(w *walk) {
		request := `{"name":"nightly backup","capabilities":["AT","tokeninfo:history"],"restrictions":[{"exp":"+1d","scope":"storage.read:/"}],"rotation":{"on_AT":true}}`
		w.visit("/home?r=" + base64.RawURLEncoding.EncodeToString([]byte(request)))
		require.Contains(w.tab.t, w.text(), "A link filled in this form")
	}, nil},
	{"create", "create.html", "Create a token", func(w *walk) { w.visit("/manage/create") }, nil},
	{"create-problem", "create.html", "Create a token", func(w *walk) {
		w.fill("#name", "laptop")
		w.fill("#clause-1-hosts", "not/an/address")
		w.pressInto("#create", "[role=alert]")
	}, badRequest},
	{"create-judged", "create.html", "Create a token", func(w *walk) {
		w.fill("#clause-1-hosts", "127.0.0.0/8")
		w.fill("#clause-1-scope", "openid storage.modify:/ storage.raed")
		w.do(w.click(`#capability-create_mytoken`), w.click(`#rotation-on_AT`))
		w.pressInto("#check", "#summary")
	}, nil},
	{"create-changed", "create.html", "Create a token", func(w *walk) {
		w.fill("#name", changedName)
		w.pressInto("#check", "#changes")
	}, nil},
	{"create-refused", "create.html", "Create a token", func(w *walk) {
		w.fill("#name", refusedName)
		w.pressInto("#create", "[role=alert]")
	}, forbidden},
	{"create-cases", "create.html", "Create a token", func(w *walk) {
		w.pressInto("#add-clause", "#remove-clause-2")
	}, nil},
	{"created", "created.html", "Your new token", func(w *walk) {
		w.visit("/manage/create")
		w.fill("#name", "laptop")
		w.pressInto("#create", "#token")
		copies := eval[bool](w.tab, `document.querySelector("#copy").checkVisibility()`)
		require.Equal(w.tab.t, w.scripts, copies, "the button that copies works with scripts alone")
	}, nil},
	{"created-again", "message.html", "This token exists", func(w *walk) {
		w.visit(eval[string](w.tab, "location.pathname"))
	}, nil},
	{"created-code", "created.html", "Your new token", func(w *walk) {
		w.visit("/manage/create")
		w.do(w.click("#response-transfer"))
		w.pressInto("#create", "#code")
	}, nil},
	{"token", "token.html", "cluster: nightly backup", func(w *walk) {
		w.open("cluster")
	}, nil},
	{"revoke", "revoke.html", "Revoke", func(w *walk) { w.pressInto("#revoke", "#revoke-form") }, nil},
	{"revoked", "tokens.html", "Your tokens", func(w *walk) { w.pressInto("#confirm", "[role=status]") }, nil},
	{"token-revoked", "token.html", "lost laptop", func(w *walk) { w.open("lost laptop") }, nil},
	{"token-expired", "token.html", "soon over", func(w *walk) { w.open("soon over") }, nil},
	{"token-unrestricted", "token.html", "for everything", func(w *walk) { w.open("for everything") }, nil},
	{"tag-problem", "token.html", "for everything", func(w *walk) {
		w.fill("#tag", "a/b")
		w.pressInto("#add-tag", "[role=alert]")
	}, badRequest},
	{"token-tagged", "token.html", "for everything", func(w *walk) {
		w.fill("#tag", "lost & found")
		w.pressInto("#add-tag", ".tags")
	}, nil},
	{"tokens-of-a-tag", "tokens.html", "Your tokens", func(w *walk) { w.pressInto("a.tag", "#filter") }, nil},
	{"revoke-tagged", "revoketagged.html", "Revoke all tokens", func(w *walk) { w.pressInto("#revoke-tagged", "#revoke-form") }, nil},
	{"tokens-tagged", "tokens.html", "Your tokens", func(w *walk) { w.visit("/manage") }, nil},
	{"token-hostile", "token.html", "nightly (backup)", func(w *walk) { w.open("Langeswort") }, nil},
	{"revoke-hostile", "revoke.html", "Revoke", func(w *walk) { w.pressInto("#revoke", "#revoke-form") }, nil},
	{"token-of-another-session", "token.html", "another device", func(w *walk) { w.open("another device") }, nil},
	{"revoke-another-session", "revoke.html", "Revoke", func(w *walk) { w.pressInto("#revoke", "#revoke-form") }, nil},
	{"token-of-session", "token.html", "mytoken-web", func(w *walk) {
		w.visit("/manage")
		w.pressInto("h2:has(.here) a.token-name", "#history")
	}, nil},
	{"revoke-session", "revoke.html", "Revoke", func(w *walk) { w.pressInto("#revoke", "#revoke-form") }, nil},
	{"on-demand", "consent.html", "agent", func(w *walk) {
		parent := w.give(mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.CreateMytoken}})
		text, policy := w.page("/c", m{
			"grant_type": "mytoken", "mytoken": parent, "oidc_issuer": w.Provider.Issuer(), "application_name": "agent", "capabilities": []string{"AT"},
		})
		w.do(chromedp.Navigate(webView(w.tab.t, text, policy, w.URL)))
	}, nil},
	{"session-ended", "login.html", "Your session has ended", func(w *walk) {
		w.Clock.Advance(8 * day)
		w.visit("/manage")
	}, loggedOut},
	{"provider", providerPage, "Log in", func(w *walk) { w.pressInto("#provider-1", "#log-in") }, nil},
	{"provider-problem", providerPage, "Log in", func(w *walk) {
		w.fill("#user", " ")
		w.pressInto("#log-in", "#problem")
	}, badRequest},
	{"provider-left", "message.html", "You were not logged in", func(w *walk) {
		w.pressInto("#cancel", "[role=alert]")
		require.NotContains(w.tab.t, w.text(), "program", "no program waits for a session of these pages")
	}, failed},
	{"tokens-of-a-new-user", "tokens.html", "Your tokens", func(w *walk) {
		w.visit("/manage")
		w.pressInto("#provider-1", "#log-in")
		w.pressInto("#user-1", "form.search")
	}, nil},
}

// TestEveryTemplateHasAState: whoever adds a page adds its states.
func TestEveryTemplateHasAState(t *testing.T) {
	files, err := filepath.Glob("../pages/html/*.html")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	shown := make(map[string]bool)
	for _, s := range states {
		assert.FileExists(t, "../pages/html/"+s.template, s.name)
		shown[s.template] = true
	}
	for _, file := range files {
		if name := filepath.Base(file); name != "base.html" && name != "parts.html" {
			assert.True(t, shown[name], "%s has no entry in the table of states", name)
		}
	}
}

// TestEveryStateIsAccessible looks at every page in every state with axe-core: on a phone
// and on a desktop, in light and dark, with and without scripts. Without scripts, the
// phone is light and the desktop dark. It takes a picture of each state on a light phone and
// a dark desktop.
func TestEveryStateIsAccessible(t *testing.T) {
	theBrowser(t)
	source, err := os.ReadFile(filepath.Join(npm.Install(t, filepath.Join("testdata", "axe")), "node_modules", "axe-core", "axe.min.js"))
	require.NoError(t, err)
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWalk(t, scripts)
			for _, s := range states {
				s.reach(w)
				require.Contains(t, eval[string](w.tab, `document.querySelector("h1").textContent`), s.heading, s.name)
				w.inspect(s.name, string(source))
				w.clean(s.quiet...)
			}
		})
	}
}
