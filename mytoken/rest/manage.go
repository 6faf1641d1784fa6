package rest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/mytoken-go/sdk/mytoken"
)

// maxShown is how many tokens a page shows; a search finds the others.
const maxShown = 500

// homePage says what this service is.
func homePage(c *call) (*answer, error) {
	return c.render(http.StatusOK, "home.html", HomePage{Frame: c.frame(), Providers: c.providerChoices(""), Manageable: !c.opts.NoManagement})
}

// managing is the frame of the management pages. What is here is empty on a page
// that the frame does not lead to.
func (c *call) managing(here string) Frame {
	f := c.frame()
	f.Managing, f.Here = true, here
	return f
}

// loginPage asks the user to log in.
func (c *call) loginPage(ended bool) (*answer, error) {
	status := http.StatusOK
	if ended || c.r.Method == http.MethodPost {
		status = http.StatusUnauthorized
	}
	if ended {
		c.dropSession()
	}
	return c.render(status, "login.html", LoginPage{
		Frame: c.frame(), Providers: c.providerChoices(""), Ended: ended, Lifetime: lifetimeWords(c.opts.CookieLifetime),
	})
}

// providerChoices are the providers at which users log in.
func (c *call) providerChoices(chosen string) []ProviderChoice {
	var out []ProviderChoice
	for _, p := range c.issuer.Providers() {
		iss := p.Upstream.Issuer()
		out = append(out, ProviderChoice{Issuer: iss, Name: p.Upstream.Name(), Chosen: sameIssuer(iss, chosen)})
	}
	return out
}

// manageNotices are what the page may say was done, by the name in its address.
var manageNotices = map[string]string{
	"revoked": "The token was revoked.",
	"tree":    "The token and all that were made from it were revoked.",
}

// managePage shows the user's tokens.
func managePage(c *call, s *session) (*answer, error) {
	user, current, err := s.user()
	if err != nil {
		return nil, err
	}
	records, err := s.tokens()
	if err != nil {
		return nil, err
	}
	query := c.r.URL.Query()
	l := &tokenLister{c: c, current: current, search: strings.ToLower(clip(strings.TrimSpace(query.Get("search"))))}
	page := TokensPage{Frame: c.managing("tokens"), User: user, Search: l.search, Notice: manageNotices[query.Get("done")]}
	page.Roots = l.list(records.Roots)
	page.Count, page.More = l.shown, l.more || records.Truncated
	return c.render(http.StatusOK, "tokens.html", page)
}

// tokenLister makes the tree that is shown.
type tokenLister struct {
	c       *call
	current mytoken.TokenID
	search  string // in lower case; empty: everything
	shown   int
	more    bool
}

// list describes tokens with what is below them. Of a search, what has a name that
// fits stays, and what leads there.
func (l *tokenLister) list(records []*mytoken.Record) []*TokenView {
	var out []*TokenView
	for _, r := range records {
		if !l.fits(r) {
			continue
		}
		if l.shown >= maxShown {
			l.more = true
			return out
		}
		l.shown++
		view := l.view(r)
		view.Children = l.list(r.Children)
		out = append(out, view)
	}
	return out
}

func (l *tokenLister) fits(r *mytoken.Record) bool {
	if strings.Contains(strings.ToLower(r.Name), l.search) {
		return true
	}
	for _, child := range r.Children {
		if l.fits(child) {
			return true
		}
	}
	return false
}

// view describes a token.
func (l *tokenLister) view(r *mytoken.Record) *TokenView {
	id := r.ID.String()
	query := "?" + url.Values{"id": {id}}.Encode()
	return &TokenView{
		ID: id, Name: r.Name, Link: l.c.base + pathManageToken + query, RevokeLink: l.c.base + pathManageRevoke + query,
		Current: r.ID == l.current, Revoked: r.Revoked,
		Expired:  !r.Expires.IsZero() && l.c.issuer.Now().Unix() > r.Expires.Unix(),
		Provider: l.c.providerName(r.Provider), Address: r.Address, Created: r.Created, Expires: r.Expires, Used: r.LastUsed,
		Capabilities: choices(r.Capabilities, nil), Clauses: clauseTexts(r.Restrictions, r.Counters), RotationText: rotationWords(r.Rotation),
		Below: below(r),
	}
}

// below counts the live tokens that were made from one.
func below(r *mytoken.Record) int {
	n := 0
	for _, child := range r.Children {
		if !child.Revoked {
			n++
		}
		n += below(child)
	}
	return n
}
