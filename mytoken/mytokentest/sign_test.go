package mytokentest_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

// newStorage is the service to test: it gives data to whoever has a mytoken for it.
func newStorage(config mytoken.VerifierConfig) (http.Handler, error) {
	verifier, err := mytoken.NewVerifier(config)
	if err != nil {
		return nil, err
	}
	require, err := mytoken.RequireMytoken(verifier, mytoken.MiddlewareOptions{
		Use: mytoken.Use{Capability: capability.AT, Kind: restriction.Uncounted}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	return require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := mytoken.TokenFromContext(r.Context())
		fmt.Fprint(w, "data of ", token.OIDCSubject())
	})), nil
}

// How do I test a service that accepts mytokens? Sign gives the test a token and what the
// service needs to verify it.
func ExampleSign() {
	for _, test := range []struct {
		name   string
		claims mytoken.Claims
	}{
		{"a good token", mytoken.Claims{}},
		{"one of bob", mytoken.Claims{OIDCSubject: "bob"}},
		{"without the capability", mytoken.Claims{Capabilities: capability.Set{capability.Tokeninfo}}},
		{"for another network", mytoken.Claims{Restrictions: restriction.List{{Hosts: []string{"198.51.100.0/24"}}}}},
		{"expired", mytoken.Claims{Restrictions: restriction.List{{Expires: time.Now().Unix() - 1}}}},
	} {
		token, config, err := mytokentest.Sign(test.claims)
		if err != nil {
			panic(err)
		}
		handler, err := newStorage(config)
		if err != nil {
			panic(err)
		}
		request := httptest.NewRequest(http.MethodGet, "/data", nil)
		request.Header.Set("Authorization", "Bearer "+token.Reveal())
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		fmt.Println(test.name, answer.Code)
	}
	// Output:
	// a good token 200
	// one of bob 200
	// without the capability 403
	// for another network 403
	// expired 401
}

// Sign fills in what is missing and nothing else. One verifier accepts all tokens.
func TestSign(t *testing.T) {
	first, config, err := mytokentest.Sign(mytoken.Claims{})
	require.NoError(t, err)
	verifier, err := mytoken.NewVerifier(config)
	require.NoError(t, err)
	token, err := verifier.Verify(t.Context(), first.Reveal())
	require.NoError(t, err)
	require.Equal(t, "alice", token.OIDCSubject())
	require.Zero(t, token.ExpiresAt())

	issued := time.Now().Add(-time.Hour).Unix()
	jti, err := mytoken.ParseJTI("78d8281d-d746-4734-b65f-b5692de5a8e8")
	require.NoError(t, err)
	want := mytoken.Claims{
		Issuer: mytokentest.IssuerURL, JTI: jti, Seq: 7, Name: "job", OIDCIssuer: "https://other.example.org", OIDCSubject: "bob",
		Capabilities: capability.Set{capability.Tokeninfo}, Restrictions: restriction.List{{Expires: issued + 7200}},
		AuthTime: issued - 1, IssuedAt: issued, NotBefore: issued + 60, ExpiresAt: issued + 7000,
	}
	second, _, err := mytokentest.Sign(want)
	require.NoError(t, err)
	token, err = verifier.Verify(t.Context(), second.Reveal())
	require.NoError(t, err)
	require.Equal(t, want, token.Claims())

	from := time.Now().Add(time.Hour).Unix()
	for text, c := range map[string]mytoken.Claims{
		"expired":   {IssuedAt: issued, ExpiresAt: issued + 1},
		"from":      {Restrictions: restriction.List{{NotBefore: from}}},
		"malformed": {Name: "\xff"},
	} {
		token, _, err := mytokentest.Sign(c)
		if err == nil {
			_, err = verifier.Verify(t.Context(), token.Reveal())
		}
		require.Error(t, err, text)
	}

	// A service that fetches the keys accepts the token too.
	jwks := config.Keys.JWKS()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(jwks) }))
	defer server.Close()
	config.Keys, config.JWKSURL = nil, server.URL
	fetching, err := mytoken.NewVerifier(config)
	require.NoError(t, err)
	_, err = fetching.Verify(t.Context(), first.Reveal())
	require.NoError(t, err)
}
