package mytoken

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// The token is the example of protocol section 1.2.
func TestTokenAccessors(t *testing.T) {
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, testKey(t, ES384))})
	compact, issued, err := signAndDecode(v, exampleClaims())
	require.NoError(t, err)
	verified, err := v.Verify(t.Context(), compact)
	require.NoError(t, err)
	unverified, err := ParseUnverified(compact)
	require.NoError(t, err)
	require.Equal(t, issued.claims, verified.claims)
	require.Equal(t, exampleClaims(), verified.Claims())
	require.Equal(t, exampleClaims().payload(), unverified.claims)

	require.Equal(t, "3rYLZHjzV611PVVdoewwFDGWZJe9ZuajsQH58nqD1dMbuxjGV6igI6cVk7lKOOi1OU1BOvmaLTl5eKMQ4O3+1Q==", verified.ID().String())
	require.Equal(t, "78d8281d-d746-4734-b65f-b5692de5a8e8", verified.JTI().String())
	require.EqualValues(t, 1, verified.Seq())
	require.Equal(t, "laptop:batch job", verified.Name())
	require.Equal(t, testIssuer, verified.Issuer())
	require.Equal(t, "09hKzKkzeEDGNSeUdWkQAKLMLZzEz23rhxNH3GzhnH4=", verified.Subject())
	require.Equal(t, verified.Subject(), verified.Owner().String())
	require.Equal(t, testProvider, verified.OIDCIssuer())
	require.Equal(t, "sub1", verified.OIDCSubject())
	require.Equal(t, capability.Set{"AT", "tokeninfo"}, verified.Capabilities())
	require.Equal(t, exampleClaims().Restrictions, verified.Restrictions())
	require.Equal(t, &Rotation{OnAT: true}, verified.Rotation())
	require.Equal(t, 1, verified.Policy().Len())
	for _, at := range []time.Time{verified.AuthTime(), verified.IssuedAt(), verified.NotBefore()} {
		require.True(t, at.Equal(issueTime()))
	}
	require.EqualValues(t, issuedAt+1000, verified.ExpiresAt().Unix())
	require.Equal(t, v.source.(*Keys).ActiveID(), verified.KeyID())

	require.Equal(t, ES384, unverified.Algorithm())
	require.Equal(t, verified.KeyID(), unverified.KeyID())
	require.Equal(t, verified.ID(), unverified.ID())
	require.Equal(t, testIssuer, unverified.Audience())
	require.Equal(t, "0.7", unverified.Version())
}

// Changing the results of a token's methods changes neither the token nor the cached one.
func TestTokenIsImmutable(t *testing.T) {
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, testKey(t, ES256))})
	compact, tok, err := signAndDecode(v, exampleClaims())
	require.NoError(t, err)
	tok.Capabilities()[0] = capability.Settings
	tok.Restrictions()[0].Scopes[0] = "admin"
	*tok.Restrictions()[0].UsagesAT = 1000
	tok.Rotation().AutoRevoke = true
	again, err := v.Verify(t.Context(), compact)
	require.NoError(t, err)
	require.Equal(t, exampleClaims(), again.Claims())
}

// Changing the claims of a token does not change the token.
func TestTokenClaimsAreACopy(t *testing.T) {
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, testKey(t, EdDSA))})
	compact, tok, err := signAndDecode(v, exampleClaims())
	require.NoError(t, err)
	c := tok.Claims()
	c.Name, c.Seq = "other", 9
	c.Capabilities[0] = capability.Settings
	c.Restrictions[0].Scopes[0] = "admin"
	*c.Restrictions[0].UsagesAT = 1000
	c.Rotation.AutoRevoke = true
	require.Equal(t, exampleClaims(), tok.Claims())
	again, err := v.Verify(t.Context(), compact)
	require.NoError(t, err)
	require.Equal(t, exampleClaims(), again.Claims(), "the cached token has not changed either")
}

// Claims, Next and Sign make the next generation of a token. It has the same JTI and the
// same time of login.
func TestNextGenerationOfAToken(t *testing.T) {
	keys := testKeys(t, testKey(t, EdDSA))
	later := issueTime().Add(500 * time.Second)
	v := newVerifier(t, VerifierConfig{Keys: keys, Clock: func() time.Time { return later }})
	_, first, err := signAndDecode(v, exampleClaims())
	require.NoError(t, err)
	_, second, err := signAndDecode(v, first.Claims().Next(later))
	require.NoError(t, err)
	require.EqualValues(t, 2, second.Seq())
	require.Equal(t, first.JTI(), second.JTI())
	require.Equal(t, first.ID(), second.ID())
	require.Equal(t, first.AuthTime(), second.AuthTime())
	require.True(t, second.IssuedAt().Equal(later))

	want := first.Claims()
	want.Seq, want.IssuedAt, want.NotBefore = 2, later.Unix(), later.Unix()
	require.Equal(t, want, second.Claims(), "everything else stays")
	require.EqualValues(t, 1, first.Seq())
}

func TestTokenClause(t *testing.T) {
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, testKey(t, EdDSA))})
	c := exampleClaims()
	c.Restrictions = append(c.Restrictions, restriction.Clause{Scopes: []string{"storage"}, UsagesOther: restriction.Usages(2)})
	_, tok, err := signAndDecode(v, c)
	require.NoError(t, err)
	for _, n := range []int{-1, 2, 1000} {
		require.Nil(t, tok.Clause(n), "clause %d", n)
	}
	for n := range 2 {
		clause := tok.Clause(n)
		require.Equal(t, &c.Restrictions[n], clause)
		clause.Scopes[0] = "admin"
		clause.Expires = 1
		require.Equal(t, c.Restrictions, tok.Restrictions(), "Clause returns a copy")
	}
	*tok.Clause(1).UsagesOther = 1000
	require.Equal(t, c.Restrictions, tok.Restrictions())

	_, unrestricted, err := signAndDecode(v, Claims{
		Issuer: testIssuer, OIDCIssuer: testProvider, OIDCSubject: "sub1", IssuedAt: issuedAt, NotBefore: issuedAt,
	})
	require.NoError(t, err)
	require.Nil(t, unrestricted.Clause(0))
	require.Nil(t, (&Token{}).Clause(0))
}

// The zero token is no token.
func TestZeroToken(t *testing.T) {
	var none *Token
	require.False(t, none.Allows(capability.AT))
	require.Equal(t, "mytoken.Token(none)", none.String())
	zero := &Token{}
	require.False(t, zero.Allows(capability.AT))
	require.Empty(t, zero.Capabilities())
	require.Equal(t, "mytoken.Token(none)", zero.String())
	d := zero.Policy().Evaluate(&restriction.Request{Now: issueTime(), Kind: restriction.AT})
	require.False(t, d.Admitted(), "a missing policy admits nothing")
}

// A verifier accepts a token of the reference server with the keys that the server
// publishes. Such a token has no "kid".
func TestReferenceServerToken(t *testing.T) {
	keys, err := ParseJWKS([]byte(referenceFile(t, "jwks.json")))
	require.NoError(t, err)
	now := time.Unix(1795464988, 0)
	v, err := NewVerifier(VerifierConfig{Issuer: "http://127.0.0.1:8000", Keys: keys, Clock: func() time.Time { return now }})
	require.NoError(t, err)
	tok, err := v.Verify(t.Context(), referenceFile(t, "token.txt"))
	require.NoError(t, err)
	require.Equal(t, referenceFile(t, "mom_id.txt"), tok.ID().String())
	require.Equal(t, "94cbb8df-4f9c-46a1-8e29-7e5d157a40d8", tok.JTI().String())
	require.Equal(t, "golden-token", tok.Name())
	require.Equal(t, "vTuitzSYaAUOb86/v77xEQWVAzJPxHgWur5gRCq4Rb4=", tok.Subject())
	require.Equal(t, "user-1", tok.OIDCSubject())
	require.Equal(t, "http://127.0.0.1:9000", tok.OIDCIssuer())
	require.Equal(t, capability.Set{"AT", "create_mytoken", "tokeninfo", "manage_mytokens", "settings"}, tok.Capabilities())
	require.Equal(t, restriction.List{{
		Expires: 4102444800, Scopes: []string{"openid", "profile", "storage.read"},
		UsagesAT: restriction.Usages(50), UsagesOther: restriction.Usages(100),
	}}, tok.Restrictions())
	require.Nil(t, tok.Rotation())
	for _, at := range []time.Time{tok.AuthTime(), tok.IssuedAt(), tok.NotBefore()} {
		require.EqualValues(t, 1795464988, at.Unix())
	}
	require.EqualValues(t, 4102444800, tok.ExpiresAt().Unix())

	now = time.Unix(1795464988-61, 0)
	_, err = v.Verify(t.Context(), referenceFile(t, "token.txt"))
	require.ErrorIs(t, err, ErrTokenNotYetValid)
	now = time.Unix(4102444800, 0)
	_, err = v.Verify(t.Context(), referenceFile(t, "token.txt"))
	require.NoError(t, err, "exp is the last second")
	now = time.Unix(4102444801, 0)
	_, err = v.Verify(t.Context(), referenceFile(t, "token.txt"))
	require.ErrorIs(t, err, ErrTokenExpired)
}
