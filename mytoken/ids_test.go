package mytoken

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The ids are those of the example in protocol section 1.3.
func TestDerivedIdentifiers(t *testing.T) {
	require.Equal(t, "09hKzKkzeEDGNSeUdWkQAKLMLZzEz23rhxNH3GzhnH4=", Owner("https://op.example.org/", "sub1").String())
	id, err := ParseJTI("78d8281d-d746-4734-b65f-b5692de5a8e8")
	require.NoError(t, err)
	require.Equal(t, "78d8281d-d746-4734-b65f-b5692de5a8e8", id.String())
	require.Equal(t, "3rYLZHjzV611PVVdoewwFDGWZJe9ZuajsQH58nqD1dMbuxjGV6igI6cVk7lKOOi1OU1BOvmaLTl5eKMQ4O3+1Q==", id.TokenID().String())
}

// If a part is missing, the id is the hash of the empty string.
func TestOwnerOfNobody(t *testing.T) {
	nobody := Owner("", "")
	require.Equal(t, "p//G+L8e12ZRwUdWoGHWYvWA/03kO0n6gtgKS4D4Q0o=", nobody.String())
	require.Equal(t, nobody, Owner("https://op.example.org/", ""))
	require.Equal(t, nobody, Owner("", "sub1"))
}

func TestNewJTI(t *testing.T) {
	seen := map[JTI]bool{}
	for range 1000 {
		id := newJTI()
		require.False(t, seen[id])
		seen[id] = true
		text := id.String()
		require.Equal(t, byte('4'), text[14], "version")
		require.Contains(t, "89ab", text[19:20], "variant")
		again, err := ParseJTI(text)
		require.NoError(t, err)
		require.Equal(t, id, again)
	}
}

func TestParseJTIRefuses(t *testing.T) {
	const good = "78d8281d-d746-4734-b65f-b5692de5a8e8"
	for _, text := range []string{
		"", good[:35], good + "0", strings.ToUpper(good), "{" + good[:34] + "}",
		"00000000-0000-0000-0000-000000000000", strings.ReplaceAll(good, "-", ""),
		strings.ReplaceAll(good, "-", "0"), "78d8281dd-746-4734-b65f-b5692de5a8e8",
		"78d8281d-d746-4734-b65f-b5692de5a8eg", "urn:uuid:" + good,
	} {
		id, err := ParseJTI(text)
		require.ErrorIs(t, err, ErrID, text)
		require.ErrorContains(t, err, "pass it on exactly as")
		require.True(t, id.IsZero())
	}
}

// ParseMomID accepts exactly what String and URLSafe write.
func TestParseMomID(t *testing.T) {
	id := TokenID(bytes.Repeat([]byte{0xfb, 0xff}, 32))
	text := id.String()
	require.Equal(t, base64.StdEncoding.EncodeToString(id[:]), text)
	require.Len(t, text, 88)
	read, err := ParseMomID(text)
	require.NoError(t, err)
	require.Equal(t, id, read)
	safe := id.URLSafe()
	require.Equal(t, base64.RawURLEncoding.EncodeToString(id[:]), safe)
	require.Equal(t, safe, url.QueryEscape(safe), "no URL has to escape it")
	read, err = ParseMomID(safe)
	require.NoError(t, err)
	require.Equal(t, id, read)
	require.Equal(t, strings.Repeat("A", 43)+"=", OwnerID{}.String())
	for name, bad := range map[string]string{
		"nothing":                   "",
		"unpadded":                  strings.TrimRight(text, "="),
		"URL alphabet":              base64.URLEncoding.EncodeToString(id[:]),
		"line break":                text[:40] + "\n" + text[40:],
		"trailing bits":             text[:85] + "/==",
		"too short":                 base64.StdEncoding.EncodeToString(id[:63]),
		"too long":                  base64.StdEncoding.EncodeToString(append(id[:], 0)),
		"a space":                   text + " ",
		"URL-safe, mixed alphabets": safe[:40] + "+" + safe[41:],
		"URL-safe, line break":      safe[:40] + "\n" + safe[40:],
		"URL-safe, trailing bits":   safe[:85] + "_",
		"URL-safe, too short":       safe[:85],
	} {
		read, err := ParseMomID(bad)
		require.ErrorIs(t, err, ErrID, name)
		require.True(t, read.IsZero(), name)
	}
}
