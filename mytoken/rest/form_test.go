package rest_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// form is a form of a page as a browser without scripts fills and sends it.
type form struct {
	method, action string
	values         url.Values
	text           string // its HTML
}

var (
	drawingTag = regexp.MustCompile(`(?s)<svg.*?</svg>`)
	controlTag = regexp.MustCompile(`(?s)<(input|select|textarea|button)\b([^>]*)>(?:([^<]*)</textarea>)?`)
	optionTag  = regexp.MustCompile(`<option([^>]*)>`)
	attribute  = regexp.MustCompile(`([a-z-]+)(?:="([^"]*)")?`)
)

// attributes reads the attributes of a tag.
func attributes(text string) map[string]string {
	out := make(map[string]string)
	for _, found := range attribute.FindAllStringSubmatch(text, -1) {
		out[found[1]] = html.UnescapeString(found[2])
	}
	return out
}

// formOf returns the form with an id.
func formOf(t testing.TB, page *reply, id string) *form {
	t.Helper()
	for _, part := range strings.Split(page.text, "<form")[1:] {
		part, _, _ = strings.Cut(part, "</form>")
		tag, inside, _ := strings.Cut(part, ">")
		if a := attributes(tag); a["id"] == id {
			f := &form{method: strings.ToUpper(a["method"]), action: a["action"], text: inside}
			f.read()
			return f
		}
	}
	t.Fatalf("%d: no form %q in %s", page.StatusCode, id, page.text)
	return nil
}

// read sets the values that the form has at first.
func (f *form) read() {
	f.values = make(url.Values)
	for _, found := range controlTag.FindAllStringSubmatchIndex(f.text, -1) {
		part := func(n int) string {
			if found[2*n] < 0 {
				return ""
			}
			return f.text[found[2*n]:found[2*n+1]]
		}
		a := attributes(part(2))
		_, checked := a["checked"]
		switch kind := part(1); {
		case a["name"] == "" || kind == "button", (a["type"] == "checkbox" || a["type"] == "radio") && !checked:
		case kind == "textarea":
			f.values.Add(a["name"], html.UnescapeString(part(3)))
		case kind == "select":
			options, _, _ := strings.Cut(f.text[found[1]:], "</select>")
			for i, option := range optionTag.FindAllStringSubmatch(options, -1) {
				o := attributes(option[1])
				if _, selected := o["selected"]; selected || i == 0 {
					f.values.Set(a["name"], o["value"])
				}
			}
		default:
			f.values.Add(a["name"], a["value"])
		}
	}
}

// set fills an existing field. Without values it unchecks the field.
func (f *form) set(t testing.TB, name string, values ...string) *form {
	t.Helper()
	require.Contains(t, f.text, ` name="`+name+`"`)
	f.values[name] = values
	return f
}

// send sends a form of a page of the service with one of its buttons.
func (b *browser) send(f *form, button, value string) *reply {
	b.t.Helper()
	if button != "" && !strings.Contains(f.text, ` name="`+button+`" value="`+html.EscapeString(value)+`"`) {
		b.t.Fatalf("no button %s=%s in %s", button, value, f.text)
	}
	values := url.Values{}
	for name, all := range f.values {
		values[name] = all
	}
	if button != "" {
		values.Set(button, value)
	}
	// Chromium sends this origin for a page that tells no referrer.
	return b.with(b.client, f.method, f.action, values.Encode(), append(browserHeader, "Content-Type", "application/x-www-form-urlencoded",
		"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Origin", "null")...)
}

// click opens an address as a link on a page of the service does.
func (b *browser) click(address string) *reply {
	b.t.Helper()
	return b.with(b.client, http.MethodGet, address, "", append(browserHeader, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate")...)
}

var continueLink = regexp.MustCompile(`<a class="button primary" href="([^"]+)">Continue`)

// continues returns the address that a page opens by itself.
func continues(t testing.TB, page *reply) string {
	t.Helper()
	found := continueLink.FindStringSubmatch(page.text)
	if page.StatusCode != http.StatusOK || found == nil {
		t.Fatalf("%d: leads nowhere: %s", page.StatusCode, page.text)
	}
	return html.UnescapeString(found[1])
}
