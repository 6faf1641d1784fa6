package mytoken

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// proves P9: a secret does not show when it is printed, logged or encoded, alone or
// inside another value.
func TestSecretShowsNothing(t *testing.T) {
	const hidden = "hunter2-hunter2-hunter2"
	s := NewSecret(hidden)
	type outer struct {
		Exported   Secret
		Pointer    *Secret
		unexported Secret
		List       []Secret
		Map        map[string]Secret
	}
	o := outer{s, &s, s, []Secret{s}, map[string]Secret{"k": s}}
	require.Equal(t, hidden, o.unexported.Reveal())

	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%08.3f"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, o), fmt.Sprintf(verb, &o))
	}
	shown = append(shown, fmt.Sprint(s, &s), fmt.Errorf("x: %v", s).Error())
	for _, v := range []any{s, &s, o.List, o.Map, struct{ S Secret }{s}} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		text2, err := jsonv2.Marshal(v)
		require.NoError(t, err)
		shown = append(shown, string(text), string(text2))
	}
	text, err := xml.Marshal(s)
	require.NoError(t, err)
	shown = append(shown, string(text))
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("m", "s", s, "p", &s, "o", o, slog.Group("g", "s", s))
	}
	shown = append(shown, log.String())
	for _, text := range shown {
		require.NotContains(t, text, "hunter2")
		require.NotContains(t, text, fmt.Sprintf("%x", "hunter2"))
		require.NotContains(t, text, fmt.Sprintf("%X", "hunter2"))
	}
	require.Equal(t, `"[redacted]"`, jsonText(t, s))
}

func TestSecretEqual(t *testing.T) {
	require.True(t, NewSecret("a").Equal(NewSecret("a")))
	require.False(t, NewSecret("a").Equal(NewSecret("b")))
	require.False(t, NewSecret("a").Equal(NewSecret("aa")))
	require.True(t, Secret{}.Equal(NewSecret("")))
	require.True(t, Secret{}.IsEmpty())
	require.True(t, NewSecret("").IsEmpty())
	require.False(t, NewSecret("a").IsEmpty())
	require.Equal(t, "", Secret{}.Reveal())
	var back Secret
	//lint:ignore SA9005 that nothing can be read into it is what is tested
	require.Error(t, json.Unmarshal([]byte(`"[redacted]"`), &back), "there is no way back from a redacted secret")
}
