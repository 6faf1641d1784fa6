package rest

import (
	"errors"
	"net/http"
	"strings"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/pages"
)

// html returns the answer with a rendered page.
func html(status int, page []byte, err error) (*answer, error) {
	if err != nil {
		return nil, err
	}
	return &answer{status: status, raw: page, media: "text/html; charset=utf-8"}, nil
}

// message answers with the page message.html.
func (c *call) message(status int, m pages.Message) (*answer, error) {
	page, err := c.pages.Message(m)
	return html(status, page, err)
}

func homePage(c *call) (*answer, error) {
	page, err := c.pages.Home()
	return html(http.StatusOK, page, err)
}

// errorPage answers a person with an error. The problem is the error as programs see it.
func (c *call) errorPage(err error, p problem) *answer {
	m := pages.Message{Title: http.StatusText(p.status), Text: p.text, Failed: true, Request: c.id}
	switch {
	case p.status == http.StatusNotFound:
		m.Title, m.Text = "Not found", "There is nothing here, or not any more. A link to a login is good for some minutes and can be used once."
	case p.status == http.StatusInternalServerError:
		m.Title, m.Text = "Something went wrong", "This is not your fault. Please try again later."
	case errors.Is(err, errOtherBrowser):
		m.Title = "The login did not work"
		m.Text = stateMismatch + ": this browser has no cookie of this login. Either the login is over, or you agreed to it in another browser, " +
			"or this browser keeps no cookies. Please start it again, in one browser that keeps cookies."
	case errors.Is(err, issuer.ErrState):
		m.Title = "The login did not work"
		m.Text = stateMismatch + ": this login is not waiting any more. Please start it again."
	case m.Title == "":
		m.Title = "The login did not work"
	}
	a, broken := c.message(p.status, m)
	if broken != nil {
		return &answer{status: p.status, raw: []byte(m.Title), media: "text/plain; charset=utf-8"}
	}
	return a
}

// wantsPage reports whether the client accepts a page.
func (c *call) wantsPage() bool { return strings.Contains(c.r.Header.Get("Accept"), "text/html") }

// pageHeaders sets the headers of pages. A page loads nothing from other origins and
// cannot be framed. A link to another origin sends no Referer.
func (c *call) pageHeaders(h http.Header) {
	self := "'self' " + c.origin
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+self+"; script-src "+self+"; img-src "+self+" data:; connect-src "+self+
		"; form-action "+self+"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	// With "no-referrer" a browser would not name the origin of a form (Fetch, "append a
	// request Origin header"). Over plain HTTP no other header names it.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("X-Permitted-Cross-Domain-Policies", "none")
}

// staticFile serves a file that belongs to a page.
func staticFile(c *call) (*answer, error) {
	file, known := c.pages.Asset(c.r.PathValue("file"))
	if !known {
		return notFound(c)
	}
	a := &answer{status: http.StatusOK, raw: file.Data, media: file.Media, public: true, header: http.Header{
		"Etag": {file.ETag}, "Cross-Origin-Resource-Policy": {"cross-origin"},
	}}
	if c.r.Header.Get("If-None-Match") == file.ETag {
		a.status, a.raw = http.StatusNotModified, nil
	}
	return a, nil
}
