package mytoken

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

const (
	testIssuer   = "https://mytoken.example.org"
	testProvider = "https://op.example.org/"
	issuedAt     = 1795458312 // Unix seconds
)

// issueTime returns the time at which test tokens are issued.
func issueTime() time.Time { return time.Unix(issuedAt, 0) }

// exampleClaims returns the claims of the example in protocol section 1.2.
func exampleClaims() Claims {
	jti, err := ParseJTI("78d8281d-d746-4734-b65f-b5692de5a8e8")
	if err != nil {
		panic(err)
	}
	c := Claims{
		Issuer: testIssuer, JTI: jti, Seq: 1, Name: "laptop:batch job",
		OIDCIssuer: testProvider, OIDCSubject: "sub1",
		Capabilities: capability.Set{capability.AT, capability.Tokeninfo},
		Restrictions: restriction.List{{
			Expires: issuedAt + 1000, Scopes: []string{"openid"},
			Hosts: []string{"192.0.2.0/24"}, UsagesAT: restriction.Usages(5),
		}},
		Rotation: &Rotation{OnAT: true},
		AuthTime: issuedAt,
	}
	c.SetTimes(issueTime())
	return c
}

// payloadWith returns the text of a valid payload after some changes. Members replace
// those of the same name. A member "" removes one. The member without a name is appended
// as it is.
func payloadWith(members map[string]string) string {
	all := [][2]string{
		{"ver", `"0.7"`}, {"token_type", `"mytoken"`}, {"iss", `"` + testIssuer + `"`}, {"aud", `"` + testIssuer + `"`},
		{"sub", `"09hKzKkzeEDGNSeUdWkQAKLMLZzEz23rhxNH3GzhnH4="`}, {"jti", `"78d8281d-d746-4734-b65f-b5692de5a8e8"`},
		{"seq_no", "1"}, {"oidc_iss", `"https://op.example.org/"`}, {"oidc_sub", `"sub1"`},
		{"capabilities", `["AT"]`}, {"iat", fmt.Sprint(issuedAt)}, {"nbf", fmt.Sprint(issuedAt)},
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

// testKey generates a key.
func testKey(t testing.TB, alg Algorithm) *Key {
	t.Helper()
	k, err := GenerateKey(alg)
	require.NoError(t, err)
	return k
}

// testKeys makes a set of keys. If active is nil, it only checks.
func testKeys(t testing.TB, active *Key, check ...*PublicKey) *Keys {
	t.Helper()
	k, err := NewKeys(active, check...)
	require.NoError(t, err)
	return k
}

// newVerifier makes a verifier of testIssuer. Its clock stands still at issueTime unless
// the configuration has another one.
func newVerifier(t testing.TB, cfg VerifierConfig) *Verifier {
	t.Helper()
	cfg.Issuer = testIssuer
	if cfg.Clock == nil {
		cfg.Clock = issueTime
	}
	v, err := NewVerifier(cfg)
	require.NoError(t, err)
	return v
}

// signAndDecode signs claims with the keys of a verifier and reads the token back.
func signAndDecode(v *Verifier, c Claims) (string, *Token, error) {
	secret, err := v.source.(*Keys).Sign(c)
	if err != nil {
		return secret.Reveal(), nil, err
	}
	tok, err := v.Decode(context.Background(), secret.Reveal())
	return secret.Reveal(), tok, err
}

// signClaims signs claims without the checks of [Keys.Sign].
func signClaims(t testing.TB, k *Key, c Claims) string {
	t.Helper()
	written := c.payload()
	payload, err := written.encode()
	require.NoError(t, err)
	return signPayload(t, k, string(payload))
}

// signPayload signs any text as the payload of a mytoken.
func signPayload(t testing.TB, k *Key, payload string) string {
	t.Helper()
	compact, err := k.signer.Sign([]byte(payload), tokenTyp)
	require.NoError(t, err)
	return compact
}

// referenceFile reads a file about the token that the reference server issued.
func referenceFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "reference", name))
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}

// base64URL encodes a part of a compact token.
func base64URL(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// jsonText returns a value as encoding/json writes it.
func jsonText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}
