package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/pages"
	"github.com/mytoken-go/sdk/oidcupstream"
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

// Names of tokens that the policy of a walk refuses or changes.
const (
	refusedName = "forbidden"
	refusedLate = "forbidden after the login"
	changedName = "changed"
)

// longName is text in two directions, with a long word and marks on letters.
var longName = "חישוב: nightly (backup) 2 " + strings.Repeat("Langeswort", 5) + " z\u0301\u0302\u0303\u0304"

// deepScope is a scope with a long path.
var deepScope = "storage.read:/" + strings.Repeat("deep", 40)

// policy refuses and changes tokens by their names.
func policy(_ context.Context, i *issuer.Issuance) (err error) {
	p := i.Properties
	switch {
	case p.Name == refusedName, p.Name == refusedLate && i.Kind == issuer.PolicyLogin:
		return errors.New("tokens of this kind are for members of the group hpc-users")
	case p.Name == changedName:
		var kept capability.Set
		for _, name := range p.Capabilities {
			if name != capability.CreateMytoken {
				kept = append(kept, name)
			}
		}
		p.Capabilities = kept
		p.Restrictions, _, err = p.Restrictions.LimitLifetime(i.CountFrom, 7*24*time.Hour)
	}
	return err
}

// newWalk starts a service with two providers: one that asks nothing, and one with a
// login page. The first one's user has tokens of every kind.
func newWalk(t *testing.T, scripts bool) *walk {
	t.Helper()
	w := &walk{scripts: scripts, fault: new(atomic.Pointer[optest.Fault]), deny: new(atomic.Bool)}
	w.service = start(t, func(o *mytokentest.Options) {
		guests, err := optest.Start(optest.Options{LoginPage: true, Clock: o.Clock.Now, Users: []optest.User{
			{Subject: user, Claims: map[string]any{"name": "Alice Example"}}, {Subject: "bob", Claims: map[string]any{"name": longName}},
		}})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, guests.Close()) })
		config := o.Config
		o.Config = func(c *issuer.Config) {
			config(c)
			c.Policy = policy
			c.Providers[0].Scopes = map[string]issuer.ScopeInfo{
				"compute": {Title: "Run jobs", Description: "It can start, change and cancel jobs of your projects.", Sensitive: true},
			}
			second := guests.ClientConfig(c.Issuer + "/redirect/guests")
			second.Clock, second.Name = c.Clock, "Guests of the Example Universities"
			upstream, err := oidcupstream.New(second)
			require.NoError(t, err)
			c.Providers = append(c.Providers, issuer.Provider{Upstream: upstream})
		}
		o.Provider.Scopes = []string{"openid", "profile", "email", "offline_access", "compute", "storage.read:/", "storage.modify:/", deepScope}
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
	w.giveAll()
	w.tab = open(t, phone, "about:blank")
	w.allow(scripts)
	return w
}

// soon is when the token that expires during a walk does so.
const soon = 10 * time.Minute

// giveAll gives the user tokens of every kind.
func (w *walk) giveAll() {
	t := w.service.t
	t.Helper()
	now := w.Clock.Now()
	parent := w.give(mytoken.Properties{
		Name: "cluster: nightly backup", Capabilities: capability.Set{capability.AT, capability.CreateMytoken, capability.Tokeninfo},
		Restrictions: restriction.List{
			{NotBefore: now.Unix(), Expires: now.Add(10 * 24 * time.Hour).Unix(), Scopes: []string{"openid", "compute"}, UsagesAT: restriction.Usages(5)},
			{NotBefore: now.Add(12 * 24 * time.Hour).Unix(), Expires: now.Add(20 * 24 * time.Hour).Unix(), Audiences: []string{"https://storage.example"}},
		},
	})
	w.access(w.derive(parent, "job 4711"))
	w.give(mytoken.Properties{
		Name: longName, Capabilities: capability.Set{capability.AT},
		Restrictions: restriction.List{{Scopes: []string{deepScope}, Hosts: []string{"2001:db8::/32"}}},
	})
	w.give(mytoken.Properties{
		Name: "for everything", Capabilities: capability.Set{capability.AT, capability.CreateMytoken, capability.ManageMytokens, capability.Settings},
		Rotation: &mytoken.Rotation{OnAT: true, OnOther: true, Lifetime: 90000, AutoRevoke: true},
	})
	w.give(mytoken.Properties{
		Name: "soon over", Capabilities: capability.Set{capability.AT}, Restrictions: restriction.List{{Expires: now.Add(soon).Unix()}},
	})
	w.revoke(w.give(mytoken.Properties{Name: "lost laptop", Capabilities: capability.Set{capability.AT}}))
	_, err := w.LoginWith(t.Context(), user, issuer.LoginRequest{Label: pages.SessionLabel, Client: mytokentest.Client, Properties: mytoken.Properties{
		Name: "mytoken-web: another device", Capabilities: capability.Set{capability.ManageMytokensList, capability.ManageMytokensRevoke},
		Restrictions: restriction.List{{Expires: now.Add(7 * 24 * time.Hour).Unix()}},
	}})
	require.NoError(t, err)
}

// revoke revokes a token.
func (s *service) revoke(token string) {
	s.t.Helper()
	status, answer := s.post("/api/v0/token/revoke", m{"token": token})
	require.Less(s.t, status, 300, "%v", answer)
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
			if !w.scripts && (scheme == "dark") == v.phone {
				continue
			}
			w.colours(scheme)
			where := fmt.Sprintf("%s, %s, %s, scripts: %t", name, v.name, scheme, w.scripts)
			w.requireAccessible(where, w.scripts && scheme == "dark")
			if w.scripts && (scheme == "light") == v.phone {
				w.picture(name + "-" + scheme)
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
