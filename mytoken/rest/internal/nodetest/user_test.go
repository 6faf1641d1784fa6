package nodetest

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// user has a browser without scripts. It keeps cookies, follows redirects, and sends
// forms.
type user struct {
	t      *testing.T
	client *http.Client
	back   *url.URL // where the provider sent the browser back last, with the code
}

func newUser(t *testing.T) *user {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	u := &user{t: t}
	u.client = &http.Client{Jar: jar, Transport: oneShot, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/redirect" {
			u.back = r.URL
		}
		return nil
	}}
	return u
}

// page is what the browser shows.
type page struct {
	url   *url.URL
	text  string
	forms []*form
	// next is where the page leads by itself.
	next string
}

// form is a form as it is filled in when the page appears.
type form struct {
	action  string
	values  url.Values
	buttons url.Values
}

func (u *user) open(address string) *page {
	u.t.Helper()
	r, err := http.NewRequestWithContext(u.t.Context(), http.MethodGet, address, nil)
	require.NoError(u.t, err)
	return u.load(r)
}

// submit presses a button of the form that has it.
func (u *user) submit(p *page, button, value string) *page {
	u.t.Helper()
	for _, f := range p.forms {
		if f.buttons.Has(button) {
			f.values.Set(button, value)
			return u.sendForm(p, f)
		}
	}
	require.FailNow(u.t, "no such button", "%s in %s", button, p.text)
	return nil
}

func (u *user) sendForm(p *page, f *form) *page {
	u.t.Helper()
	to, err := p.url.Parse(f.action)
	require.NoError(u.t, err)
	r, err := http.NewRequestWithContext(u.t.Context(), http.MethodPost, to.String(), strings.NewReader(f.values.Encode()))
	require.NoError(u.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", p.url.Scheme+"://"+p.url.Host)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return u.load(r)
}

func (u *user) load(r *http.Request) *page {
	u.t.Helper()
	r.Header.Set("User-Agent", "Mozilla/5.0")
	r.Header.Set("Accept", "text/html")
	resp, err := u.client.Do(r)
	require.NoError(u.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(u.t, err)
	p := &page{url: resp.Request.URL, text: string(text)}
	p.read(u.t)
	return p
}

// logIn answers the provider's questions until it sends the browser back.
func (u *user) logIn(at *provider, p *page, name string) *page {
	u.t.Helper()
	for strings.HasPrefix(p.url.String(), at.Issuer+"/interaction/") {
		require.Len(u.t, p.forms, 1, p.text)
		f := p.forms[0]
		if f.values.Get("prompt") == "login" {
			f.values.Set("login", name)
			f.values.Set("password", "anything")
		}
		p = u.sendForm(p, f)
	}
	return p
}

// read finds the forms of a page.
func (p *page) read(t *testing.T) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(p.text))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	current := &form{values: url.Values{}, buttons: url.Values{}} // of what is in no form
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err, p.text)
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attr := make(map[string]string)
		for _, a := range e.Attr {
			attr[a.Name.Local] = a.Value
		}
		switch e.Name.Local {
		case "form":
			current = &form{action: attr["action"], values: url.Values{}, buttons: url.Values{}}
			p.forms = append(p.forms, current)
		case "button":
			current.buttons.Add(attr["name"], attr["value"])
		case "input":
			_, checked := attr["checked"]
			if box := attr["type"] == "checkbox" || attr["type"] == "radio"; attr["name"] != "" && (checked || !box) {
				current.values.Add(attr["name"], attr["value"])
			}
		case "textarea":
			var content string
			require.NoError(t, d.DecodeElement(&content, &e))
			current.values.Add(attr["name"], content)
		case "meta":
			if attr["http-equiv"] == "refresh" {
				_, p.next, _ = strings.Cut(attr["content"], "url=")
			}
		}
	}
}
