package rest_test

import (
	"html"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/oldtext"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// hidden are texts that do something to a terminal or a page, or look like others.
var hidden = map[string]string{
	"\x1b[2J": "U+001B", "\u202e": "U+202E", "\u2066": "U+2066", "\u200b": "U+200B", "\ufeff": "U+FEFF", "\u00ad": "U+00AD",
	"a\u2028b": "U+2028",
}

// TestAttackHiddenCharacters: a name or comment with control or format characters is
// refused, wherever it comes from. A name that a program gives itself is cleaned.
func TestAttackHiddenCharacters(t *testing.T) {
	s := start(t, func(o *setup) {
		o.rest.Templates = fstest.MapFS{"profiles/named.json": {Data: []byte(`{"name":"a\u202eb"}`)}}
	})
	parent := s.token(mytoken.Properties{})
	refusal := func(field, character string) string {
		return field + ": it has the control or format character " + character + ": remove that character"
	}
	for text, character := range hidden {
		s.fails(s.derive(parent, m{"name": text}), 400, "invalid_request", refusal("name", character))
		s.fails(s.access(parent, m{"comment": text}), 400, "invalid_request", refusal("comment", character))
		consent, _ := s.startNative(m{"application_name": "app" + text})
		page := s.browser().open(consent)
		require.Equal(t, http.StatusOK, page.StatusCode)
		requireLegible(t, page.text, "app")
		b := s.browser()
		declined := s.object(b.script(http.MethodPost, consent, ""), 278)["url"].(string)
		requireLegible(t, b.open(s.URL+declined).text, "app")
		requireLegible(t, s.post("/c", m{
			"grant_type": "mytoken", "mytoken": parent, "oidc_issuer": s.Provider.Issuer(), "application_name": "app" + text,
		}, "Accept", "text/html").text, "app")
		requireLegible(t, s.access(parent, m{"grant_type": "app" + text}).text, "app")
	}
	s.fails(s.derive(parent, m{"include": "named"}), 400, "invalid_request", refusal("name", "U+202E"))
	requireLegible(t, s.Log.String(), "mytoken request")
}

// requireLegible checks that a text shows want, and none of the characters above.
func requireLegible(t *testing.T, text, want string) {
	t.Helper()
	require.Contains(t, text, want)
	text = html.UnescapeString(text)
	for _, c := range []string{"\x1b", "\u202e", "\u2066", "\u200b", "\ufeff", "\u00ad", "\u2028"} {
		assert.NotContains(t, text, c, "%+q", c)
	}
}

// TestAttackOldTexts: lists, histories and pages show texts that were stored before with
// escapes.
func TestAttackOldTexts(t *testing.T) {
	s := start(t, func(o *setup) {
		o.Config = func(c *issuer.Config) { c.Store = oldtext.Store{Store: c.Store, Ring: c.Seal} }
	})
	root := s.issued("alice", mytoken.Properties{Name: "laptop", Capabilities: everything})
	const shown = `\u202e\u001b[2J`
	list := s.object(s.info("list_mytokens", root.Token.Reveal(), nil), 200)
	require.Contains(t, encode(t, list), strings.ReplaceAll(shown, `\`, `\\`)+"laptop")
	history := s.object(s.info("event_history", root.Token.Reveal(), nil), 200)
	require.Contains(t, encode(t, history), strings.ReplaceAll(shown, `\`, `\\`)+"Used grant_type")
	b := s.manager("alice")
	for _, path := range []string{"/manage", "/manage/token" + queryID(root.ID), "/manage/revoke" + queryID(root.ID)} {
		requireLegible(t, b.page(path).text, shown+"laptop")
	}
}
