package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

func TestKeyText(t *testing.T) {
	k := seal.NewKey()
	text := k.Reveal()
	same := must(seal.ParseKey(text))
	assert.Equal(t, text, same.Reveal())
	assert.Equal(t, k.ID(), same.ID())
	assert.NotEqual(t, text, seal.NewKey().Reveal())
	assert.NotEqual(t, k.ID(), seal.NewKey().ID())
	assert.False(t, k.IsZero())
	assert.NotContains(t, hex.EncodeToString(refKeyBytes(t, k)), k.ID().String(), "the id is not a part of the key")
}

func TestZeroKey(t *testing.T) {
	var k seal.Key
	assert.True(t, k.IsZero())
	assert.Empty(t, k.Reveal())
	assert.Zero(t, k.ID())
	assert.True(t, seal.DataKey{}.IsZero())
	assert.Nil(t, seal.DataKey{}.Reveal())
	assert.True(t, seal.Secret{}.IsZero())
	assert.False(t, seal.NewDataKey().IsZero())
	assert.False(t, seal.FromSecret(seal.PurposeTicketKey, "code").IsZero())
}

func TestParseKeyRefuses(t *testing.T) {
	good := seal.NewKey().Reveal()
	bad := map[string]string{
		"nothing":        "",
		"prefix alone":   "mytoken-seal-key-1-",
		"no prefix":      strings.TrimPrefix(good, "mytoken-seal-key-1-"),
		"another prefix": strings.Replace(good, "key-1", "key-2", 1),
		"upper case":     strings.ToUpper(good),
		"newline after":  good + "\n",
		"newline within": good[:30] + "\n" + good[30:],
		"space before":   " " + good,
		"cut":            good[:len(good)-1],
		"four cut":       good[:len(good)-4],
		"longer":         good + "AAAA",
		"padded":         good + "=",
		"twice":          good + good,
		"only zeros":     refKeyText(make([]byte, 32)),
		"very long":      good + strings.Repeat("A", 1<<20),
	}
	for name, text := range bad {
		t.Run(name, func(t *testing.T) {
			k, err := seal.ParseKey(text)
			assert.ErrorIs(t, err, seal.ErrFormat)
			assert.True(t, k.IsZero())
			assert.Less(t, len(err.Error()), 100)
		})
	}
}

// TestParseKeyFindsDamage checks that a typing error never makes another key.
func TestParseKeyFindsDamage(t *testing.T) {
	good := seal.NewKey().Reveal()
	for i := len("mytoken-seal-key-1-"); i < len(good); i++ {
		c := byte('A')
		if good[i] == c {
			c = 'B'
		}
		_, err := seal.ParseKey(good[:i] + string(c) + good[i+1:])
		assert.ErrorIs(t, err, seal.ErrFormat, "position %d", i)
	}
}

func TestParseDataKeyRefuses(t *testing.T) {
	for _, b := range [][]byte{nil, {}, make([]byte, 32), bytes.Repeat([]byte{1}, 31), bytes.Repeat([]byte{1}, 33)} {
		k, err := seal.ParseDataKey(b)
		assert.ErrorIs(t, err, seal.ErrFormat)
		assert.True(t, k.IsZero())
	}
}

// proves P9: every type that holds a secret redacts itself, inside other values too.
func TestRedaction(t *testing.T) {
	const token = "header.claims.signature-of-a-token"
	key, dataKey := seal.NewKey(), seal.NewDataKey()
	secret := seal.FromSecret(seal.PurposeTokenKey, token)
	r, b := ring(t, key), box(t, key)
	config := seal.RingConfig{Active: key, Others: []seal.Key{seal.NewKey()}}

	raw := map[string][]byte{
		"server key":  refKeyBytes(t, key),
		"data key":    dataKey.Reveal(),
		"secret":      refSecret(string(seal.PurposeTokenKey), token),
		"token":       []byte(token),
		"store key":   refExpand(refKeyBytes(t, key), []byte("mytoken seal v1 store"), 32),
		"box key":     refExpand(refKeyBytes(t, key), []byte("mytoken seal v1 box"), 32),
		"look-up key": refExpand(refKeyBytes(t, key), []byte("mytoken seal v1 look-up"), 32),
		"key text":    []byte(key.Reveal()),
	}
	type hidden struct{ v any }
	type nested struct {
		Key     seal.Key
		DataKey seal.DataKey
		Secret  seal.Secret
		Ring    *seal.Ring
		Box     *seal.Box
	}
	type unexported struct {
		key     seal.Key
		dataKey seal.DataKey
		secret  seal.Secret
		ring    seal.Ring
		box     seal.Box
		all     []seal.Key
	}
	values := map[string]any{
		"Key": key, "*Key": &key, "DataKey": dataKey, "*DataKey": &dataKey, "Secret": secret, "*Secret": &secret,
		"*Ring": r, "Ring": *r, "*Box": b, "Box": *b, "RingConfig": config, "*RingConfig": &config,
		"InnerKey":   []seal.InnerKey{dataKey, secret},
		"map":        map[string]seal.Key{"k": key},
		"nested":     nested{key, dataKey, secret, r, b},
		"unexported": unexported{key, dataKey, secret, *r, *b, []seal.Key{key}},
		"hidden":     hidden{hidden{dataKey}},
	}
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%T", "%p", "%10.3v"} {
				fmt.Fprintf(&out, verb+"\n", v)
			}
			fmt.Fprintln(&out, v)
			for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
				slog.New(h).Info("message", "value", v, "group", slog.GroupValue(slog.Any("value", v)))
			}
			if b, err := json.Marshal(v); err == nil {
				out.Write(b)
			}
			if b, err := xml.Marshal(v); err == nil {
				out.Write(b)
			}
			out.WriteString(errors.Join(fmt.Errorf("wrapped: %v", v)).Error())
			for what, b := range raw {
				for form, s := range forms(b) {
					assert.NotContains(t, out.String(), s, "%s as %s", what, form)
				}
			}
		})
	}
	for _, v := range []any{key, dataKey, secret, r, b} {
		assert.Equal(t, "[redacted]", fmt.Sprint(v))
		assert.Equal(t, "[redacted]", fmt.Sprintf("%#v", v))
		assert.Equal(t, `"[redacted]"`, string(must(json.Marshal(v))))
		assert.Equal(t, "[redacted]", slog.AnyValue(v).Resolve().String())
		assert.Equal(t, "[redacted]", v.(fmt.Stringer).String())
		assert.Equal(t, "[redacted]", v.(fmt.GoStringer).GoString())
	}
	assert.Contains(t, fmt.Sprint(key.ID()), hex.EncodeToString(refKeyID(refKeyBytes(t, key))), "ids do show")
}

// forms are the ways in which bytes may appear in a text.
func forms(b []byte) map[string]string {
	decimal := strings.Trim(fmt.Sprint(b), "[]")
	return map[string]string{
		"raw":       string(b),
		"hex":       hex.EncodeToString(b),
		"HEX":       strings.ToUpper(hex.EncodeToString(b)),
		"base64":    base64.RawStdEncoding.EncodeToString(b)[:len(b)],
		"base64url": base64.RawURLEncoding.EncodeToString(b)[:len(b)],
		"decimal":   decimal,
		"Go":        strings.Trim(strings.TrimPrefix(fmt.Sprintf("%#v", b), "[]byte"), "{}"),
	}
}

// proves P9: errors hold no secret and are short.
func TestErrorsHoldNoSecret(t *testing.T) {
	key, other, dataKey := seal.NewKey(), seal.NewKey(), seal.NewDataKey()
	r := ring(t, key)
	place := store.TokenKeyPlace(tokenID(7), 1)
	const plaintext = "a refresh token that nobody may see"
	v := must(r.SealWith(place, dataKey, []byte(plaintext)))

	_, notHere := r.OpenWith(store.TokenKeyPlace(tokenID(8), 1), dataKey, v)
	_, wrong := r.OpenWith(place, seal.NewDataKey(), v)
	_, unknown := ring(t, other).OpenWith(place, dataKey, v)
	_, layers := r.Open(place, v)
	_, short := r.Open(place, v[:20])
	_, text := seal.ParseKey(key.Reveal()[:50])
	_, twice := seal.NewRing(seal.RingConfig{Active: key, Others: []seal.Key{key}})
	for i, err := range []error{notHere, wrong, unknown, layers, short, text, twice} {
		require.Error(t, err, i)
		assert.True(t, strings.HasPrefix(err.Error(), "seal: "), err)
		assert.Less(t, len(err.Error()), 100)
		for _, b := range [][]byte{refKeyBytes(t, key), refKeyBytes(t, other), dataKey.Reveal(), []byte(plaintext), v[9:30], []byte(key.Reveal()[:40])} {
			for form, s := range forms(b) {
				assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), s, form)
			}
		}
	}
	assert.Equal(t, notHere, wrong, "which of the two is not told")
}
