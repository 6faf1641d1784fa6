package rest

import (
	"net/http"
	"strings"

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
	if c.r.URL.Query().Has(linkParameter) {
		return c.followLink()
	}
	if c.r.URL.Query().Has("login") { // a web login that was declined leads here
		if e, err := c.lastLogin(); err == nil && e != nil && e.Declined {
			return c.declinedPage(e)
		}
	}
	page, err := c.pages.Home()
	return html(http.StatusOK, page, err)
}

// wantsPage reports whether the client accepts a page.
func (c *call) wantsPage() bool { return strings.Contains(c.r.Header.Get("Accept"), "text/html") }

// pageHeaders sets the headers of pages. A page loads nothing from other origins and
// cannot be framed. A link to another origin sends no Referer.
func (c *call) pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", c.contentPolicy("", ""))
	h.Set("X-Frame-Options", "DENY")
	// With "no-referrer" a browser would not name the origin of a form (Fetch, "append a
	// request Origin header"). Over plain HTTP no other header names it.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("X-Permitted-Cross-Domain-Policies", "none")
}

// contentPolicy returns the policy of a page, which may also hold a style and a script that
// these sources admit.
func (c *call) contentPolicy(style, script string) string {
	self := "'self' " + c.origin
	and := func(source string) string { return strings.TrimRight(self+" "+source, " ") }
	return "default-src 'none'; style-src " + and(style) + "; script-src " + and(script) + "; img-src " + self + " data:; connect-src " + self +
		"; form-action " + self + "; base-uri 'none'; frame-ancestors 'none'"
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
