package optest_test

import (
	"context"
	"fmt"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// A test runs an application against a provider that ends the whole grant when an old
// refresh token comes back.
func ExampleStart() {
	ctx := context.Background()
	op, err := optest.Start(optest.Options{Rotation: optest.RotateStrict})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer op.Close()

	// The application under test uses the configuration of the server's client.
	provider, err := oidcupstream.New(op.ClientConfig("https://portal.example.org/redirect"))
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier := oauth2.GenerateVerifier()
	authURL, err := provider.AuthorizationURL(ctx, oidcupstream.AuthorizationRequest{
		State: "a secret state", Nonce: "a nonce", Verifier: verifier,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// The user logs in.
	redirectURL, err := optest.Login(ctx, authURL, "bob")
	if err != nil {
		fmt.Println(err)
		return
	}

	// The application gets its tokens.
	back, _ := url.Parse(redirectURL)
	redirect, err := provider.CheckRedirect(ctx, back.Query())
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens, err := provider.Exchange(ctx, oidcupstream.ExchangeRequest{
		Code: redirect.Code, Verifier: verifier, Nonce: "a nonce",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	old := oidcupstream.RefreshRequest{RefreshToken: tokens.RefreshToken, Scopes: []string{"openid", "compute"}}
	for range 2 {
		refreshed, err := provider.Refresh(ctx, old)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(tokens.Subject, refreshed.Scopes)
	}
	for _, e := range op.Record() {
		fmt.Println(e.Kind, e.Subject, e.Grant, e.Generation, e.Next, e.Reuse)
	}
	// Output:
	// bob [openid compute]
	// oidcupstream: refresh: refused: invalid_grant: the refresh token was used before (HTTP 400)
	// authorized bob 0 0 0 false
	// exchanged bob 1 1 1 false
	// refreshed bob 1 1 2 false
	// ended bob 1 2 0 false
	// refused bob 1 1 0 true
}
