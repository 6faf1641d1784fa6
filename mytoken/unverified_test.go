package mytoken

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseUnverifiedRefuses(t *testing.T) {
	key := testKey(t, EdDSA)
	for in, want := range map[string]error{
		"":                                       ErrTokenMalformed,
		"abc":                                    ErrTokenMalformed,
		"a.b.c":                                  ErrTokenMalformed,
		strings.Repeat("a", MaxTokenBytes+1):     ErrTokenTooLarge,
		strings.Repeat("a", 1<<20):               ErrTokenTooLarge,
		signPayload(t, key, `{}`):                ErrTokenMalformed,
		signPayload(t, key, `{"exp":null}`):      ErrTokenMalformed,
		signPayload(t, key, `{"ver":"0.7","a":`): ErrTokenMalformed,
	} {
		tok, err := ParseUnverified(in)
		require.ErrorIs(t, err, want)
		require.Nil(t, tok)
		var invalid *InvalidTokenError
		require.True(t, errors.As(err, &invalid))
	}
	// ParseUnverified checks the form and nothing else.
	tok, err := ParseUnverified(signPayload(t, key, payloadWith(map[string]string{"iss": `"https://evil.example.org"`, "sub": `"x"`, "exp": "5"})))
	require.NoError(t, err)
	require.Equal(t, "https://evil.example.org", tok.Issuer())
	require.Equal(t, "x", tok.Subject())
}

// The name of an old token is shown with escapes. The token itself stays as it is.
func TestAttackOldName(t *testing.T) {
	key := testKey(t, EdDSA)
	tok, err := ParseUnverified(signPayload(t, key, payloadWith(map[string]string{"name": `"a\u202eb\u001b[2J"`})))
	require.NoError(t, err)
	require.Equal(t, `a\u202eb\u001b[2J`, tok.Name())
	require.Equal(t, "a\u202eb\x1b[2J", tok.claims.Name)
	require.Equal(t, tok.Name(), (&Token{claims: tok.claims}).Name())
}
