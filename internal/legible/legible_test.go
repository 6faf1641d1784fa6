package legible_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/legible"
)

func TestRefuse(t *testing.T) {
	for text, want := range map[string]string{
		"\x1b[2J": "U+001B", "a\nb": "U+000A", "\x7f": "U+007F", "\u0085": "U+0085", "a\u202eb": "U+202E", "\u2066": "U+2066",
		"a\u200bb": "U+200B", "\ufeff": "U+FEFF", "a\u00adb": "U+00AD", "a\u2028b": "U+2028", "a\u2029b": "U+2029",
		"\U000e0041": "U+E0041", "\xff": "0xFF", "a\xc3": "0xC3",
		"a\u200db": "U+200D", "\u0301\u200cy": "U+200C", "я\u200cя": "U+200C", "1\u200d2": "U+200D",
		"\u200dی": "U+200D", "ی\u200c": "U+200C", "ی\u200c\u200cخ": "U+200C", "ی\u200c خ": "U+200C",
		"👩\u200d": "U+200D", "ഹ\u0301\u200d": "U+200D", "🏳\ufe0f\u200d": "U+200D", "ന്\u200d\u200d": "U+200D", "ന്\u200d\u202e": "U+202E",
		"a" + strings.Repeat("\u0301", 9): "U+0301", "क" + strings.Repeat("\u094d\u200d", 9) + "ष": "U+094D",
	} {
		require.Contains(t, legible.Refuse(text), want, "%+q", text)
		require.Empty(t, legible.Refuse(legible.Show(text)))
		require.Empty(t, legible.Refuse(legible.Replace(text, "\uFFFD")))
		require.Equal(t, strings.Contains(want, "U+"), utf8.ValidString(text))
	}
	for _, text := range []string{
		"", " a ", "Grüße, e\u0301, \uFFFD", "日本語", "می\u200cخواهم", "क्\u200dष", "র\u200d্য", "👩\u200d💻", "👨🏽\u200d🚀",
		"🏳\ufe0f\u200d🌈", "🇩🇪 3\ufe0f\u20e3", "۲۰\u200cساله", "അവന്\u200d വന്നു, അവന്\u200d", "উত্\u200d", "श्री\u200cमान", "න්\u200dය", "👩\u200d👩\u200d👧\u200d👦", "🙂\u200d↔\ufe0f",
		"a" + strings.Repeat("\u0301", 8) + "b" + strings.Repeat("\u0301", 8),
	} {
		require.Empty(t, legible.Refuse(text), "%+q", text)
		require.Equal(t, text, legible.Show(text))
	}
}

func TestShow(t *testing.T) {
	require.Equal(t, `a\u202eb\u001b[2J\xff\udb40\udc41`, legible.Show("a\u202eb\x1b[2J\xff\U000e0041"))
	require.Equal(t, "a?b?", legible.Replace("a\u202eb\xff", "?"))
}

// Show leaves no hidden character. JSON texts keep their meaning.
func FuzzShow(f *testing.F) {
	f.Add("a\u202eb\x1b[2J\xff\U000e0041 ی\u200c\u200cخ")
	f.Fuzz(func(t *testing.T, text string) {
		shown := legible.Show(text)
		require.Empty(t, legible.Refuse(shown))
		require.NotContains(t, shown, "\u202e")
		require.Equal(t, legible.Refuse(text) == "", shown == text)
		require.Equal(t, shown, legible.Show(shown))
		require.False(t, strings.ContainsFunc(shown, unicode.IsControl))
		var back string
		if quoted, err := json.Marshal(text); err == nil && utf8.ValidString(text) {
			require.NoError(t, json.Unmarshal([]byte(legible.Show(string(quoted))), &back))
			require.Equal(t, text, back)
		}
	})
}
