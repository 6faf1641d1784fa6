package mytoken

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// A good signature does not help malformed claims.
func TestClaimsRefused(t *testing.T) {
	key := testKey(t, EdDSA)
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key)})
	_, err := v.Verify(t.Context(), signPayload(t, key, payloadWith(nil)))
	require.NoError(t, err)

	one := func(name, value string) string { return payloadWith(map[string]string{name: value}) }
	restrictions := func(value string) string { return one("restrictions", value) }
	type test struct {
		name, payload string
		want          error
	}
	tests := []test{
		{"not JSON", `x`, ErrTokenMalformed},
		{"array", `[]`, ErrTokenMalformed},
		{"null", `null`, ErrTokenMalformed},
		{"trailing", payloadWith(nil) + `{}`, ErrTokenMalformed},
		{"truncated", strings.TrimSuffix(payloadWith(nil), "}"), ErrTokenMalformed},
		{"not UTF-8", one("name", "\"\xff\""), ErrTokenMalformed},
		{"lone surrogate", one("name", `"\ud800"`), ErrTokenMalformed},
		{"repeated claim", payloadWith(map[string]string{"": `"seq_no":1`}), ErrTokenMalformed},
		{"repeated claim, escaped", payloadWith(map[string]string{"": `"\u0065xp":1795459999,"exp":1795459999`}), ErrTokenMalformed},
		{"repeated unknown claim", payloadWith(map[string]string{"": `"x":1,"x":1`}), ErrTokenMalformed},
		{"repeated below an unknown claim", payloadWith(map[string]string{"": `"x":{"y":1,"y":1}`}), ErrTokenMalformed},

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
		{"nobody", payloadWith(map[string]string{"oidc_sub": `""`, "sub": `"p//G+L8e12ZRwUdWoGHWYvWA/03kO0n6gtgKS4D4Q0o="`}), ErrTokenMalformed},

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
		{"deep, closed", payloadWith(map[string]string{"": `"x":` + strings.Repeat("[", 50) + strings.Repeat("]", 50)}), ErrTokenTooLarge},

		{"rotation null", one("rotation", `null`), ErrTokenMalformed},
		{"rotation text", one("rotation", `"daily"`), ErrTokenMalformed},
		{"unknown rotation", one("rotation", `{"on_full_moon":true}`), ErrTokenMalformed},
		{"bound to a key", payloadWith(map[string]string{"": `"cnf":{"jkt":"x"}`}), ErrTokenMalformed},
	}
	for _, name := range []string{"ver", "token_type", "iss", "sub", "aud", "jti", "seq_no", "oidc_iss", "oidc_sub", "capabilities", "iat", "nbf"} {
		tests = append(tests,
			test{name + " is missing", one(name, ""), ErrTokenMalformed},
			test{name + " is empty", one(name, `""`), ErrTokenMalformed},
			test{name + " is null", one(name, "null"), ErrTokenMalformed},
			test{name + " in another case", payloadWith(map[string]string{name: "", "": `"` + strings.ToUpper(name) + `":1`}), ErrTokenMalformed})
	}
	for _, name := range []string{"exp", "name", "auth_time"} {
		tests = append(tests, test{name + " is null", one(name, "null"), ErrTokenMalformed})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tok, err := v.Verify(t.Context(), signPayload(t, key, tt.payload))
			require.ErrorIs(t, err, tt.want)
			require.Nil(t, tok)
			var invalid *InvalidTokenError
			require.ErrorAs(t, err, &invalid)
			require.Less(t, len(err.Error()), 600, "an error does not repeat the token")
		})
	}
	require.Len(t, v.cache.entries, 1, "no refusal is remembered")
}

// A token may have unknown claims, an older version, the older name of "hosts", or a
// rotation that never happens.
func TestClaimsAccepted(t *testing.T) {
	key := testKey(t, EdDSA)
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key)})
	for _, payload := range []string{
		payloadWith(map[string]string{"": `"new_claim":{"a":[1,2,null]},"Exp":1`}),
		payloadWith(map[string]string{"ver": `"0.6"`}),
		payloadWith(map[string]string{"rotation": `{}`, "auth_time": "0", "capabilities": "[]"}),
		" " + strings.ReplaceAll(payloadWith(nil), ",", " ,\n\t"),
	} {
		_, err := v.Verify(t.Context(), signPayload(t, key, payload))
		require.NoError(t, err, payload)
	}
	old, err := v.Verify(t.Context(), signPayload(t, key, payloadWith(map[string]string{"restrictions": `[{"ip":["192.0.2.1"]}]`})))
	require.NoError(t, err)
	require.Equal(t, []string{"192.0.2.1"}, old.Restrictions()[0].Hosts)
}

// proves P2: a clause with an unknown key admits nothing, and the key's value survives
// byte for byte.
func TestUnknownRestrictionKey(t *testing.T) {
	key := testKey(t, EdDSA)
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key)})
	const clause = `[{"unknown_key": {"b" :1.0, "a":"\u00e9\/" }}]`
	tok, err := v.Verify(t.Context(), signPayload(t, key, payloadWith(map[string]string{"restrictions": clause})))
	require.NoError(t, err)
	for kind := restriction.AT; kind <= restriction.Uncounted; kind++ {
		d := tok.Policy().Evaluate(&restriction.Request{Now: issueTime(), Kind: kind})
		require.False(t, d.Admitted())
	}
	compact, _, err := signAndDecode(v, tok.Claims())
	require.NoError(t, err)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[1])
	require.NoError(t, err)
	require.Contains(t, string(payload), `{"b" :1.0, "a":"\u00e9\/" }`)
}

// Any claims are read back as they were written.
func TestClaimsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := exampleClaims()
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
