package seal_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// This file implements the section "Format" of the package comment a second time. It uses
// HMAC-SHA256, and AES-GCM with explicit nonces, but no line of the package. It makes the
// golden file, see golden_test.go.

// refExpand is HKDF-Expand (RFC 5869 section 2.3) to at most 32 bytes.
func refExpand(key, info []byte, size int) []byte {
	return refHMAC(key, info, []byte{1})[:size]
}

// refHKDF is HKDF without salt (RFC 5869 section 2).
func refHKDF(secret, info []byte) []byte {
	return refExpand(refHMAC(make([]byte, 32), secret), info, 32)
}

func refHMAC(key []byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, p := range parts {
		mac.Write(p)
	}
	return mac.Sum(nil)
}

func refGCM(key []byte) cipher.AEAD {
	return must(cipher.NewGCM(must(aes.NewCipher(key))))
}

func refKeyID(key []byte) []byte { return refExpand(key, []byte("mytoken seal v1 key id"), 8) }

// refKeyText is the text of a server key.
func refKeyText(key []byte) string {
	return "mytoken-seal-key-1-" + base64.RawURLEncoding.EncodeToString(join(key, refKeyID(key)[:4]))
}

// refKeyBytes are the bytes of a server key.
func refKeyBytes(t testing.TB, k seal.Key) []byte {
	t.Helper()
	text, ok := strings.CutPrefix(k.Reveal(), "mytoken-seal-key-1-")
	require.True(t, ok)
	b := must(base64.RawURLEncoding.DecodeString(text))
	require.Len(t, b, 36)
	return b[:32]
}

func refOuter(key []byte, use string, binding []byte) cipher.AEAD {
	return refGCM(refExpand(refExpand(key, []byte("mytoken seal v1 "+use), 32), binding, 32))
}

// refSeal is the outer layer.
func refSeal(format byte, key []byte, use string, binding, nonce, plaintext []byte) []byte {
	header := join([]byte{format}, refKeyID(key))
	ciphertext := refOuter(key, use, binding).Seal(nil, nonce, plaintext, join(header, binding))
	return join(header, nonce, ciphertext)
}

// refInner is the inner layer.
func refInner(key, binding, nonce, plaintext []byte) []byte {
	return join(nonce, refGCM(key).Seal(nil, nonce, plaintext, binding))
}

func refSecret(purpose, secret string) []byte {
	return refHKDF([]byte(secret), []byte("mytoken seal v1 secret: "+purpose))
}

func refLookup(key []byte, kind byte, code string) []byte {
	return refHMAC(refExpand(key, []byte("mytoken seal v1 look-up"), 32), []byte{kind}, []byte(code))
}

// refBinding is the additional data of a place.
func refBinding(p store.Place) []byte {
	return join([]byte{byte(p.Kind)}, binary.BigEndian.AppendUint64(nil, p.N),
		binary.BigEndian.AppendUint64(nil, uint64(len(p.ID))), []byte(p.ID))
}

// innerBytes returns what lies below the outer layer.
func innerBytes(t testing.TB, key seal.Key, place store.Place, sealed []byte) []byte {
	t.Helper()
	k, binding := refKeyBytes(t, key), refBinding(place)
	b, err := refOuter(k, "store", binding).Open(nil, sealed[9:21], sealed[21:], join(sealed[:9], binding))
	require.NoError(t, err)
	return b
}

func join(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
