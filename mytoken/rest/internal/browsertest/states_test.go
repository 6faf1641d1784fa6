package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/npm"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// walk is a way through the states of the pages, in one tab.
type walk struct {
	*tab
	*service
	scripts bool
	fault   *atomic.Pointer[optest.Fault] // of the provider's next answers
	deny    *atomic.Bool                  // the provider refuses the next logins
	polling string
}

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
	}, badRequest},
	{"consent-narrowed", "consent.html", "nightly backup", func(w *walk) {
		w.fill(`input[name$="-usages_AT"]`, "5")
		w.pressInto("#check", "#restrictions")
	}, nil},
	{"given", "given.html", "Done", func(w *walk) { w.pressInto("#approve", "#manage") }, nil},
	{"consent-unrestricted", "consent.html", "A program that does not say its name", func(w *walk) {
		w.ask(m{"application_name": "", "name": "", "capabilities": []string{"AT", "create_mytoken", "tokeninfo", "manage_mytokens", "settings"}})
	}, nil},
	{"given-unrestricted", "given.html", "Done", func(w *walk) { w.pressInto("#approve", "#manage") }, nil},
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
	{"policy", "message.html", "This service does not allow it", func(w *walk) {
		w.ask(m{"name": "forbidden"})
		w.pressInto("#approve", "blockquote")
	}, forbidden},
	{"login", "login.html", "Log in to see your tokens", func(w *walk) { w.visit("/manage") }, nil},
	{"tokens", "tokens.html", "Your tokens", func(w *walk) { w.pressInto("#provider-0", "form.search") }, nil},
	{"tokens-none-found", "tokens.html", "Your tokens", func(w *walk) { w.visit("/manage?search=nothing") }, nil},
	{"create", "create.html", "Create a token", func(w *walk) { w.visit("/manage/create") }, nil},
	{"create-problem", "create.html", "Create a token", func(w *walk) {
		w.fill("#name", "laptop")
		w.fill("#clause-1-hosts", "not/an/address")
		w.pressInto("#create", "[role=alert]")
	}, badRequest},
	{"created", "created.html", "Your new token", func(w *walk) {
		w.fill("#clause-1-hosts", "127.0.0.0/8")
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
		w.visit("/manage?search=cluster")
		w.pressInto("a.token-name", "#history")
	}, nil},
	{"revoke", "revoke.html", "Revoke", func(w *walk) { w.pressInto("#revoke", "#revoke-form") }, nil},
	{"revoked", "tokens.html", "Your tokens", func(w *walk) { w.pressInto("#confirm", "[role=status]") }, nil},
	{"token-of-session", "token.html", "mytoken-web", func(w *walk) {
		w.visit("/manage?search=mytoken-web")
		w.pressInto("a.token-name", "#history")
	}, nil},
	{"on-demand", "consent.html", "agent", func(w *walk) {
		parent := w.give(mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.CreateMytoken}})
		page := webView(w.tab.t, w.page("/c", m{
			"grant_type": "mytoken", "mytoken": parent, "oidc_issuer": w.Provider.Issuer(), "application_name": "agent", "capabilities": []string{"AT"},
		}))
		w.do(chromedp.Navigate(page))
	}, nil},
	{"session-ended", "login.html", "Your session has ended", func(w *walk) {
		w.Clock.Advance(8 * 24 * time.Hour)
		w.visit("/manage")
	}, loggedOut},
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
// and on a desktop, in light and dark, with and without scripts.
func TestEveryStateIsAccessible(t *testing.T) {
	theBrowser(t)
	source, err := os.ReadFile(filepath.Join(npm.Install(t, filepath.Join("testdata", "axe")), "node_modules", "axe-core", "axe.min.js"))
	require.NoError(t, err)
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
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

func newWalk(t *testing.T, scripts bool) *walk {
	t.Helper()
	w := &walk{scripts: scripts, fault: new(atomic.Pointer[optest.Fault]), deny: new(atomic.Bool)}
	w.service = start(t, func(o *mytokentest.Options) {
		config := o.Config
		o.Config = func(c *issuer.Config) {
			config(c)
			c.Policy = func(_ context.Context, i *issuer.Issuance) error {
				if i.Properties.Name == "forbidden" {
					return errors.New("tokens of this kind are for members of the group hpc-users")
				}
				return nil
			}
		}
		o.Provider.Faults = func(p optest.FaultPoint) optest.Fault {
			if f := w.fault.Load(); f != nil && p.Endpoint == optest.EndpointExchange {
				return *f
			}
			return optest.Fault{}
		}
		o.Provider.Decide = func(optest.AuthorizationRequest) optest.Decision {
			if w.deny.Load() {
				return optest.Decision{Error: "access_denied"}
			}
			return optest.Decision{}
		}
	})
	now := w.Clock.Now()
	parent := w.give(mytoken.Properties{
		Name: "cluster: nightly backup", Capabilities: capability.Set{capability.AT, capability.CreateMytoken, capability.Tokeninfo},
		Restrictions: restriction.List{
			{NotBefore: now.Unix(), Expires: now.Add(10 * 24 * time.Hour).Unix(), Scopes: []string{"openid", "compute"}, UsagesAT: restriction.Usages(5)},
			{NotBefore: now.Add(5 * 24 * time.Hour).Unix(), Expires: now.Add(20 * 24 * time.Hour).Unix(), Audiences: []string{"https://storage.example"}},
		},
	})
	w.access(w.derive(parent, "job 4711"))
	w.tab = open(t, phone, "about:blank")
	w.allow(scripts)
	return w
}

// allow allows the pages that are opened from now on to run scripts, or forbids it.
func (w *walk) allow(scripts bool) {
	w.tab.t.Helper()
	_, err := chromedp.Call(w.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !scripts})
	require.NoError(w.tab.t, err)
}

// visit opens a path of the service.
func (w *walk) visit(path string) {
	w.tab.t.Helper()
	w.do(chromedp.Navigate(w.URL + path))
}

// ask opens the page on which the user agrees to a login of a program.
func (w *walk) ask(request m) {
	w.tab.t.Helper()
	var address string
	address, w.polling = w.askFor(request)
	w.do(chromedp.Navigate(address))
}

// inspect looks at the page in all windows and colours, and takes pictures of it.
func (w *walk) inspect(name, axe string) {
	w.tab.t.Helper()
	w.allow(true) // for axe-core alone: the page was opened without
	eval[any](w.tab, axe+"; void 0")
	for _, v := range []view{phone, desktop} {
		w.view = v
		w.resize(v.width)
		for _, scheme := range []string{"light", "dark"} {
			w.colours(scheme)
			where := fmt.Sprintf("%s, %s, %s, scripts: %t", name, v.name, scheme, w.scripts)
			w.requireAccessible(where, scheme == "dark")
			if w.scripts {
				w.picture("state-" + name + "-" + scheme)
			}
		}
	}
	w.view = phone
	w.resize(phone.width)
	w.colours("light")
	w.allow(w.scripts)
}

// colours chooses the colours of the page.
func (b *tab) colours(scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	require.NoError(b.t, err)
}

// requireAccessible runs axe-core, or only its rules about colours: the others see no
// difference between light and dark.
func (w *walk) requireAccessible(where string, coloursOnly bool) {
	w.tab.t.Helper()
	options := `{resultTypes: ["violations"]}`
	if coloursOnly {
		options = `{resultTypes: ["violations"], runOnly: ["color-contrast", "link-in-text-block"]}`
	}
	script := `axe.run(document, ` + options + `).then((r) => JSON.stringify({
		ran: r.passes.length + r.violations.length,
		violations: r.violations.map((v) => v.id + ": " + v.help + ": " + v.nodes.map((n) => n.html.slice(0, 200)).join(" | "))
	}))`
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	require.NoError(w.tab.t, err, where)
	var found struct {
		Ran        int
		Violations []string
	}
	require.NoError(w.tab.t, json.Unmarshal([]byte(text), &found), where)
	require.Empty(w.tab.t, found.Violations, where)
	require.Positive(w.tab.t, found.Ran, "%s: axe-core ran no rule", where)
}
