package sshd

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSplitWords(t *testing.T) {
	for text, want := range map[string][]string{
		"":                             nil,
		"  \t\n":                       nil,
		"AT":                           {"AT"},
		" AT\tx\ny ":                   {"AT", "x", "y"},
		`'a b' "c d" e\ f`:             {"a b", "c d", "e f"},
		`a'b'"c"\d`:                    {"abcd"},
		`'' ""`:                        {"", ""},
		`'$HOME \' "$HOME *"`:          {`$HOME \`, "$HOME *"},
		`"\$ \" \\ \x` + "\\\n" + `y"`: {`$ " \ \xy`},
		"a\\\nb":                       {"ab"},
		`'it'\''s'`:                    {"it's"},
		`# ; | & > ~`:                  {"#", ";", "|", "&", ">", "~"},
	} {
		got, err := splitWords(text)
		require.NoError(t, err, "%q", text)
		assert.Equal(t, want, got, "%q", text)
	}
	for _, text := range []string{`'`, `"`, `a 'b`, `"a\"`, `\`, `a\`} {
		_, err := splitWords(text)
		assert.ErrorIs(t, err, errForm, "%q", text)
	}
}

func TestParseRequest(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(`{"a":1}`))
	for text, want := range map[string]request{
		"AT":                                    {action: "AT"},
		"AT application/json ''":                {action: "AT"},
		"AT text/plain ''":                      {action: "AT"},
		`AT application/json '{"a":1}'`:         {"AT", []byte(`{"a":1}`)},
		`AT Application/JSON "{\"a\":1}"`:       {"AT", []byte(`{"a":1}`)},
		"AT application/json;BASE64 " + encoded: {"AT", []byte(`{"a":1}`)},
		// The public client does not escape a quote.
		`AT application/json '{"a":"it's"}'`:           {"AT", []byte(`{"a":"it's"}`)},
		`AT application/json '{"a":"x'y'z"}'`:          {"AT", []byte(`{"a":"x'y'z"}`)},
		`AT application/json '{"a":"it's 5 o'clock"}'`: {"AT", []byte(`{"a":"it's 5 o'clock"}`)},
		`AT application/json {"a":"b c","d":1}`:        {"AT", []byte(`{"a":"b c","d":1}`)},
		// Whoever quotes as for a shell is not misunderstood.
		`AT application/json '{"a":"it'\''s"}'`:  {"AT", []byte(`{"a":"it's"}`)},
		`AT application/json '{"a":"it'"'"'s"}'`: {"AT", []byte(`{"a":"it's"}`)},
		`'AT' application/json '{"a":1}'`:        {"AT", []byte(`{"a":1}`)},
		`AT application/json '[1]'`:              {"AT", []byte(`[1]`)}, // the handler refuses it
	} {
		got, err := parseRequest(text)
		require.NoError(t, err, "%s", text)
		assert.Equal(t, want, got, "%s", text)
	}
	for _, text := range []string{"", "   ", "AT application/json", `AT x y z`, `AT application/json '{"a":1`, `AT application/json '{"a":"it's'`, `AT 'x`} {
		_, err := parseRequest(text)
		assert.ErrorIs(t, err, errForm, "%q", text)
	}
	for _, text := range []string{"AT text/plain x", "AT application/json;base64 e30", "AT application/json;base64 e30-"} {
		_, err := parseRequest(text)
		assert.IsType(t, requestError(""), err, "%q", text)
	}
}

// FuzzSplitWords: words that are quoted in any way come back.
func FuzzSplitWords(f *testing.F) {
	f.Add("a", "b c", byte(3))
	f.Add(`it's`, `"\`, byte(1))
	f.Fuzz(func(t *testing.T, a, b string, how byte) {
		quote := func(word string, how byte) string {
			switch how % 3 {
			case 0:
				return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
			case 1:
				return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(word) + `"`
			}
			var out strings.Builder
			for i := range len(word) {
				if word[i] == '\n' {
					out.WriteString("'\n'")
				} else {
					out.WriteByte('\\')
					out.WriteByte(word[i])
				}
			}
			return out.String() + "''"
		}
		got, err := splitWords(quote(a, how) + " \t" + quote(b, how/3))
		require.NoError(t, err)
		require.Equal(t, []string{a, b}, got)
	})
}

// FuzzParseRequest: no command breaks the parser, and the data is what was quoted.
func FuzzParseRequest(f *testing.F) {
	f.Add(`AT application/json '{"a":"it's"}'`, "it's")
	f.Add(`MT application/json;base64 e30=`, "")
	f.Fuzz(func(t *testing.T, text, value string) {
		r, err := parseRequest(text)
		if err == nil && len(r.data) == 0 {
			require.LessOrEqual(t, len(r.action), len(text))
		}
		data, err := json.Marshal(map[string]string{"comment": value})
		require.NoError(t, err)
		r, err = parseRequest("AT application/json '" + string(data) + "'") // as the public client does it
		require.NoError(t, err)
		require.Equal(t, string(data), string(r.data))
	})
}
