package pages

import (
	"html/template"
	"strings"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// Message is what message.html says. In Title, Text, Unchanged and Advice, {application}
// stands for the program that started a login, and {provider} for the provider.
type Message struct {
	Title string
	Text  string // what happened
	Quote string // what somebody else said about it, or empty
	// Unchanged is what did not happen, Advice what to do next. They may be empty.
	Unchanged, Advice string
	// Link is an address that helps, or empty.
	Link, LinkText string
	// Application and Provider are names, or empty.
	Application, Provider string
	// Failed says that something went wrong. Request is the id of the request in the log.
	Failed  bool
	Request string
	// Continue is the address that the browser opens by itself, or empty.
	Continue string
}

// Message renders message.html.
func (p *Pages) Message(m Message) ([]byte, error) {
	inner := message{
		Application: legible.Show(m.Application), Quote: legible.Show(m.Quote), Link: m.Link, LinkText: m.LinkText,
		Failed: m.Failed, Request: m.Request, Continue: m.Continue,
	}
	plain := strings.NewReplacer("{application}", named(m.Application, "the program"), "{provider}", named(m.Provider, "your provider"))
	inner.Title = upper(plain.Replace(m.Title))
	inner.Text, inner.Unchanged, inner.Advice = m.html(m.Text), m.html(m.Unchanged), m.html(m.Advice)
	inner.Heading = m.html(m.Title)
	return p.render("message.html", messagePage{p.frame(), inner})
}

func named(name, ifNone string) string {
	if name == "" {
		return ifNone
	}
	return "“" + legible.Show(name) + "”"
}

// html returns a text with the names that it stands for. Each name is isolated, so that a
// name that is written from right to left does not change the order of the words.
func (m *Message) html(text string) template.HTML {
	isolated := func(name, ifNone string) string {
		if name == "" {
			return ifNone
		}
		return "<strong><bdi>" + template.HTMLEscapeString(legible.Show(name)) + "</bdi></strong>"
	}
	names := strings.NewReplacer("{application}", isolated(m.Application, "the program"), "{provider}", isolated(m.Provider, "your provider"))
	return template.HTML(upper(names.Replace(template.HTMLEscapeString(text)))) // it is escaped, names included
}

// upper begins a sentence with a capital letter.
func upper(text string) string {
	if text != "" && text[0] >= 'a' && text[0] <= 'z' {
		return strings.ToUpper(text[:1]) + text[1:]
	}
	return text
}

// Given renders given.html: what a login gave to a program.
func (p *Pages) Given(e *issuer.EndedLogin) ([]byte, error) {
	l := lister{pages: p}
	about := tokenPage{Token: l.view(e.Record)}
	about.describe(p, e.Record)
	return p.render("given.html", givenPage{
		frame: p.frame(), Application: legible.Show(e.Application), Token: about.Token, Summary: about.Summary,
		Timeline: p.timeline(e.Record.Restrictions, nil), Manageable: p.cfg.Managed,
	})
}
