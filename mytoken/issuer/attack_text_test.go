package issuer_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/oldtext"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

// hidden are texts that do something to a terminal or a page, or look like others.
var hidden = map[string]string{
	"\x1b[2J": "U+001B", "\u202e": "U+202E", "\u2066": "U+2066", "\u200b": "U+200B", "\ufeff": "U+FEFF", "\u00ad": "U+00AD",
	"a\u2028b": "U+2028", "a\u2029b": "U+2029", "a\u200db": "U+200D", "a\nb": "U+000A", "a\xffb": "0xFF",
}

// A name or comment with control or format characters is refused, and the error names the
// character. Nothing is stored and nothing counts. What a program says about itself is
// cleaned.
func TestAttackHiddenCharacters(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesAT: usages(1)}}})
	for text, character := range hidden {
		refused := func(err error, field string) {
			t.Helper()
			requireRequestError(t, err, field)
			require.ErrorContains(t, err, character)
		}
		_, err := s.Login(t.Context(), "alice", mytoken.Properties{Name: text})
		refused(err, "name")
		_, err = deriveAdjusted(t, s, root.Token, mytoken.Properties{Name: text})
		refused(err, "name")
		_, err = s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: root.Token, Comment: text, Client: client})
		refused(err, "comment")
		_, err = s.Issuer.Authorize(t.Context(), issuer.AuthorizeRequest{Token: root.Token, Needs: "settings", Event: "x", Comment: text, Client: client})
		refused(err, "comment")
		if character != "0xFF" {
			_, err = s.Login(t.Context(), "alice", mytoken.Properties{Restrictions: restriction.List{{Audiences: []string{"a" + text + "b"}}}})
			requireRequestError(t, err, "restrictions")
		}

		n := native(t, s, issuer.LoginRequest{Application: "app" + text})
		asked, err := s.Issuer.Consent(t.Context(), n.ConsentCode)
		require.NoError(t, err)
		require.Equal(t, "app"+cleaned(text), asked.Application)
	}

	agent := client
	agent.UserAgent = "agent\u202e/1\x1b[2J" + strings.Repeat("\u200b", 1000)
	_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: root.Token, Comment: "می\u200cخواهم 👩\u200d💻", Client: agent})
	require.NoError(t, err, "the one use is left")
	h, err := s.Issuer.History(t.Context(), issuer.HistoryRequest{Token: root.Token, Client: client})
	require.NoError(t, err)
	e := h.Events[slices.IndexFunc(h.Events, func(e mytoken.Event) bool { return e.Name == issuer.EventATCreated })]
	require.Equal(t, "Used grant_type mytoken: می\u200cخواهم 👩\u200d💻", e.Comment)
	require.True(t, strings.HasPrefix(e.UserAgent, "agent\uFFFD/1\uFFFD[2J\uFFFD"), "%+q", e.UserAgent)
	require.LessOrEqual(t, len(e.UserAgent), issuer.MaxAgentLength)
}

// cleaned writes U+FFFD in place of the hidden characters above.
func cleaned(text string) string {
	for _, c := range []string{"\x1b", "\u202e", "\u2066", "\u200b", "\ufeff", "\u00ad", "\u2028", "\u2029", "\u200d", "\n", "\xff"} {
		text = strings.ReplaceAll(text, c, "\uFFFD")
	}
	return text
}

// Texts that were stored before are shown with escapes.
func TestAttackOldTexts(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.Store = oldtext.Store{Store: c.Store, Ring: c.Seal} }})
	root := login(t, s, mytoken.Properties{Name: "root", Capabilities: allCapabilities})
	const shown = `\u202e\u001b[2J`
	list, err := s.Issuer.List(t.Context(), issuer.InfoRequest{Token: root.Token, Client: client})
	require.NoError(t, err)
	require.Equal(t, shown+"root", list.Roots[0].Name)
	h, err := s.Issuer.History(t.Context(), issuer.HistoryRequest{Token: root.Token, Client: client})
	require.NoError(t, err)
	for _, e := range h.Events {
		require.True(t, strings.HasPrefix(e.Comment, shown), e.Comment)
		require.True(t, strings.HasPrefix(e.UserAgent, shown), e.UserAgent)
	}
}
