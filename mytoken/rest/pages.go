package rest

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed pages
var builtin embed.FS

// pageNames are the templates; each is parsed together with base.html, which
// defines the frame around the page's own "title" and "content", and parts.html,
// which has what several pages show.
var pageNames = []string{
	"consent.html", "message.html", "home.html", "login.html", "tokens.html", "token.html", "revoke.html", "create.html", "created.html",
}

// pages are the parsed templates and the files next to them.
type pages struct {
	templates map[string]*template.Template
	assets    map[string]asset
}

type asset struct {
	data  []byte
	media string
	etag  string
}

// loadPages reads all pages, those of own first.
func loadPages(own fs.FS) (*pages, error) {
	builtin, err := fs.Sub(builtin, "pages")
	if err != nil {
		return nil, err
	}
	p := &pages{templates: make(map[string]*template.Template), assets: make(map[string]asset)}
	for _, name := range pageNames {
		t := template.New("base.html").Option("missingkey=error")
		for _, file := range []string{"base.html", "parts.html", name} {
			text, err := readFirst(file, own, builtin)
			if err != nil {
				return nil, err
			}
			if t, err = t.Parse(string(text)); err != nil {
				return nil, fmt.Errorf("rest: page %s: %w", file, err)
			}
		}
		p.templates[name] = t
	}
	for _, files := range []fs.FS{builtin, own} {
		if err := p.loadAssets(files); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func readFirst(name string, all ...fs.FS) (data []byte, err error) {
	for _, files := range all {
		if files == nil {
			continue
		}
		if data, err = fs.ReadFile(files, name); !errors.Is(err, fs.ErrNotExist) {
			return data, err
		}
	}
	return nil, fmt.Errorf("rest: page %s: %w", name, fs.ErrNotExist)
}

func (p *pages) loadAssets(files fs.FS) error {
	if files == nil {
		return nil
	}
	err := fs.WalkDir(files, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		media := mime.TypeByExtension(path.Ext(name))
		if media == "" {
			media = "application/octet-stream"
		}
		p.assets[strings.TrimPrefix(name, "static/")] = asset{data, media, `"` + hex.EncodeToString(sum[:16]) + `"`}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// render makes an answer of a page.
func (c *call) render(status int, name string, data any) (*answer, error) {
	var out bytes.Buffer
	if err := c.pages.templates[name].ExecuteTemplate(&out, "base.html", data); err != nil {
		return nil, fmt.Errorf("rest: page %s: %w", name, err)
	}
	return &answer{status: status, raw: out.Bytes(), media: "text/html; charset=utf-8"}, nil
}

func (c *call) frame() Frame { return Frame{Base: c.base, Home: c.prefix + pathHome} }

// message renders message.html.
func (c *call) message(status int, m MessagePage) (*answer, error) {
	m.Frame = c.frame()
	return c.render(status, "message.html", m)
}

// errorPage is an error for people.
func (c *call) errorPage(p problem) *answer {
	m := MessagePage{Title: http.StatusText(p.status), Text: p.text, Failed: true, Request: c.id}
	switch {
	case p.status == http.StatusNotFound:
		m.Title, m.Text = "Not found", "There is nothing here, or not any more. A link to a login is good for some minutes and can be used once."
	case p.status == http.StatusInternalServerError:
		m.Title, m.Text = "Something went wrong", "This is not your fault. Please try again later."
	case p.text == stateMismatch:
		m.Title = "The login did not work"
		m.Text = stateMismatch + ": this login is not waiting any more, or it was started in another browser. Please start it again."
	case m.Title == "":
		m.Title = "The login did not work"
	}
	a, err := c.message(p.status, m)
	if err != nil {
		return &answer{status: p.status, raw: []byte(m.Title), media: "text/plain; charset=utf-8"}
	}
	return a
}

// wantsPage reports whether the client prefers a page to JSON.
func (c *call) wantsPage() bool { return strings.Contains(c.r.Header.Get("Accept"), "text/html") }

// pageHeaders are the headers of pages: nothing of other origins, no frames
// around them, nothing told to other origins that a link leads to.
func (c *call) pageHeaders(h http.Header) {
	self := "'self' " + c.origin
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+self+"; script-src "+self+"; img-src "+self+" data:; connect-src "+self+
		"; form-action "+self+"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	// With "no-referrer" a browser does not say which origin a form comes from
	// (Fetch, "append a request Origin header"); over plain HTTP nothing else does.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("X-Permitted-Cross-Domain-Policies", "none")
}

// staticFile answers a file that belongs to a page.
func staticFile(c *call) (*answer, error) {
	file, known := c.pages.assets[c.r.PathValue("file")]
	if !known {
		return notFound(c)
	}
	a := &answer{status: http.StatusOK, raw: file.data, media: file.media, public: true, header: http.Header{
		"Etag": {file.etag}, "Cross-Origin-Resource-Policy": {"cross-origin"},
	}}
	if c.r.Header.Get("If-None-Match") == file.etag {
		a.status, a.raw = http.StatusNotModified, nil
	}
	return a, nil
}
