package client_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
)

// The client does not send a name or comment that servers refuse. The error names the
// character.
func TestAttackHiddenCharacters(t *testing.T) {
	f := new(fake)
	c := f.client(t, nil)
	for text, character := range map[string]string{"\x1b[2J": "U+001B", "a\u202eb": "U+202E", "\u2066": "U+2066", "\u200b": "U+200B", "a\u2028b": "U+2028"} {
		_, err := c.StartLogin(t.Context(), client.LoginRequest{Properties: mytoken.Properties{Name: text}})
		require.ErrorContains(t, err, "client: Name: it has the control or format character "+character)
		_, err = c.AccessToken(t.Context(), aToken, client.AccessTokenRequest{Comment: text})
		require.ErrorContains(t, err, "client: Comment: it has the control or format character "+character)
	}
	require.Zero(t, f.count("/my"))
	require.Zero(t, f.count("/access"))
}

// A server's answers cannot control the terminal of a program that prints them.
func TestAttackServerTexts(t *testing.T) {
	const hidden, shown = "a\u202eb\x1b[2J", `a\u202eb\u001b[2J`
	f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, body map[string]any) {
		switch entry := (map[string]any{"name": hidden, "ip": hidden}); body["action"] {
		case "event_history":
			answer(w, http.StatusOK, map[string]any{"events": []any{
				map[string]any{"event": hidden, "comment": hidden, "ip": hidden, "user_agent": hidden},
			}})
		case "introspect":
			answer(w, http.StatusOK, map[string]any{"valid": true, "token": map[string]any{"name": hidden}})
		default:
			answer(w, http.StatusOK, map[string]any{"mytokens": []any{map[string]any{"token": entry, "children": []any{map[string]any{"token": entry}}}}})
		}
	}}
	c := f.client(t, nil)
	h, err := c.History(t.Context(), aToken)
	require.NoError(t, err)
	e := h.Events[0]
	require.Equal(t, []string{shown, shown, shown, shown}, []string{e.Name, e.Comment, e.Address, e.UserAgent})
	list, err := c.List(t.Context(), aToken)
	require.NoError(t, err)
	for _, r := range []*mytoken.Record{list.Roots[0], list.Roots[0].Children[0]} {
		require.Equal(t, []string{shown, shown}, []string{r.Name, r.Address})
	}
	token, err := c.Introspect(t.Context(), aToken)
	require.NoError(t, err)
	require.Equal(t, shown, token.Claims.Name)
}
