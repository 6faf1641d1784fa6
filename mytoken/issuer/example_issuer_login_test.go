package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/seal"
)

// How do I log a user in and get a mytoken?
//
// The provider runs in this process; everything else is what a service does
// with any provider.
func ExampleIssuer_StartLogin() {
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
	signing, err := mytoken.GenerateKey(mytoken.ES512)
	if err != nil {
		panic(err)
	}
	keys, err := mytoken.NewKeys(signing)
	if err != nil {
		panic(err)
	}
	ring, err := seal.NewRing(seal.RingConfig{Active: seal.NewKey()}) // a service reads its key with seal.ParseKey
	if err != nil {
		panic(err)
	}
	iss, err := issuer.New(issuer.Config{
		Issuer: "https://portal.example.org", Store: memstore.New(), Seal: ring, Keys: keys,
		Providers: []issuer.Provider{{Upstream: upstream}},
	})
	if err != nil {
		panic(err)
	}

	// The handler of the page "log in": where to send the browser. Bind
	// login.State to the browser with a cookie.
	client := issuer.Client{Address: netip.MustParseAddr("192.0.2.7"), UserAgent: "Firefox"}
	login, err := iss.StartLogin(ctx, issuer.LoginRequest{
		Provider: provider.Issuer(),
		Properties: mytoken.Properties{
			Name:         "portal session",
			Restrictions: restriction.List{{Expires: time.Now().Add(24 * time.Hour).Unix()}},
		},
		ReturnTo: "/home", Client: client,
	})
	if err != nil {
		panic(err)
	}

	// The browser comes back to RedirectURL.
	back, err := optest.Login(ctx, login.URL, "alice")
	if err != nil {
		panic(err)
	}
	u, err := url.Parse(back)
	if err != nil {
		panic(err)
	}
	result, err := iss.FinishLogin(ctx, issuer.FinishRequest{Query: u.Query(), Client: client})
	if err != nil {
		panic(err)
	}
	token := result.Issued.Claims
	fmt.Println(token.Name(), "of", token.OIDCSubject(), "may", token.Capabilities())
	fmt.Println("then go to", result.ReturnTo)
	// Output:
	// portal session of alice may AT tokeninfo
	// then go to /home
}

// How does a program without a browser get a token?
func ExampleIssuer_StartNative() {
	ctx := context.Background()
	service, err := mytokentest.Start(mytokentest.Options{})
	if err != nil {
		panic(err)
	}
	defer service.Close()
	iss := service.Issuer

	// The program shows the address of the consent page, which ends in the
	// consent code, and polls.
	login, err := iss.StartNative(ctx, issuer.LoginRequest{
		Provider: service.Provider.Issuer(), Application: "job launcher",
	})
	if err != nil {
		panic(err)
	}
	_, err = iss.Poll(ctx, issuer.PollRequest{Code: login.PollingCode})
	fmt.Println(err)

	// The consent page shows what is asked for; the user takes a right away.
	asked, err := iss.Consent(ctx, login.ConsentCode)
	if err != nil {
		panic(err)
	}
	fmt.Println(asked.Application, "asks for", asked.Properties.Capabilities)
	toProvider, err := iss.Approve(ctx, login.ConsentCode, mytoken.Properties{Capabilities: capability.Set{capability.AT}})
	if err != nil {
		panic(err)
	}
	if _, err := service.Follow(ctx, "alice", toProvider); err != nil { // the browser, there and back
		panic(err)
	}

	issued, err := iss.Poll(ctx, issuer.PollRequest{Code: login.PollingCode})
	if err != nil {
		panic(err)
	}
	fmt.Println("may", issued.Capabilities)
	// Output:
	// issuer: the login is not finished
	// job launcher asks for AT tokeninfo
	// may AT
}

// How do I cap the lifetime of what is issued, and decide who gets anything?
func ExamplePolicy() {
	ctx := context.Background()
	clock := mytokentest.NewClock(time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC))
	policy := func(_ context.Context, s *issuer.Issuance) error {
		if s.Kind == issuer.PolicyLogin && s.Subject == "mallory" {
			return fmt.Errorf("%s may not use this service", s.Subject)
		}
		end := clock.Now().Add(12 * time.Hour)
		if len(s.Properties.Restrictions) == 0 {
			s.Properties.Restrictions = restriction.List{{Expires: end.Unix()}}
		}
		for n := range s.Properties.Restrictions {
			if c := &s.Properties.Restrictions[n]; c.Expires == 0 || c.Expires > end.Unix() {
				c.Expires = end.Unix()
			}
		}
		return nil
	}
	service, err := mytokentest.Start(mytokentest.Options{Clock: clock, Config: func(c *issuer.Config) {
		c.Policy = policy
		c.Providers[0].MaxLifetime = 30 * 24 * time.Hour // the same for everybody needs no policy
	}})
	if err != nil {
		panic(err)
	}
	defer service.Close()

	issued, err := service.Login(ctx, "alice", mytoken.Properties{})
	if err != nil {
		panic(err)
	}
	fmt.Println("until", issued.Claims.ExpiresAt().Format(time.DateTime))
	_, err = service.Login(ctx, "mallory", mytoken.Properties{})
	fmt.Println(err)
	// Output:
	// until 2030-03-01 20:00:00
	// issuer: refused by policy: mallory may not use this service
}

// How do I hand over a refresh token that my service already holds?
func ExampleIssuer_Adopt() {
	ctx := context.Background()
	service, err := mytokentest.Start(mytokentest.Options{})
	if err != nil {
		panic(err)
	}
	defer service.Close()
	refreshToken, err := loginBefore(ctx, service, "alice") // from the service's own table
	if err != nil {
		panic(err)
	}
	adoption := issuer.Adoption{
		Provider: service.Provider.Issuer(), Subject: "alice", RefreshToken: refreshToken,
		ID:         issuer.NewUseID(), // keep it with the row: the call can be repeated with it
		Properties: mytoken.Properties{Name: "from before"},
	}
	issued, err := service.Issuer.Adopt(ctx, adoption)
	if err != nil {
		panic(err)
	}
	fmt.Println(issued.Claims.Name(), "of", issued.Claims.OIDCSubject())

	adoption.ID, adoption.Subject = issuer.NewUseID(), "bob" // the wrong row
	_, err = service.Issuer.Adopt(ctx, adoption)
	fmt.Println(errors.Is(err, oidcupstream.ErrSubject))
	// Output:
	// from before of alice
	// true
}

// loginBefore is how a service got refresh tokens before it had an issuer.
func loginBefore(ctx context.Context, service *mytokentest.Service, subject string, audiences ...string) (mytoken.Secret, error) {
	upstream, verifier := service.Config.Providers[0].Upstream, oauth2.GenerateVerifier()
	address, err := upstream.AuthorizationURL(ctx, oidcupstream.AuthorizationRequest{
		State: "state", Nonce: "nonce", Verifier: verifier, Audiences: audiences,
	})
	if err != nil {
		return mytoken.Secret{}, err
	}
	back, err := optest.Login(ctx, address, subject)
	if err != nil {
		return mytoken.Secret{}, err
	}
	u, err := url.Parse(back)
	if err != nil {
		return mytoken.Secret{}, err
	}
	tokens, err := upstream.Exchange(ctx, oidcupstream.ExchangeRequest{Code: u.Query().Get("code"), Verifier: verifier, Nonce: "nonce"})
	if err != nil {
		return mytoken.Secret{}, err
	}
	return mytoken.NewSecret(tokens.RefreshToken), nil
}

// How do I run an issuer on several nodes?
//
// They share the store, the server keys, the signing keys and the providers;
// nothing else has to be coordinated.
func ExampleNew_severalNodes() {
	ctx := context.Background()
	service, err := mytokentest.Start(mytokentest.Options{Provider: optest.Options{Rotation: optest.RotateStrict}})
	if err != nil {
		panic(err)
	}
	defer service.Close()
	config := service.Config // a store that several processes reach, such as sqlstore
	config.SpillDir = ""     // a directory of the node's own: refresh tokens survive a crash there
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
