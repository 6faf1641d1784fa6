package storetest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"
)

// minSecret is the least number of bytes of a secret. A shorter one could occur by
// accident.
const minSecret = 8

// Leak says where a dump shows a secret. It does not contain the secret itself.
type Leak struct {
	Secret   int    // index among the secrets given to FindSecrets
	Encoding string // such as "raw", "hex", "base64", "UTF-16LE"
	Offset   int    // of its first byte in the dump
}

// String names the secret by its index, its encoding and its offset.
func (l Leak) String() string {
	return fmt.Sprintf("secret %d as %s at offset %d", l.Secret, l.Encoding, l.Offset)
}

// FindSecrets searches a dump for secrets in these encodings:
//
//   - as they are
//   - in hexadecimal, upper and lower case
//   - in base64, standard and URL alphabet, padded or not. The secret may be only a part
//     of what was encoded.
//   - each of these as UTF-16, in either byte order
//
// For each secret and each encoding it returns the first place.
//
// FindSecrets panics if a secret has fewer than eight bytes: finding it would prove
// nothing.
func FindSecrets[S ~string | ~[]byte](dump []byte, secrets ...S) []Leak {
	var leaks []Leak
	for i, s := range secrets {
		if len(s) < minSecret {
			panic(fmt.Sprintf("storetest: secret %d has %d bytes, at least %d are needed", i, len(s), minSecret))
		}
		for _, f := range forms([]byte(s)) {
			if at := bytes.Index(dump, f.text); at >= 0 {
				leaks = append(leaks, Leak{Secret: i, Encoding: f.encoding, Offset: at})
			}
		}
	}
	return leaks
}

// form is a secret in one encoding.
type form struct {
	encoding string
	text     []byte
}

func forms(secret []byte) []form {
	all := []form{{"raw", secret}}
	text := func(encoding, s string) {
		all = append(all, form{encoding, []byte(s)}, form{encoding + " in UTF-16LE", utf16Text(s, 0)}, form{encoding + " in UTF-16BE", utf16Text(s, 1)})
	}
	if s := string(secret); strings.ToValidUTF8(s, "") == s {
		all = append(all, form{"UTF-16LE", utf16Text(s, 0)}, form{"UTF-16BE", utf16Text(s, 1)})
	}
	text("hex", hex.EncodeToString(secret))
	text("HEX", strings.ToUpper(hex.EncodeToString(secret)))
	for before := range 3 {
		std, url := base64Core(base64.RawStdEncoding, secret, before), base64Core(base64.RawURLEncoding, secret, before)
		text("base64", std)
		if url != std {
			text("base64url", url)
		}
	}
	return all
}

// base64Core returns the base64 characters that depend on the secret alone, if before
// bytes precede it in the encoded text and others may follow.
func base64Core(enc *base64.Encoding, secret []byte, before int) string {
	s := enc.EncodeToString(append(make([]byte, before), secret...))
	first := (before*8 + 5) / 6            // characters that bits of others enter
	last := (before + len(secret)) * 8 / 6 // characters that are full
	return s[first:last]
}

// utf16Text encodes a text, in little endian order if low is 0, else in big endian order.
func utf16Text(s string, low int) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		pair := [2]byte{}
		pair[low], pair[1-low] = byte(u), byte(u>>8)
		b = append(b, pair[:]...)
	}
	return b
}
