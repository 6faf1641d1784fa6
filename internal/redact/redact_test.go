package redact_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/redact"
)

const planted = "planted-secret-0123456789"

type hidden = redact.Hidden

type whole struct {
	hidden
	Token string
}

// printed shows a value in every way that programs show values.
func printed(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&b, verb+"\n", v)
		fmt.Fprintf(&b, verb+"\n", []any{v})
		fmt.Fprintf(&b, verb+"\n", map[string]any{"v": v})
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(handler).Info("m", "v", v, "group", slog.GroupValue(slog.Any("v", v)), "list", []any{v})
	}
	text, err := json.Marshal(v)
	require.NoError(t, err)
	b.Write(text)
	return b.String()
}

// proves P9
func TestSecretsAreRedacted(t *testing.T) {
	s := redact.New(planted)
	for name, v := range map[string]any{
		"secret":     s,
		"pointer":    &s,
		"field":      struct{ Token redact.Secret }{s},
		"embedded":   struct{ redact.Secret }{s},
		"unexported": struct{ token redact.Secret }{s},
		"whole":      whole{Token: planted},
		"pointer to": &whole{Token: planted},
		"inside":     struct{ W whole }{whole{Token: planted}},
		"list":       []whole{{Token: planted}},
	} {
		text := printed(t, v)
		assert.NotContains(t, text, planted, name)
		assert.NotContains(t, text, fmt.Sprintf("%x", planted), name)
		assert.NotContains(t, text, fmt.Sprintf("%X", planted), name)
	}
	for _, v := range []any{s, whole{Token: planted}} {
		assert.Equal(t, redact.Placeholder, fmt.Sprint(v))
		assert.Equal(t, redact.Placeholder, fmt.Sprintf("%#v", v))
		assert.Equal(t, redact.Placeholder, v.(fmt.Stringer).String())
		assert.Equal(t, redact.Placeholder, v.(fmt.GoStringer).GoString())
		assert.Equal(t, redact.Placeholder, slog.AnyValue(v).Resolve().String())
		text, err := json.Marshal(map[string]any{"v": v})
		require.NoError(t, err)
		assert.JSONEq(t, `{"v":"`+redact.Placeholder+`"}`, string(text))
		text, err = xml.Marshal(struct {
			XMLName xml.Name `xml:"x"`
			V       any
		}{V: v})
		require.NoError(t, err)
		assert.Equal(t, "<x><V>"+redact.Placeholder+"</V></x>", string(text))
	}
}

func TestSecret(t *testing.T) {
	var zero redact.Secret
	s := redact.New(planted)
	assert.Equal(t, planted, s.Reveal())
	assert.Empty(t, zero.Reveal())
	assert.True(t, zero.IsEmpty())
	assert.True(t, redact.New("").IsEmpty())
	assert.False(t, s.IsEmpty())
	assert.True(t, s.Equal(redact.New(planted)))
	assert.True(t, zero.Equal(redact.New("")))
	assert.False(t, s.Equal(zero))
	assert.False(t, s.Equal(redact.New(planted+"x")))
	var holder struct{ Token redact.Secret }
	assert.Error(t, json.Unmarshal([]byte(`{"Token":"x"}`), &holder), "a redacted secret cannot come back")
}
