package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// How do I send a user back to where they came from, with a token?
//
// The example of New shows how to make an issuer.
func ExampleIssuer_StartLogin() {
	ctx := context.Background()
	service, err := mytokentest.Start(mytokentest.Options{})
	if err != nil {
		panic(err)
	}
	defer service.Close()

	login, err := service.Issuer.StartLogin(ctx, issuer.LoginRequest{
		Provider: service.Provider.Issuer(), Properties: mytoken.Properties{Name: "portal session"}, ReturnTo: "/home",
	})
	if err != nil {
		panic(err)
	}
	back, err := optest.Login(ctx, login.URL, "alice") // the browser of the user
	if err != nil {
		panic(err)
	}
	address, err := url.Parse(back)
	if err != nil {
		panic(err)
	}
	result, err := service.Issuer.FinishLogin(ctx, issuer.FinishRequest{Path: address.Path, Query: address.Query()})
	if err != nil {
		panic(err)
	}
	fmt.Println("keep the token", result.Issued.Claims.Name())
	fmt.Println("and go to", result.ReturnTo)
	// Output:
	// keep the token portal session
	// and go to /home
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

	// The program shows the address of the consent page, which ends in the consent code,
	// and polls.
	login, err := iss.StartNative(ctx, issuer.LoginRequest{
		Provider: service.Provider.Issuer(), Application: "job launcher",
	})
	if err != nil {
		panic(err)
	}
	_, err = iss.Poll(ctx, issuer.PollRequest{Code: login.PollingCode})
	fmt.Println(err)

	// The consent page shows what is asked for. The user removes a capability.
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

// How do I limit the lifetime of tokens, and decide who gets one? This policy caps tokens at
// 7 days, and those of guests at 12 hours. A child never outlives its parent, so only first
// tokens need a cap.
func ExamplePolicy() {
	ctx := context.Background()
	clock := mytokentest.NewClock(time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC))
	policy := func(_ context.Context, s *issuer.Issuance) (err error) {
		if s.Kind == issuer.PolicyDerive {
			return nil
		}
		most := 7 * 24 * time.Hour
		switch s.Subject {
		case "mallory":
			return fmt.Errorf("%s may not use this service", s.Subject)
		case "guest":
			most = 12 * time.Hour
		}
		s.Properties.Restrictions, _, err = s.Properties.Restrictions.LimitLifetime(clock.Now(), most)
		return err
	}
	service, err := mytokentest.Start(mytokentest.Options{Clock: clock, Config: func(c *issuer.Config) {
		c.Policy = policy
		c.Providers[0].MaxLifetime = 30 * 24 * time.Hour // a limit for everybody needs no policy
	}})
	if err != nil {
		panic(err)
	}
	defer service.Close()

	for _, user := range []string{"alice", "guest"} {
		issued, err := service.Login(ctx, user, mytoken.Properties{})
		if err != nil {
			panic(err)
		}
		fmt.Println(user, "until", issued.Claims.ExpiresAt().Format(time.DateTime))
	}
	issued, err := service.Login(ctx, "alice", mytoken.Properties{
		Restrictions: restriction.List{{Scopes: []string{"compute"}, Expires: clock.Now().Add(time.Hour).Unix()}, {Scopes: []string{"storage.read"}}},
	})
	if err != nil {
		panic(err)
	}
	for _, clause := range issued.Restrictions {
		fmt.Println(clause.Scopes, "until", time.Unix(clause.Expires, 0).UTC().Format(time.DateTime))
	}
	_, err = service.Login(ctx, "mallory", mytoken.Properties{})
	fmt.Println(err)
	// Output:
	// alice until 2030-03-08 08:00:00
	// guest until 2030-03-01 20:00:00
	// [compute] until 2030-03-01 09:00:00
	// [storage.read] until 2030-03-08 08:00:00
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
	refreshToken, err := service.RefreshToken(ctx, "alice") // from the service's own table
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
