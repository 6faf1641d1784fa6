package mytoken_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// How do I test a service that accepts mytokens, without an issuer?
func ExampleKeys_Sign() {
	// The test makes a key and a token of its own.
	key, err := mytoken.GenerateKey(mytoken.ES256)
	if err != nil {
		panic(err)
	}
	keys, err := mytoken.NewKeys(key)
	if err != nil {
		panic(err)
	}
	now := time.Now()
	claims := mytoken.Claims{
		Issuer:     "https://mytoken.example.org",
		OIDCIssuer: "https://op.example.org", OIDCSubject: "alice",
		Capabilities: capability.Set{capability.AT},
		Restrictions: restriction.List{{Hosts: []string{"192.0.2.0/24"}, Expires: now.Add(time.Hour).Unix()}},
	}
	claims.SetTimes(now)
	token, err := keys.Sign(claims)
	if err != nil {
		panic(err)
	}

	// The service checks tokens with the key of the test, instead of the issuer's.
	verifier, err := mytoken.NewVerifier(mytoken.VerifierConfig{Issuer: claims.Issuer, Keys: keys})
	if err != nil {
		panic(err)
	}
	verified, err := verifier.Verify(context.Background(), token.Reveal())
	if err != nil {
		panic(err)
	}
	fmt.Println("token of", verified.OIDCSubject())

	requireMytoken, err := mytoken.RequireMytoken(verifier, mytoken.MiddlewareOptions{
		Use:    mytoken.Use{Capability: capability.AT, Kind: restriction.Uncounted},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	handler := requireMytoken(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, client := range []string{"192.0.2.7:40000", "198.51.100.7:40000"} {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.RemoteAddr = client
		request.Header.Set("Authorization", "Bearer "+token.Reveal())
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, request)
		fmt.Println(client, response.Code)
	}
	// Output:
	// token of alice
	// 192.0.2.7:40000 200
	// 198.51.100.7:40000 403
}
