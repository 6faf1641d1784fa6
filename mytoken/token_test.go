package mytoken

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

const (
	tokIssuer   = "https://mytoken.example.org"
	tokOIDC     = "https://op.example.org/"
	tokIssuedAt = 1795458312
)

// tokNow is the time at which test tokens are issued.
func tokNow() time.Time { return time.Unix(tokIssuedAt, 0) }

// tokClaims are those of the example of protocol section 1.2.
func tokClaims() Claims {
	jti, err := ParseJTI("78d8281d-d746-4734-b65f-b5692de5a8e8")
	if err != nil {
		panic(err)
	}
	c := Claims{
		Issuer: tokIssuer, JTI: jti, Seq: 1, Name: "laptop:batch job",
		OIDCIssuer: tokOIDC, OIDCSubject: "sub1",
		Capabilities: capability.Set{capability.AT, capability.Tokeninfo},
		Restrictions: restriction.List{{
			Expires: tokIssuedAt + 1000, Scopes: []string{"openid"},
			Hosts: []string{"192.0.2.0/24"}, UsagesAT: restriction.Usages(5),
		}},
		Rotation: &Rotation{OnAT: true},
		AuthTime: tokIssuedAt,
	}
	c.SetTimes(tokNow())
	return c
}

// tokCore verifies and signs with keys at a fixed time.
func tokCore(t testing.TB, keys *Keys) *Verifier {
	t.Helper()
	v, err := NewVerifier(VerifierConfig{Issuer: tokIssuer, Keys: keys, Clock: tokNow, Leeway: defaultLeeway, CacheSize: 64})
	require.NoError(t, err)
	return v
}

// tokSign signs claims and reads the token back, as an issuer does.
func tokSign(v *Verifier, c Claims) (string, *Token, error) {
	secret, err := v.source.(*Keys).Sign(c)
	if err != nil {
		return secret.Reveal(), nil, err
	}
	tok, err := v.Decode(context.Background(), secret.Reveal())
	return secret.Reveal(), tok, err
}

// tokCompact signs claims.
func tokCompact(t testing.TB, k *Key, c Claims) string {
	t.Helper()
	written := c.payload()
	payload, err := written.encode()
	require.NoError(t, err)
	return tokSigned(t, k, string(payload))
}

// tokSigned signs any payload.
func tokSigned(t testing.TB, k *Key, payload string) string {
	t.Helper()
	compact, err := k.signer.Sign([]byte(payload), tokenTyp)
	require.NoError(t, err)
	return compact
}

// The example of protocol section 1.2, claim by claim.
func TestTokenAccessors(t *testing.T) {
	core := tokCore(t, tokKeys(t, tokKey(t, ES512)))
	compact, issued, err := tokSign(core, tokClaims())
	require.NoError(t, err)
	verified, err := core.Verify(context.Background(), compact)
	require.NoError(t, err)
	unverified, err := ParseUnverified(compact)
	require.NoError(t, err)
	require.Equal(t, issued.claims, verified.claims)
	require.Equal(t, tokClaims(), verified.Claims())
	require.Equal(t, tokClaims().payload(), unverified.claims)

	require.Equal(t, "3rYLZHjzV611PVVdoewwFDGWZJe9ZuajsQH58nqD1dMbuxjGV6igI6cVk7lKOOi1OU1BOvmaLTl5eKMQ4O3+1Q==", verified.ID().String())
	require.Equal(t, "78d8281d-d746-4734-b65f-b5692de5a8e8", verified.JTI().String())
	require.EqualValues(t, 1, verified.Seq())
	require.Equal(t, "laptop:batch job", verified.Name())
	require.Equal(t, tokIssuer, verified.Issuer())
	require.Equal(t, "09hKzKkzeEDGNSeUdWkQAKLMLZzEz23rhxNH3GzhnH4=", verified.Subject())
	require.Equal(t, verified.Subject(), verified.Owner().String())
	require.Equal(t, tokOIDC, verified.OIDCIssuer())
	require.Equal(t, "sub1", verified.OIDCSubject())
	require.Equal(t, capability.Set{"AT", "tokeninfo"}, verified.Capabilities())
	require.Equal(t, tokClaims().Restrictions, verified.Restrictions())
	require.Equal(t, &Rotation{OnAT: true}, verified.Rotation())
	require.Equal(t, 1, verified.Policy().Len())
	for _, at := range []time.Time{verified.AuthTime(), verified.IssuedAt(), verified.NotBefore()} {
		require.True(t, at.Equal(tokNow()))
	}
	require.EqualValues(t, tokIssuedAt+1000, verified.ExpiresAt().Unix())
	require.Equal(t, core.source.(*Keys).ActiveID(), verified.KeyID())

	require.Equal(t, ES512, unverified.Algorithm())
	require.Equal(t, verified.KeyID(), unverified.KeyID())
	require.Equal(t, verified.ID(), unverified.ID())
	require.Equal(t, tokIssuer, unverified.Audience())
	require.Equal(t, "0.7", unverified.Version())
}

// What a method returns belongs to the caller, also when the token is cached.
func TestTokenIsImmutable(t *testing.T) {
	core := tokCore(t, tokKeys(t, tokKey(t, ES256)))
	compact, tok, err := tokSign(core, tokClaims())
	require.NoError(t, err)
	tok.Capabilities()[0] = capability.Settings
	tok.Restrictions()[0].Scopes[0] = "admin"
	*tok.Restrictions()[0].UsagesAT = 1000
	tok.Rotation().AutoRevoke = true
	again, err := core.Verify(context.Background(), compact)
	require.NoError(t, err)
	require.Equal(t, tokClaims(), again.Claims())
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
	d := zero.Policy().Evaluate(&restriction.Request{Now: tokNow(), Kind: restriction.AT})
	require.False(t, d.Admitted(), "a missing policy admits nothing")
}

// tokReference reads a file of the token that the reference server issued.
func tokReference(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "reference", name))
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

// A token of the reference server, which has no kid, is accepted with the key set that
// the server publishes.
func TestReferenceServerToken(t *testing.T) {
	keys, err := ParseJWKS([]byte(tokReference(t, "jwks.json")))
	require.NoError(t, err)
	now := time.Unix(1795464988, 0)
	v, err := NewVerifier(VerifierConfig{Issuer: "http://127.0.0.1:8000", Keys: keys, Clock: func() time.Time { return now }})
	require.NoError(t, err)
	tok, err := v.Verify(t.Context(), tokReference(t, "token.txt"))
	require.NoError(t, err)
	require.Equal(t, tokReference(t, "mom_id.txt"), tok.ID().String())
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
	_, err = v.Verify(t.Context(), tokReference(t, "token.txt"))
	require.ErrorIs(t, err, ErrTokenNotYetValid)
	now = time.Unix(4102444800, 0)
	_, err = v.Verify(t.Context(), tokReference(t, "token.txt"))
	require.NoError(t, err, "exp is the last second")
	now = time.Unix(4102444801, 0)
	_, err = v.Verify(t.Context(), tokReference(t, "token.txt"))
	require.ErrorIs(t, err, ErrTokenExpired)
}

// tokPayload is a valid payload; members replaces those of the same name, and leaves out
// the ones that are "".
func tokPayload(members map[string]string) string {
	all := [][2]string{
		{"ver", `"0.7"`}, {"token_type", `"mytoken"`}, {"iss", `"` + tokIssuer + `"`}, {"aud", `"` + tokIssuer + `"`},
		{"sub", `"09hKzKkzeEDGNSeUdWkQAKLMLZzEz23rhxNH3GzhnH4="`}, {"jti", `"78d8281d-d746-4734-b65f-b5692de5a8e8"`},
		{"seq_no", "1"}, {"oidc_iss", `"https://op.example.org/"`}, {"oidc_sub", `"sub1"`},
		{"capabilities", `["AT"]`}, {"iat", fmt.Sprint(tokIssuedAt)}, {"nbf", fmt.Sprint(tokIssuedAt)},
		{"exp", ""}, {"name", ""}, {"restrictions", ""}, {"rotation", ""}, {"auth_time", ""},
	}
	var parts []string
	for _, m := range all {
		value, ok := members[m[0]]
		if !ok {
			value = m[1]
		}
		if value != "" {
			parts = append(parts, `"`+m[0]+`":`+value)
		}
	}
	if extra := members[""]; extra != "" {
		parts = append(parts, extra)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// Claims that are refused although the signature is the issuer's.
func TestClaimsRefused(t *testing.T) {
	key := tokKey(t, EdDSA)
	core := tokCore(t, tokKeys(t, key))
	_, err := core.Verify(context.Background(), tokSigned(t, key, tokPayload(nil)))
	require.NoError(t, err)

	one := func(name, value string) string { return tokPayload(map[string]string{name: value}) }
	restrictions := func(value string) string { return one("restrictions", value) }
	type test struct {
		name, payload string
		want          error
	}
	tests := []test{
		{"not JSON", `x`, ErrTokenMalformed},
		{"array", `[]`, ErrTokenMalformed},
		{"null", `null`, ErrTokenMalformed},
		{"trailing", tokPayload(nil) + `{}`, ErrTokenMalformed},
		{"truncated", strings.TrimSuffix(tokPayload(nil), "}"), ErrTokenMalformed},
		{"not UTF-8", one("name", "\"\xff\""), ErrTokenMalformed},
		{"lone surrogate", one("name", `"\ud800"`), ErrTokenMalformed},
		{"repeated claim", tokPayload(map[string]string{"": `"seq_no":1`}), ErrTokenMalformed},
		{"repeated claim, escaped", tokPayload(map[string]string{"": `"\u0065xp":1795459999,"exp":1795459999`}), ErrTokenMalformed},
		{"repeated unknown claim", tokPayload(map[string]string{"": `"x":1,"x":1`}), ErrTokenMalformed},
		{"repeated below an unknown claim", tokPayload(map[string]string{"": `"x":{"y":1,"y":1}`}), ErrTokenMalformed},

		{"type", one("token_type", `"access_token"`), ErrTokenType},
		{"type in another case", one("token_type", `"Mytoken"`), ErrTokenType},
		{"newer version", one("ver", `"0.8"`), ErrTokenVersion},
		{"newer major version", one("ver", `"1.0"`), ErrTokenVersion},
		{"two digits", one("ver", `"0.10"`), ErrTokenVersion},
		{"no version", one("ver", `"0."`), ErrTokenVersion},
		{"sign in version", one("ver", `"0.+7"`), ErrTokenVersion},
		{"empty version", one("ver", `""`), ErrTokenMalformed},

		{"issuer", one("iss", `"https://evil.example.org"`), ErrTokenIssuer},
		{"issuer with slash", one("iss", `"https://mytoken.example.org/"`), ErrTokenIssuer},
		{"audience", one("aud", `"https://evil.example.org"`), ErrTokenIssuer},
		{"audiences", one("aud", `["https://mytoken.example.org"]`), ErrTokenMalformed},
		{"subject", one("oidc_sub", `"sub2"`), ErrTokenSubject},
		{"provider", one("oidc_iss", `"https://op.example.org"`), ErrTokenSubject},
		{"subject without padding", one("sub", `"09hKzKkzeEDGNSeUdWkQAKLMLZzEz23rhxNH3GzhnH4"`), ErrTokenSubject},
		{"nobody", tokPayload(map[string]string{"oidc_sub": `""`, "sub": `"p//G+L8e12ZRwUdWoGHWYvWA/03kO0n6gtgKS4D4Q0o="`}), ErrTokenMalformed},

		{"zero jti", one("jti", `"00000000-0000-0000-0000-000000000000"`), ErrTokenMalformed},
		{"upper-case jti", one("jti", `"78D8281D-D746-4734-B65F-B5692DE5A8E8"`), ErrTokenMalformed},
		{"generation 0", one("seq_no", `0`), ErrTokenMalformed},
		{"negative generation", one("seq_no", `-1`), ErrTokenMalformed},
		{"generation as text", one("seq_no", `"1"`), ErrTokenMalformed},

		{"exp as float", one("exp", `1795459312.5`), ErrTokenMalformed},
		{"exp with exponent", one("exp", `1e10`), ErrTokenMalformed},
		{"exp as text", one("exp", `"1795459312"`), ErrTokenMalformed},
		{"exp 0", one("exp", `0`), ErrTokenMalformed},
		{"exp negative", one("exp", `-5`), ErrTokenMalformed},
		{"exp in a thousand centuries", one("exp", `253402300800`), ErrTokenMalformed},
		{"exp overflows", one("exp", `99999999999999999999`), ErrTokenMalformed},

		{"no capabilities", one("capabilities", `null`), ErrTokenMalformed},
		{"capabilities as text", one("capabilities", `"AT"`), ErrTokenMalformed},
		{"capability null", one("capabilities", `[null]`), ErrTokenMalformed},
		{"too many capabilities", one("capabilities", `["x"`+strings.Repeat(`,"x"`, capability.MaxCount)+`]`), ErrTokenTooLarge},

		{"restrictions null", restrictions(`null`), ErrTokenRestrictions},
		{"restrictions empty", restrictions(`[]`), ErrTokenRestrictions},
		{"restrictions object", restrictions(`{}`), ErrTokenRestrictions},
		{"restrictions text", restrictions(`"x"`), ErrTokenRestrictions},
		{"clause null", restrictions(`[null]`), ErrTokenRestrictions},
		{"clause array", restrictions(`[[]]`), ErrTokenRestrictions},
		{"clause empty", restrictions(`[{}]`), ErrTokenRestrictions},
		{"one clause empty", restrictions(`[{"scope":"a"},{}]`), ErrTokenRestrictions},
		{"repeated key", restrictions(`[{"exp":1,"exp":2}]`), ErrTokenMalformed},
		{"many clauses", restrictions(`[` + strings.TrimSuffix(strings.Repeat(`{"exp":5},`, 10_000), ",") + `]`), ErrTokenTooLarge},
		{"deep clause", restrictions(`[{"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}]`), ErrTokenTooLarge},
		{"deep", one("name", strings.Repeat("[", 100_000)), ErrTokenTooLarge},
		{"deep, closed", tokPayload(map[string]string{"": `"x":` + strings.Repeat("[", 50) + strings.Repeat("]", 50)}), ErrTokenTooLarge},

		{"rotation null", one("rotation", `null`), ErrTokenMalformed},
		{"rotation text", one("rotation", `"daily"`), ErrTokenMalformed},
		{"unknown rotation", one("rotation", `{"on_full_moon":true}`), ErrTokenMalformed},
		{"bound to a key", tokPayload(map[string]string{"": `"cnf":{"jkt":"x"}`}), ErrTokenMalformed},
	}
	for _, name := range []string{"ver", "token_type", "iss", "sub", "aud", "jti", "seq_no", "oidc_iss", "oidc_sub", "capabilities", "iat", "nbf"} {
		tests = append(tests,
			test{name + " is missing", one(name, ""), ErrTokenMalformed},
			test{name + " is empty", one(name, `""`), ErrTokenMalformed},
			test{name + " is null", one(name, "null"), ErrTokenMalformed},
			test{name + " in another case", tokPayload(map[string]string{name: "", "": `"` + strings.ToUpper(name) + `":1`}), ErrTokenMalformed})
	}
	for _, name := range []string{"exp", "name", "auth_time"} {
		tests = append(tests, test{name + " is null", one(name, "null"), ErrTokenMalformed})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tok, err := core.Verify(context.Background(), tokSigned(t, key, tt.payload))
			require.ErrorIs(t, err, tt.want)
			require.Nil(t, tok)
			var invalid *InvalidTokenError
			require.ErrorAs(t, err, &invalid)
			require.Less(t, len(err.Error()), 600, "an error does not repeat the token")
		})
	}
	require.Len(t, core.cache.entries, 1, "no refusal is remembered")
}

// Other forms of a good token are accepted: claims that are not known, an older version,
// the older name of "hosts", a rotation that says nothing.
func TestClaimsAccepted(t *testing.T) {
	key := tokKey(t, EdDSA)
	core := tokCore(t, tokKeys(t, key))
	for _, payload := range []string{
		tokPayload(map[string]string{"": `"new_claim":{"a":[1,2,null]},"Exp":1`}),
		tokPayload(map[string]string{"ver": `"0.6"`}),
		tokPayload(map[string]string{"rotation": `{}`, "auth_time": "0", "capabilities": "[]"}),
		" " + strings.ReplaceAll(tokPayload(nil), ",", " ,\n\t"),
	} {
		_, err := core.Verify(context.Background(), tokSigned(t, key, payload))
		require.NoError(t, err, payload)
	}
	old, err := core.Verify(context.Background(), tokSigned(t, key, tokPayload(map[string]string{"restrictions": `[{"ip":["192.0.2.1"]}]`})))
	require.NoError(t, err)
	require.Equal(t, []string{"192.0.2.1"}, old.Restrictions()[0].Hosts)
}

// proves P2: an unknown key restricts, and its value survives byte for byte.
func TestUnknownRestrictionKey(t *testing.T) {
	key := tokKey(t, EdDSA)
	core := tokCore(t, tokKeys(t, key))
	const clause = `[{"unknown_key": {"b" :1.0, "a":"\u00e9\/" }}]`
	tok, err := core.Verify(context.Background(), tokSigned(t, key, tokPayload(map[string]string{"restrictions": clause})))
	require.NoError(t, err)
	for kind := restriction.AT; kind <= restriction.Uncounted; kind++ {
		d := tok.Policy().Evaluate(&restriction.Request{Now: tokNow(), Kind: kind})
		require.False(t, d.Admitted())
	}
	compact, _, err := tokSign(core, tok.Claims())
	require.NoError(t, err)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[1])
	require.NoError(t, err)
	require.Contains(t, string(payload), `{"b" :1.0, "a":"\u00e9\/" }`)
}

// What is signed is what was asked for, whatever the claims hold.
func TestClaimsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := tokClaims()
		c.Seq = rapid.Uint64Range(1, 1<<62).Draw(t, "seq")
		c.Name = rapid.String().Draw(t, "name")
		c.OIDCSubject = rapid.StringN(1, 100, 300).Draw(t, "sub")
		c.JTI = newJTI()
		c.AuthTime = rapid.Int64Range(0, maxClaimTime).Draw(t, "auth_time")
		c.ExpiresAt = rapid.Int64Range(0, maxClaimTime).Draw(t, "exp")
		if rapid.Bool().Draw(t, "unrestricted") {
			c.Restrictions = nil
		}
		c.Rotation = rapid.Ptr(rapid.Custom(func(t *rapid.T) Rotation {
			return Rotation{
				OnAT: rapid.Bool().Draw(t, "on_AT"), OnOther: rapid.Bool().Draw(t, "on_other"),
				AutoRevoke: rapid.Bool().Draw(t, "auto_revoke"), Lifetime: rapid.Uint64Range(0, maxRotationLifetime).Draw(t, "lifetime"),
			}
		}), true).Draw(t, "rotation")
		written := c.payload()
		payload, err := written.encode()
		if err != nil {
			t.Fatal(err)
		}
		var back claims
		if err := back.decode(payload); err != nil {
			t.Fatalf("%v: %s", err, payload)
		}
		if !reflect.DeepEqual(back, written) {
			t.Fatalf("%+v became %+v", written, back)
		}
	})
}

// A token that its verifiers would refuse is not issued.
func TestSignRefuses(t *testing.T) {
	key := tokKey(t, ES256)
	core := tokCore(t, tokKeys(t, key))
	change := func(f func(*Claims)) Claims {
		c := tokClaims()
		f(&c)
		return c
	}
	for name, tt := range map[string]struct {
		c    Claims
		want error
	}{
		"empty":            {Claims{}, ErrTokenMalformed},
		"other issuer":     {change(func(c *Claims) { c.Issuer = "x" }), ErrTokenIssuer},
		"no subject":       {change(func(c *Claims) { c.OIDCSubject = "" }), ErrTokenMalformed},
		"not UTF-8":        {change(func(c *Claims) { c.Name = "\xff" }), ErrTokenMalformed},
		"empty clause":     {change(func(c *Claims) { c.Restrictions = restriction.List{{}} }), ErrTokenMalformed},
		"emptied list":     {change(func(c *Claims) { c.Restrictions[0].Scopes = []string{} }), ErrTokenMalformed},
		"endless lifetime": {change(func(c *Claims) { c.Rotation.Lifetime = 1 << 60 }), ErrTokenMalformed},
		"far future":       {change(func(c *Claims) { c.ExpiresAt = maxClaimTime + 1 }), ErrTokenMalformed},
		"too large":        {change(func(c *Claims) { c.Name = strings.Repeat("x", MaxTokenBytes) }), ErrTokenTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			_, tok, err := tokSign(core, tt.c)
			require.ErrorIs(t, err, tt.want)
			require.Nil(t, tok)
		})
	}
	_, err := tokKeys(t, nil, key.Public()).Sign(tokClaims())
	require.ErrorIs(t, err, ErrNoSigningKey)
	_, err = (*Keys)(nil).Sign(tokClaims())
	require.ErrorIs(t, err, ErrNoSigningKey)
}

func TestParseUnverifiedRefuses(t *testing.T) {
	key := tokKey(t, EdDSA)
	for in, want := range map[string]error{
		"":                                     ErrTokenMalformed,
		"abc":                                  ErrTokenMalformed,
		"a.b.c":                                ErrTokenMalformed,
		strings.Repeat("a", MaxTokenBytes+1):   ErrTokenTooLarge,
		strings.Repeat("a", 1<<20):             ErrTokenTooLarge,
		tokSigned(t, key, `{}`):                ErrTokenMalformed,
		tokSigned(t, key, `{"exp":null}`):      ErrTokenMalformed,
		tokSigned(t, key, `{"ver":"0.7","a":`): ErrTokenMalformed,
	} {
		tok, err := ParseUnverified(in)
		require.ErrorIs(t, err, want)
		require.Nil(t, tok)
		var invalid *InvalidTokenError
		require.True(t, errors.As(err, &invalid))
	}
	// It checks the form and nothing else.
	tok, err := ParseUnverified(tokSigned(t, key, tokPayload(map[string]string{"iss": `"https://evil.example.org"`, "sub": `"x"`, "exp": "5"})))
	require.NoError(t, err)
	require.Equal(t, "https://evil.example.org", tok.Issuer())
	require.Equal(t, "x", tok.Subject())
}
