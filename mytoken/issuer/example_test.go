package issuer_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/seal"
)

// How do I make an issuer, log a user in, and use the token?
//
// Only the provider and the browser are special here: they run in this process.
// Everything else is what a service does with any provider.
func ExampleNew() {
	ctx := context.Background()
	provider, err := optest.Start(optest.Options{})
	if err != nil {
		panic(err)
	}
	defer provider.Close()
	upstream, err := oidcupstream.New(oidcupstream.Config{
		Issuer: provider.Issuer(), ClientID: optest.DefaultClientID,
		Auth:        oidcupstream.ClientSecretBasic(optest.DefaultClientSecret),
		RedirectURL: "https://portal.example.org/callback",
		Scopes:      []string{"openid", "profile", "compute"},
	})
	if err != nil {
		panic(err)
	}

	// A service generates both keys once, and reads them with ParseKeyPEM and ParseKey.
	signing, err := mytoken.GenerateKey(mytoken.ES384)
	if err != nil {
		panic(err)
	}
	keys, err := mytoken.NewKeys(signing)
	if err != nil {
		panic(err)
	}
	ring, err := seal.NewRing(seal.RingConfig{Active: seal.NewKey()})
	if err != nil {
		panic(err)
	}
	iss, err := issuer.New(issuer.Config{
		Issuer:    "https://portal.example.org",
		Store:     memstore.New(), // a service uses sqlstore
		Seal:      ring,
		Keys:      keys,
		Providers: []issuer.Provider{{Upstream: upstream}},
	})
	if err != nil {
		panic(err)
	}
	if err := iss.Recover(ctx); err != nil { // before serving
		panic(err)
	}

	// The handler of the page "log in" sends the browser to login.URL, and keeps
	// iss.BrowserProof(login.State) in a cookie.
	client := issuer.Client{Address: netip.MustParseAddr("192.0.2.7"), UserAgent: "Firefox"}
	login, err := iss.StartLogin(ctx, issuer.LoginRequest{
		Provider: provider.Issuer(),
		Properties: mytoken.Properties{
			Name:         "portal session",
			Restrictions: restriction.List{{Expires: time.Now().Add(24 * time.Hour).Unix(), Scopes: []string{"compute"}}},
		},
		Client: client,
	})
	if err != nil {
		panic(err)
	}
	back, err := optest.Login(ctx, login.URL, "alice") // the browser of the user
	if err != nil {
		panic(err)
	}

	// The handler of RedirectURL gets the browser back, and compares the cookie.
	address, err := url.Parse(back)
	if err != nil {
		panic(err)
	}
	result, err := iss.FinishLogin(ctx, issuer.FinishRequest{Path: address.Path, Query: address.Query(), Client: client})
	if err != nil {
		panic(err)
	}
	token := result.Issued
	fmt.Println(token.Claims.Name(), "of", token.Claims.OIDCSubject(), "may", token.Capabilities)

	// Anybody who holds the token gets access tokens.
	at, err := iss.AccessToken(ctx, issuer.AccessTokenRequest{Token: token.Token, Client: client})
	if err != nil {
		panic(err)
	}
	fmt.Println("access token for", at.Scopes)

	if _, err := iss.Sweep(ctx, 1000); err != nil { // every few minutes
		panic(err)
	}
	if err := iss.Close(ctx); err != nil { // after the last request
		panic(err)
	}
	// Output:
	// portal session of alice may AT tokeninfo
	// access token for [compute]
}

// How do I run an issuer on several nodes?
//
// They share the store, the server keys, the signing keys and the providers. Nothing else
// has to be coordinated.
func ExampleNew_severalNodes() {
	ctx := context.Background()
	service, err := mytokentest.Start(mytokentest.Options{Provider: optest.Options{Rotation: optest.RotateStrict}})
	if err != nil {
		panic(err)
	}
	defer service.Close()
	config := service.Config // with a store that several processes reach, such as sqlstore
	config.SpillDir = ""     // a directory of the node: refresh tokens survive a crash there
	config.Logger = slog.New(slog.DiscardHandler)
	var nodes []*issuer.Issuer
	for range 3 {
		node, err := issuer.New(config)
		if err != nil {
			panic(err)
		}
		defer node.Close(ctx)
		if err := node.Recover(ctx); err != nil { // before it serves
			panic(err)
		}
		nodes = append(nodes, node)
	}

	issued, err := service.Login(ctx, "alice", mytoken.Properties{Restrictions: restriction.List{{UsagesAT: restriction.Usages(4)}}})
	if err != nil {
		panic(err)
	}
	for n := range 6 {
		_, err := nodes[n%3].AccessToken(ctx, issuer.AccessTokenRequest{Token: issued.Token})
		fmt.Println("node", n%3, err == nil)
	}
	fmt.Println("refresh tokens presented twice:", service.Provider.Reuses())
	// Output:
	// node 0 true
	// node 1 true
	// node 2 true
	// node 0 true
	// node 1 false
	// node 2 false
	// refresh tokens presented twice: 0
}
