package mytokentest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
)

// How do I test a program that holds mytokens, such as a job launcher?
//
// The test serves an issuer over HTTP, and the program talks to it as to any mytoken
// server.
func ExampleStart_overHTTP() {
	ctx := context.Background()
	server := httptest.NewUnstartedServer(nil) // its address is known before it starts
	defer server.Close()
	address := "http://" + server.Listener.Addr().String()
	service, err := mytokentest.Start(mytokentest.Options{URL: address})
	if err != nil {
		panic(err)
	}
	defer service.Close()
	server.Config.Handler, err = rest.NewHandler(service.Issuer, rest.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	server.Start()

	// The program asks for a token, and its user agrees.
	c, err := client.New(client.Config{Issuer: address})
	if err != nil {
		panic(err)
	}
	login, err := c.StartLogin(ctx, client.LoginRequest{Application: "launcher", Properties: mytoken.Properties{
		Restrictions: restriction.List{{Expires: service.Clock.Now().Add(time.Hour).Unix(), Scopes: []string{"storage.read"}}},
	}})
	if err != nil {
		panic(err)
	}
	if err := service.Agree(ctx, "alice", login.ConsentURI); err != nil {
		panic(err)
	}
	issued, err := login.Poll(ctx)
	if err != nil {
		panic(err)
	}

	// The program uses the token, until the test moves the clock.
	holder := c.NewHolder(client.NewMemoryStore(issued.Token))
	access, err := holder.AccessToken(ctx, client.AccessTokenRequest{})
	if err != nil {
		panic(err)
	}
	fmt.Println("the launcher gets", access.Scopes)
	service.Clock.Advance(2 * time.Hour)
	_, err = holder.AccessToken(ctx, client.AccessTokenRequest{})
	fmt.Println("after the end:", client.IsCode(err, client.CodeInvalidToken))
	// Output:
	// the launcher gets [storage.read]
	// after the end: true
}
