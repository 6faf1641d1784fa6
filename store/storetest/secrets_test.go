package storetest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store/storetest"
)

func utf16Bytes(s string, big bool) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return b
}

// proves P7: a dump shows a secret of any characters, among any other bytes.
func TestFindSecretsInEveryEncoding(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	texts := map[string]func([]byte) string{
		"hex": hex.EncodeToString,
		"HEX": func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
	}
	for name, enc := range map[string]*base64.Encoding{
		"std": base64.StdEncoding, "raw std": base64.RawStdEncoding, "url": base64.URLEncoding, "raw url": base64.RawURLEncoding,
	} {
		for before := range 4 {
			for after := range 4 {
				texts[fmt.Sprintf("base64 %s %d %d", name, before, after)] = func(b []byte) string {
					return enc.EncodeToString(slices.Concat(noise(before), b, noise(after)))
				}
			}
		}
	}
	encodings := map[string]func([]byte) []byte{
		"raw":                 func(b []byte) []byte { return b },
		"UTF-16LE":            func(b []byte) []byte { return utf16Bytes(string(b), false) },
		"UTF-16BE":            func(b []byte) []byte { return utf16Bytes(string(b), true) },
		"in a JSON document":  func(b []byte) []byte { return fmt.Appendf(nil, "{\"secret\":\"%s\"}", b) },
		"in an SQL statement": func(b []byte) []byte { return fmt.Appendf(nil, "INSERT INTO t VALUES ('\\x%x')", b) },
	}
	for name, encode := range texts {
		encodings[name] = func(b []byte) []byte { return []byte(encode(b)) }
		encodings[name+" UTF-16LE"] = func(b []byte) []byte { return utf16Bytes(encode(b), false) }
		encodings[name+" UTF-16BE"] = func(b []byte) []byte { return utf16Bytes(encode(b), true) }
	}
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789äß€"
	for name, encode := range encodings {
		for length := 8; length < 40; length++ {
			var secret, other string
			for range length {
				alphabet := []rune(letters)
				secret += string(alphabet[random.IntN(len(alphabet))])
				other += string(alphabet[random.IntN(len(alphabet))])
			}
			dump := slices.Concat(noise(50), encode([]byte(secret)), noise(50))
			leaks := storetest.FindSecrets(dump, other, secret)
			require.NotEmpty(t, leaks, "%s: a secret of %d bytes was not found", name, length)
			for _, l := range leaks {
				if l.Secret != 1 || l.Offset < 48 || l.Offset > 80 {
					assert.Fail(t, "a secret was found where it is not", "%s: %v", name, l)
				}
				if strings.Contains(l.String(), secret) {
					assert.Fail(t, "a leak shows the secret")
				}
			}
		}
	}
	binary := noise(32)
	assert.Equal(t, []storetest.Leak{{Encoding: "raw", Offset: 9}}, storetest.FindSecrets(slices.Concat(noise(9), binary), binary))
}

func TestFindSecretsFindsNothingElse(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	dump := make([]byte, 1<<20)
	for i := range dump {
		dump[i] = byte(random.Uint32())
	}
	text := []byte(base64.StdEncoding.EncodeToString(dump))
	for i := range 20 {
		secret := bytes.Clone(dump[i*100 : i*100+12])
		secret[6] ^= 1
		assert.Empty(t, storetest.FindSecrets(slices.Concat(dump, text), secret))
	}
}

func TestFindSecretsRefusesShortSecrets(t *testing.T) {
	defer func() {
		p := recover()
		assert.NotNil(t, p)
		assert.NotContains(t, fmt.Sprint(p), "1234567")
	}()
	storetest.FindSecrets(nil, "1234567")
}
