package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

// exampleService returns a service and the token of a logged-in user, on 1 March 2030 at
// 8:00.
func exampleService(props mytoken.Properties) (*mytokentest.Service, mytoken.Secret) {
	service, err := mytokentest.Start(mytokentest.Options{Clock: mytokentest.NewClock(time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC))})
	if err != nil {
		panic(err)
	}
	issued, err := service.Login(context.Background(), "alice", props)
	if err != nil {
		panic(err)
	}
	return service, issued.Token
}

// How do I give a compute job exactly the rights that it needs?
func ExampleIssuer_Derive() {
	ctx := context.Background()
	service, token := exampleService(mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.CreateMytoken}})
	defer service.Close()
	now := service.Clock.Now()

	job, err := service.Issuer.Derive(ctx, issuer.DeriveRequest{
		Token: token,
		ID:    issuer.NewUseID(), // repeat the call with it if the answer is lost
		Properties: mytoken.Properties{
			Name:         "job 4711",
			Capabilities: capability.Set{capability.AT},
			Restrictions: restriction.List{{
				Expires: now.Add(2 * time.Hour).Unix(), Hosts: []string{"198.51.100.0/24"},
				Scopes: []string{"storage.read"}, UsagesAT: restriction.Usages(3),
			}},
		},
	})
	if err != nil {
		panic(err)
	}
	node := issuer.Client{Address: netip.MustParseAddr("198.51.100.23")}
	at, err := service.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: job.Token, Client: node})
	if err != nil {
		panic(err)
	}
	fmt.Println("the job gets", at.Scopes)
	_, err = service.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: job.Token})
	fmt.Println("from elsewhere:", errors.As(err, new(*issuer.RefusedError)))

	// The job cannot make another token from it.
	_, err = service.Issuer.Derive(ctx, issuer.DeriveRequest{Token: job.Token, Client: node})
	fmt.Println(err)
	// Output:
	// the job gets [storage.read]
	// from elsewhere: true
	// mytoken: the token does not have the capability "create_mytoken"
}

// How do I call an API with access tokens that renew themselves?
func ExampleIssuer_TokenSource() {
	ctx := context.Background()
	service, token := exampleService(mytoken.Properties{Rotation: &mytoken.Rotation{OnAT: true}})
	defer service.Close()

	source := service.Issuer.TokenSource(ctx, token, issuer.TokenSourceOptions{
		Scopes: []string{"storage.read"},
		Updated: func(_ context.Context, next *mytoken.Issued) error {
			// Store next.Token in place of the old one. While this returns an error, the
			// source hands out nothing.
			fmt.Println("generation", next.Claims.Seq(), "is saved")
			return nil
		},
	})
	var _ *http.Client = oauth2.NewClient(ctx, source)

	for range 2 {
		at, err := source.Token()
		if err != nil {
			panic(err)
		}
		fmt.Println(at.TokenType, "until", at.Expiry.Format(time.TimeOnly))
		service.Clock.Advance(time.Hour)
	}
	// Output:
	// generation 2 is saved
	// Bearer until 09:00:00
	// generation 3 is saved
	// Bearer until 10:00:00
}

// How do I move a token to another device?
func ExampleIssuer_Transfer() {
	ctx := context.Background()
	service, token := exampleService(mytoken.Properties{Name: "laptop"})
	defer service.Close()

	code, err := service.Issuer.Transfer(ctx, issuer.TransferRequest{Token: token})
	if err != nil {
		panic(err)
	}
	fmt.Println("type", len(code.Code.Reveal()), "letters until", code.Expires.Format(time.TimeOnly))

	moved, err := service.Issuer.Redeem(ctx, issuer.RedeemRequest{Code: code.Code}) // on the other device
	if err != nil {
		panic(err)
	}
	fmt.Println("got", moved.Claims.Name())
	_, err = service.Issuer.Redeem(ctx, issuer.RedeemRequest{Code: code.Code})
	fmt.Println(err)
	// Output:
	// type 14 letters until 08:05:00
	// got laptop
	// issuer: the code is unknown or was already used
}

// How do I deal with tokens that rotate?
func ExampleIssuer_AccessToken_rotation() {
	ctx := context.Background()
	service, token := exampleService(mytoken.Properties{Rotation: &mytoken.Rotation{OnAT: true, AutoRevoke: true}})
	defer service.Close()
	iss, old := service.Issuer, token

	at, err := iss.AccessToken(ctx, issuer.AccessTokenRequest{Token: token})
	if err != nil {
		panic(err)
	}
	if at.Update != nil { // store it before anything else
		token = at.Update.Token
	}
	fmt.Println("generation", at.Update.Claims.Seq())

	// A lost answer loses nothing: within 30 s the old token gets the same successor.
	again, err := iss.AccessToken(ctx, issuer.AccessTokenRequest{Token: old})
	if err != nil {
		panic(err)
	}
	fmt.Println("the same:", again.Update.Token.Equal(token))

	// Later only two can present it: a thief, or the owner after a theft.
	service.Clock.Advance(time.Minute)
	_, err = iss.AccessToken(ctx, issuer.AccessTokenRequest{Token: old})
	fmt.Println(err)
	_, err = iss.AccessToken(ctx, issuer.AccessTokenRequest{Token: token})
	fmt.Println(err)
	// Output:
	// generation 2
	// the same: true
	// issuer: token is not valid: reused: store: generation 1 presented, current is 2
	// issuer: token is not valid: revoked: store: token revoked
}

// How do I revoke a token and all its descendants?
func ExampleIssuer_Revoke() {
	ctx := context.Background()
	service, token := exampleService(mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.CreateMytoken}})
	defer service.Close()
	job, err := service.Issuer.Derive(ctx, issuer.DeriveRequest{Token: token})
	if err != nil {
		panic(err)
	}

	// Every holder of a token may revoke it.
	r, err := service.Issuer.Revoke(ctx, issuer.RevokeRequest{Token: token, Recursive: true})
	if err != nil {
		panic(err)
	}
	_, err = service.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: job.Token})
	fmt.Println(err)
	fmt.Println("the login has ended at the provider, too:", r.AtProvider)
	// Output:
	// issuer: token is not valid: revoked: store: token revoked
	// the login has ended at the provider, too: true
}

// How do I show users their tokens, and let them revoke some, on a page of my own?
func ExampleIssuer_Owner() {
	ctx := context.Background()
	service, _ := exampleService(mytoken.Properties{Name: "laptop"})
	defer service.Close()

	// The service has authenticated the user itself. It needs no mytoken.
	alice, err := service.Issuer.Owner(service.Provider.Issuer(), "alice")
	if err != nil {
		panic(err)
	}
	list, err := alice.List(ctx)
	if err != nil {
		panic(err)
	}
	for _, record := range list.Roots {
		fmt.Println(record.Name, "since", record.Created.Format(time.DateOnly))
		if err := alice.Revoke(ctx, record.ID, true, issuer.Client{}); err != nil {
			panic(err)
		}
	}
	// Output:
	// laptop since 2030-03-01
}

// How do I tell a user why a token was refused, and when to come back?
func ExampleIssuer_Explain() {
	ctx := context.Background()
	start := time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)
	phases, err := restriction.Phases(start,
		restriction.First(time.Hour).Scopes("compute"),
		restriction.Between(24*time.Hour, 36*time.Hour).Scopes("storage.write"),
	)
	if err != nil {
		panic(err)
	}
	service, token := exampleService(mytoken.Properties{Restrictions: phases})
	defer service.Close()
	service.Clock.Advance(3 * time.Hour)

	_, err = service.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: token, Scopes: []string{"storage.write"}})
	if refused, ok := errors.AsType[*issuer.RefusedError](err); ok {
		if at, known := refused.Explanation.Earliest.Time(); known {
			fmt.Println("come back at", at.UTC().Format(time.DateTime))
		}
	}

	// A dry run tells the same for any instant, and spends nothing.
	dry, err := service.Issuer.Explain(ctx, issuer.ExplainRequest{Token: token, Scopes: []string{"compute"}})
	if err != nil {
		panic(err)
	}
	fmt.Println(dry)
	// Output:
	// come back at 2030-03-02 08:00:00
	// refused, earliest never
	//   clause 0: exp: needs a time until 2030-03-01T09:00:00Z
	//   clause 1: nbf: needs a time from 2030-03-02T08:00:00Z
	//   clause 1: scope: needs scopes among storage.write, not "compute"
}

// How do I go on when the provider has ended the login?
func ExampleIssuer_StartReconnect() {
	ctx := context.Background()
	service, token := exampleService(mytoken.Properties{})
	defer service.Close()
	service.Provider.EndGrants("alice")

	// Providers also refuse a login while its user is disabled, so it is tried once more.
	_, err := service.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: token})
	if wait, ok := errors.AsType[*issuer.UpstreamError](err); ok {
		fmt.Println("try again in", wait.RetryAfter)
		service.Clock.Advance(wait.RetryAfter)
	}
	_, err = service.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: token})
	fmt.Println(err)
	if ended, ok := errors.AsType[*issuer.ReconnectError](err); ok && ended != nil {
		login, err := service.Issuer.StartReconnect(ctx, issuer.ReconnectRequest{Token: token})
		if err != nil {
			panic(err)
		}
		result, err := service.Follow(ctx, "alice", login) // the browser, there and back
		if err != nil {
			panic(err)
		}
		fmt.Println("reconnected:", result.Reconnected)
	}
	_, err = service.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: token})
	fmt.Println("all tokens of the tree work again:", err == nil)
	// Output:
	// try again in 10s
	// issuer: the provider has ended the login; the user must log in again: oidcupstream: refresh: refused: invalid_grant: the grant has ended (HTTP 400)
	// reconnected: true
	// all tokens of the tree work again: true
}
