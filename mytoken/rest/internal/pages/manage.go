package pages

import (
	"strings"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken"
)

const (
	maxShown  = 500 // tokens on a page; a search finds the others
	maxEvents = 200 // events on the page of a token
)

// SessionLabel is the label of the tokens of sessions; see issuer.LoginRequest. Only the
// service itself can write it. The name and the capabilities of a token prove nothing.
const SessionLabel = "session of the management pages"

// Login renders login.html. The flag ended says that the user had a session, and lifetime
// is how long the new one will last. If wanted is a mom_id, the user comes from the page
// of that token.
func (p *Pages) Login(ended bool, lifetime time.Duration, wanted string) ([]byte, error) {
	return p.render("login.html", loginPage{
		frame: p.frame(), Providers: p.providers(""), Ended: ended, Lifetime: lifetimeWords(lifetime), Wanted: wanted,
	})
}

func (p *Pages) user(t *mytoken.Token) user {
	return user{Subject: legible.Show(t.OIDCSubject()), ProviderName: p.providerName(t.OIDCIssuer()), Until: t.ExpiresAt()}
}

// notices say what the user has just done, by its name in the address of the page.
var notices = map[string]string{
	"revoked": "The token was revoked.",
	"tagged":  "The tokens with the tag were revoked.",
	"tree":    "The token and all that were made from it were revoked.",
}

// Tokens renders tokens.html for the user of a session. It keeps tokens with search in
// their name, and with the tag unless that is empty. If done is a key of notices, it says
// what the user has just done.
func (p *Pages) Tokens(session *mytoken.Token, records *mytoken.Records, search, tag, done string) ([]byte, error) {
	l := &lister{pages: p, current: session.ID(), search: strings.ToLower(legible.Show(clip.Name(strings.TrimSpace(search)))), tag: tag}
	page := tokensPage{frame: p.managing("tokens"), User: p.user(session), Search: l.search, Notice: notices[done]}
	page.Tags = p.tagViews(tagsOf(records.Roots))
	if tag != "" {
		page.Tag = &p.tagViews([]mytoken.Tag{{Name: clip.Bytes(tag, 1<<10)}})[0]
		for n := range page.Tags {
			if page.Tags[n].Name == page.Tag.Name {
				page.Tag = &page.Tags[n]
			}
		}
	}
	l.liveOnly = l.count(records.Roots) > maxShown
	page.Roots = l.list(records.Roots)
	page.Count, page.More = l.shown, l.more || records.Truncated
	return p.render("tokens.html", page)
}

// TokenView is what [Pages.Token] shows.
type TokenView struct {
	Record  *mytoken.Record
	Parent  *mytoken.Record // the token above it in the list, or nil
	History *mytoken.History
	Known   []*mytoken.Record // all tokens: the user may choose from their tags
	// NewTag is a tag that the user wanted to add, and Wrong says why it was not added.
	NewTag, Wrong string
}

// Token renders token.html.
func (p *Pages) Token(session *mytoken.Token, v TokenView) ([]byte, error) {
	record, parent, history := v.Record, v.Parent, v.History
	l := lister{pages: p, current: session.ID()}
	page := tokenPage{
		frame: p.managing(""), Token: l.view(record),
		Truncated: history.Truncated || len(history.Events) > maxEvents,
	}
	l.liveOnly = l.count(record.Children) > maxShown
	page.describe(p, record)
	page.Token.Children = l.list(record.Children)
	if parent != nil {
		page.Parent = l.view(parent)
	}
	for _, e := range history.Events[:min(len(history.Events), maxEvents)] {
		page.Events = append(page.Events, newEvent(e))
	}
	for _, tag := range tagsOf(v.Known) {
		if !hasTag(record, tag.Name) {
			page.Tags = append(page.Tags, legible.Show(tag.Name))
		}
	}
	if page.NewTag = legible.Show(clip.Name(v.NewTag)); v.Wrong != "" {
		page.Problems = []problem{{"tag", legible.Show(v.Wrong)}}
	}
	return p.render("token.html", page)
}

// describe says what a token amounts to and draws that, unless the token is over.
func (page *tokenPage) describe(p *Pages, r *mytoken.Record) {
	if r.Brief || r.Revoked || page.Token.Expired {
		return
	}
	page.Timeline = p.timeline(r.Restrictions, r.Counters)
	page.Summary = p.summary(subject{
		Properties: mytoken.Properties{Capabilities: r.Capabilities, Restrictions: r.Restrictions, Rotation: r.Rotation},
		counters:   r.Counters, expires: r.Expires,
	})
	if scopes, bounded := r.Restrictions.ScopeUnion(); bounded && r.Capabilities.Allows(capability.AT) {
		page.Scopes = p.describe(r.Provider, scopes)
	}
	page.Summary = append(whatFor(page.Scopes), page.Summary...)
}

// Revoke renders revoke.html, which asks whether to revoke a token.
func (p *Pages) Revoke(session *mytoken.Token, record *mytoken.Record) ([]byte, error) {
	l := lister{pages: p, current: session.ID()}
	return p.render("revoke.html", revokePage{p.managing(""), l.view(record)})
}

// lister describes tokens in a tree.
type lister struct {
	pages   *Pages
	current mytoken.TokenID
	search  string // in lower case; empty matches all
	tag     string // empty: any, and none
	// liveOnly leaves out revoked tokens that no live one hangs below: there are too many
	// tokens for a page.
	liveOnly bool
	shown    int
	more     bool
}

// count returns how many tokens a list would show without a limit.
func (l *lister) count(records []*mytoken.Record) int {
	n := 0
	for _, r := range records {
		if l.fits(r) {
			n += 1 + l.count(r.Children)
		}
	}
	return n
}

// list describes tokens with their descendants. A search keeps matching tokens and their
// ancestors.
func (l *lister) list(records []*mytoken.Record) []*tokenView {
	var out []*tokenView
	for _, r := range records {
		if !l.fits(r) {
			continue
		}
		if l.liveOnly && r.Revoked && below(r) == 0 {
			l.more = true
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

func (l *lister) fits(r *mytoken.Record) bool {
	if strings.Contains(strings.ToLower(r.Name), l.search) && (l.tag == "" || hasTag(r, l.tag)) {
		return true
	}
	for _, child := range r.Children {
		if l.fits(child) {
			return true
		}
	}
	return false
}

// view describes a token without its descendants.
func (l *lister) view(r *mytoken.Record) *tokenView {
	p := l.pages
	return &tokenView{
		ID: r.ID.String(), Name: r.Name, Link: p.TokenLink(r.ID), RevokeLink: p.cfg.Base + "/manage/revoke" + idQuery(r.ID),
		Current: r.ID == l.current, Session: r.Label == SessionLabel, Revoked: r.Revoked,
		Expired:  !r.Expires.IsZero() && p.cfg.Issuer.Now().Unix() > r.Expires.Unix(),
		Provider: p.providerName(r.Provider), Address: r.Address, Created: r.Created, Expires: r.Expires, Used: r.LastUsed,
		Brief: r.Brief, Capabilities: choices(r.Capabilities, nil), Clauses: p.clauses(r.Restrictions, r.Counters), RotationText: rotationWords(r.Rotation),
		Below: below(r), Tags: p.tagViews(r.Tags),
	}
}

// TokenLink is the address of the page of a token.
func (p *Pages) TokenLink(id mytoken.TokenID) string {
	return p.cfg.Base + "/manage/token" + idQuery(id)
}

func idQuery(id mytoken.TokenID) string { return "?id=" + id.URLSafe() }

// below counts the live descendants of a token.
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
