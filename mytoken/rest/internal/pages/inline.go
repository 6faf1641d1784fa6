package pages

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
)

// inline is what the page for another program's window holds instead of loading it (protocol
// section 5.18.3): that window may not trust the certificate of this service, because the
// certificate authority was given to the program alone.
type inline struct {
	style  template.CSS
	script template.JS
}

func newInline(assets map[string]Asset) (inline, error) {
	style, err := inlined(assets, "</style", "style.css")
	if err != nil {
		return inline{}, err
	}
	script, err := inlined(assets, "</script", "page.js", "ondemand.js")
	return inline{style: template.CSS(style), script: template.JS(script)}, err
}

// inlined joins files to the text of an element. It refuses a file that would end the
// element or begin a comment of HTML. oidc-agent passes the page through a template engine,
// so double braces are set apart. Parsers turn other ends of lines into line feeds.
func inlined(assets map[string]Asset, end string, names ...string) (string, error) {
	var texts []string
	for _, name := range names {
		text := string(assets[name].Data)
		for _, bad := range []string{end, "<!--"} {
			if strings.Contains(strings.ToLower(text), bad) {
				return "", fmt.Errorf("rest: static/%s has %q, which a page that holds it must not have", name, bad)
			}
		}
		texts = append(texts, text)
	}
	text := strings.Join(texts, "\n;\n")
	for _, change := range []struct{ from, to string }{{"\r\n", "\n"}, {"\r", "\n"}, {"\x00", ""}, {"{{", "{ {"}, {"}}", "} }"}} {
		for strings.Contains(text, change.from) {
			text = strings.ReplaceAll(text, change.from, change.to)
		}
	}
	return text, nil
}

// Sources returns the sources of a Content-Security-Policy that admit exactly the style and
// the script which the page for another program's window holds.
func (p *Pages) Sources() (style, script string) {
	return source(string(p.inline.style)), source(string(p.inline.script))
}

func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
