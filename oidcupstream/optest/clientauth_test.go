package optest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

func TestClientAuthenticationRefused(t *testing.T) {
	c := start(t, optest.Options{})
	rt := c.login().RefreshToken
	for name, auth := range map[string]func(*http.Request, url.Values){
		"nothing":      func(*http.Request, url.Values) {},
		"no secret":    func(_ *http.Request, f url.Values) { f.Set("client_id", optest.DefaultClientID) },
		"wrong secret": func(r *http.Request, _ url.Values) { r.SetBasicAuth(optest.DefaultClientID, "guess") },
		"empty secret": func(r *http.Request, _ url.Values) { r.SetBasicAuth(optest.DefaultClientID, "") },
		"unknown":      func(r *http.Request, _ url.Values) { r.SetBasicAuth("nobody", optest.DefaultClientSecret) },
		"not encoded":  func(r *http.Request, _ url.Values) { r.SetBasicAuth(optest.DefaultClientID, "%zz") },
		"two names": func(r *http.Request, f url.Values) {
			r.SetBasicAuth(optest.DefaultClientID, optest.DefaultClientSecret)
			f.Set("client_id", "other")
		},
		"two methods": func(r *http.Request, f url.Values) {
			r.SetBasicAuth(optest.DefaultClientID, optest.DefaultClientSecret)
			f.Set("client_secret", optest.DefaultClientSecret)
		},
		"nonsense assertion": func(_ *http.Request, f url.Values) {
			f.Set("client_id", optest.DefaultClientID)
			f.Set("client_assertion", "a.b.c")
			f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		},
	} {
		good := c.auth
		c.auth = auth
		a := c.refresh(rt)
		require.Equal(t, 401, a.Status, name)
		require.Equal(t, "invalid_client", a.Error, name)
		c.auth = good
	}
	require.Equal(t, 200, c.refresh(rt).Status)
}

// An assertion is valid for one request of its client, until it expires.
func TestAssertions(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := start(t, optest.Options{Clients: []optest.Client{{ID: "jwt", PublicKeys: []crypto.PublicKey{key.Public()}}, {ID: "twin", PublicKeys: []crypto.PublicKey{key.Public()}}}})
	config := c.op.ClientConfig(callback)
	config.Auth = oidcupstream.PrivateKeyJWT(key, "ES256", "")
	p, err := oidcupstream.New(config)
	require.NoError(t, err)
	assertion := func() string {
		require.NoError(t, p.Revoke(t.Context(), "unknown"))
		secrets := c.op.Secrets()
		return secrets[len(secrets)-1]
	}
	present := func(client, assertionType, assertion string) int {
		c.auth = func(_ *http.Request, f url.Values) {
			f.Set("client_id", client)
			f.Set("client_assertion_type", assertionType)
			f.Set("client_assertion", assertion)
		}
		return c.post("/revoke", url.Values{"token": {"unknown"}}).Status
	}
	const bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	sign := func(claims map[string]any) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
		require.NoError(t, err)
		raw, err := json.Marshal(claims)
		require.NoError(t, err)
		jws, err := signer.Sign(raw)
		require.NoError(t, err)
		compact, err := jws.CompactSerialize()
		require.NoError(t, err)
		return compact
	}
	claims := func(name string, value any) map[string]any {
		all := map[string]any{"iss": "jwt", "sub": "jwt", "aud": c.op.Issuer(), "jti": rand.Text(), "exp": c.now.Unix() + 60}
		all[name] = value
		return all
	}
	require.Equal(t, 401, present("jwt", bearer, assertion()), "used")
	require.Equal(t, 200, present("jwt", bearer, sign(claims("aud", []string{"x", c.op.Issuer() + "/token"}))))
	require.Equal(t, 401, present("twin", bearer, sign(claims("jti", "1"))), "about another client")
	require.Equal(t, 401, present("jwt", "urn:x", sign(claims("jti", "2"))))
	require.Equal(t, 401, present("jwt", bearer, sign(claims("jti", ""))))
	require.Equal(t, 401, present("jwt", bearer, sign(claims("aud", "https://other.example"))))
	require.Equal(t, 401, present("jwt", bearer, sign(claims("iss", "twin"))))
	require.Equal(t, 401, present("jwt", bearer, sign(claims("exp", c.now.Unix()))))
	require.Equal(t, 401, present("jwt", bearer, sign(claims("exp", "soon"))))
}
