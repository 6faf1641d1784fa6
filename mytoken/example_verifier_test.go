package mytoken_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// exampleToken is a mytoken and the keys of its issuer, http://127.0.0.1:8000.
func exampleToken() (compact string, jwks []byte) {
	text, err := os.ReadFile("testdata/reference/token.txt")
	if err != nil {
		panic(err)
	}
	if jwks, err = os.ReadFile("testdata/reference/jwks.json"); err != nil {
		panic(err)
	}
	return strings.TrimSpace(string(text)), jwks
}

// exampleClock stands still; leave the field out to use the time of the day.
func exampleClock() time.Time { return time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC) }

// How do I check a mytoken in a service that did not issue it?
func ExampleVerifier() {
	compact, jwks := exampleToken()
	keys, err := mytoken.ParseJWKS(jwks)
	if err != nil {
		panic(err)
	}
	verifier, err := mytoken.NewVerifier(mytoken.VerifierConfig{
		Issuer: "http://127.0.0.1:8000",
		Keys:   keys, // or JWKSURL, to fetch them when they are needed
		Clock:  exampleClock,
		// The clause of this token limits its uses, which a verifier cannot count.
		AssumeUsagesLeft: true,
	})
	if err != nil {
		panic(err)
	}

	token, err := verifier.Verify(context.Background(), compact)
	if err != nil {
		panic(err)
	}
	fmt.Println(token.Name(), "of", token.OIDCSubject(), "at", token.OIDCIssuer())

	err = verifier.Check(context.Background(), token, mytoken.Use{
		Capability: capability.AT,
		Kind:       restriction.AT,
		Address:    netip.MustParseAddr("192.0.2.7"),
		Scopes:     []string{"storage.read"},
	})
	fmt.Println("read:", err)

	err = verifier.Check(context.Background(), token, mytoken.Use{
		Capability: capability.AT,
		Kind:       restriction.AT,
		Scopes:     []string{"storage.write"},
	})
	fmt.Println("write:", err)
	// Output:
	// golden-token of user-1 at http://127.0.0.1:9000
	// read: <nil>
	// write: restriction: use refused: scope
}

// How do I tell a bad token from a verifier that cannot do its work?
func ExampleInvalidTokenError() {
	compact, jwks := exampleToken()
	keys, err := mytoken.ParseJWKS(jwks)
	if err != nil {
		panic(err)
	}
	verifier, err := mytoken.NewVerifier(mytoken.VerifierConfig{Issuer: "https://another.example.org", Keys: keys, Clock: exampleClock})
	if err != nil {
		panic(err)
	}
	_, err = verifier.Verify(context.Background(), compact)
	var invalid *mytoken.InvalidTokenError
	fmt.Println(errors.As(err, &invalid), errors.Is(err, mytoken.ErrTokenIssuer), errors.Is(err, mytoken.ErrKeysUnavailable))
	// Output: true true false
}

// How do I protect an HTTP handler?
func ExampleRequireMytoken() {
	compact, jwks := exampleToken()
	keys, err := mytoken.ParseJWKS(jwks)
	if err != nil {
		panic(err)
	}
	verifier, err := mytoken.NewVerifier(mytoken.VerifierConfig{Issuer: "http://127.0.0.1:8000", Keys: keys, Clock: exampleClock})
	if err != nil {
		panic(err)
	}
	require, err := mytoken.RequireMytoken(verifier, mytoken.MiddlewareOptions{
		Use:    mytoken.Use{Capability: capability.AT, Kind: restriction.Uncounted},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	handler := require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := mytoken.TokenFromContext(r.Context())
		fmt.Fprintln(w, "hello", token.OIDCSubject())
	}))

	server := httptest.NewServer(handler)
	defer server.Close()
	for _, authorization := range []string{"", "Bearer nonsense", "Bearer " + compact} {
		request, err := http.NewRequest(http.MethodGet, server.URL, nil)
		if err != nil {
			panic(err)
		}
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			panic(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			panic(err)
		}
		_ = response.Body.Close()
		fmt.Printf("%d %s", response.StatusCode, body)
	}
	// Output:
	// 401 {"error":"invalid_token","error_description":"no mytoken found in request"}
	// 401 {"error":"invalid_token","error_description":"token not valid"}
	// 200 hello user-1
}

// How do I look at a token without the keys of its issuer?
func ExampleParseUnverified() {
	compact, _ := exampleToken()
	token, err := mytoken.ParseUnverified(compact)
	if err != nil {
		panic(err)
	}
	fmt.Println("claims to be of", token.Issuer(), "until", token.ExpiresAt().Year())
	// Output: claims to be of http://127.0.0.1:8000 until 2100
}

// How do I change the signing key without a gap?
func ExampleKeys() {
	first, err := mytoken.GenerateKey(mytoken.ES384)
	if err != nil {
		panic(err)
	}
	second, err := mytoken.GenerateKey(mytoken.ES384)
	if err != nil {
		panic(err)
	}
	keys, err := mytoken.NewKeys(first)
	if err != nil {
		panic(err)
	}
	// Publish the new key, and wait until verifiers have fetched it.
	if err := keys.Add(second.Public()); err != nil {
		panic(err)
	}
	// Sign with it; tokens of the old key are still accepted.
	if err := keys.Activate(second); err != nil {
		panic(err)
	}
	fmt.Println(len(keys.IDs()), "keys,", keys.ActiveID() == second.ID())
	// Once the last token of the old key has expired:
	if err := keys.Withdraw(first.ID()); err != nil {
		panic(err)
	}
	fmt.Println(len(keys.IDs()), "key")
	// Output:
	// 2 keys, true
	// 1 key
}
