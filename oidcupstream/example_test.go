package oidcupstream_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// This provider expects audiences in the parameter audience, with spaces between them.
// New does not use the network, so the provider may be down.
func ExampleNew() {
	provider, err := oidcupstream.New(oidcupstream.Config{
		Issuer:      "https://op.example.org",
		Name:        "Example Login",
		ClientID:    "portal",
		Auth:        oidcupstream.ClientSecretBasic("from the registration at the provider"),
		RedirectURL: "https://portal.example.org/redirect",
		Scopes:      []string{"openid", "profile", "storage.read"},
		Audience:    oidcupstream.AudienceParameter{Name: "audience", SpaceSeparated: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(provider.Name(), provider.Issuer(), provider.Scopes())

	_, err = oidcupstream.New(oidcupstream.Config{Issuer: "https://op.example.org", ClientID: "portal"})
	fmt.Println(err)
	// Output:
	// Example Login https://op.example.org [openid profile storage.read]
	// oidcupstream: invalid configuration: Auth: it is missing; use PublicClient() for a client without credentials
}

// A web application logs a user in.
func ExampleProvider_AuthorizationURL() {
	ctx := context.Background()
	op, err := optest.Start(optest.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer op.Close()
	provider, err := oidcupstream.New(op.ClientConfig("https://portal.example.org/redirect"))
	if err != nil {
		fmt.Println(err)
		return
	}

	// 1. Send the browser to the provider. Remember state, nonce and verifier for it.
	login := oidcupstream.AuthorizationRequest{
		State:    oauth2.GenerateVerifier(), // any random string with at least 128 bits
		Nonce:    oauth2.GenerateVerifier(),
		Verifier: oauth2.GenerateVerifier(),
		Scopes:   []string{"openid", "storage.read"},
	}
	authURL, err := provider.AuthorizationURL(ctx, login)
	if err != nil {
		fmt.Println(err)
		return
	}

	// The user logs in, and the provider redirects the browser.
	redirectURL, err := optest.Login(ctx, authURL, "alice")
	if err != nil {
		fmt.Println(err)
		return
	}

	// 2. In the handler of the redirect URL, the query is r.URL.Query().
	back, _ := url.Parse(redirectURL)
	redirect, err := provider.CheckRedirect(ctx, back.Query())
	if err != nil || redirect.State != login.State {
		fmt.Println("not our login", err)
		return
	}
	tokens, err := provider.Exchange(ctx, oidcupstream.ExchangeRequest{
		Code: redirect.Code, Verifier: login.Verifier, Nonce: login.Nonce,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tokens.Subject, tokens.Scopes, tokens.RefreshToken != "")
	// Output:
	// alice [openid storage.read offline_access] true
}

// The outcome of a failed refresh says what to do next.
func ExampleProvider_Refresh() {
	ctx := context.Background()
	op, err := optest.Start(optest.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer op.Close()
	provider, err := oidcupstream.New(op.ClientConfig("https://portal.example.org/redirect"))
	if err != nil {
		fmt.Println(err)
		return
	}

	tokens, err := provider.Refresh(ctx, oidcupstream.RefreshRequest{RefreshToken: "revoked long ago", Scopes: []string{"openid"}})
	upstream, _ := errors.AsType[*oidcupstream.Error](err)
	switch {
	case err == nil:
		fmt.Println("keep tokens.RefreshToken if there is one", tokens)
	case upstream.InvalidGrant():
		fmt.Println("ask the user to log in again:", err)
	case upstream.Outcome == oidcupstream.Refused, upstream.Outcome == oidcupstream.NotSent:
		fmt.Println("the refresh token is as good as before:", err)
	default:
		fmt.Println("the refresh token may have been used up, keep upstream.RefreshToken() if there is one:", err)
	}
	// Output:
	// ask the user to log in again: oidcupstream: refresh: refused: invalid_grant: unknown refresh token (HTTP 400)
}
