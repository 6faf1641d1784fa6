package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"strings"
	"unicode/utf16"
)

// findSecrets counts the secrets that the files hold: as they are, in part if they
// are JWTs, and encoded.
func findSecrets(files, secrets []string) (found int, err error) {
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		for _, secret := range secrets {
			if holds(data, secret) {
				found++
			}
		}
	}
	return found, nil
}

// shortest is how long a part of a token is looked for on its own.
const shortest = 20

func holds(data []byte, secret string) bool {
	parts := []string{secret}
	if jwt := strings.Split(secret, "."); len(jwt) == 3 {
		parts = append(parts, jwt[1:]...) // the header is no secret
	}
	for _, part := range parts {
		if len(part) < shortest && part != secret {
			continue
		}
		for _, form := range forms(part) {
			if bytes.Contains(data, form) {
				return true
			}
		}
	}
	return false
}

// forms are the ways in which text is often found in a file.
func forms(text string) [][]byte {
	wide := make([]byte, 0, 2*len(text))
	for _, unit := range utf16.Encode([]rune(text)) {
		wide = append(wide, byte(unit), byte(unit>>8))
	}
	base := base64.RawStdEncoding.EncodeToString([]byte(text))
	return [][]byte{
		[]byte(text), wide, []byte(hex.EncodeToString([]byte(text))), []byte(base[:len(base)-2]),
	}
}
