package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// How does a user log in to my program, which has no browser?
func ExampleClient_StartLogin() {
	ctx := context.Background()
	c, err := client.New(client.Config{Issuer: fakeIssuer, HTTPClient: exampleServer()})
	if err != nil {
		panic(err)
	}
	login, err := c.StartLogin(ctx, client.LoginRequest{
		Application: "data mover",
		Properties: mytoken.Properties{
			Name:         "laptop",
			Capabilities: capability.Set{capability.AT, capability.CreateMytoken},
			Rotation:     &mytoken.Rotation{OnAT: true},
		},
		RestrictionsJSON: []byte(`[{"exp":"+7d","scope":"storage.read"}]`),
	})
	if err != nil {
		panic(err)
	}
	fmt.Println("Go to", login.ConsentURI) // login.QR draws it for phones
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	token, err := login.Wait(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println(token.Type, token.Token)
	// Output:
	// Go to https://mytoken.example.org/c/example
	// token [redacted]
}

// How do several processes use one mytoken in a file, with any HTTP client?
func ExampleHolder_TokenSource() {
	ctx := context.Background()
	c, err := client.New(client.Config{Issuer: fakeIssuer, HTTPClient: exampleServer()})
	if err != nil {
		panic(err)
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("example-mytoken-%d", os.Getpid()))
	defer os.Remove(path)
	defer os.Remove(path + ".lock")
	store := client.NewFileStore(path)
	if err := store.Save(ctx, mytoken.NewSecret("the-mytoken-that-the-user-got")); err != nil {
		panic(err)
	}

	source := c.NewHolder(store).TokenSource(client.SourceOptions{
		AccessTokenRequest: client.AccessTokenRequest{Scopes: []string{"storage.read"}, Audiences: []string{"https://storage.example"}},
	})
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println("the service gets", r.Header.Get("Authorization"))
	}))
	defer service.Close()
	resp, err := oauth2.NewClient(ctx, source).Get(service.URL)
	if err != nil {
		panic(err)
	}
	resp.Body.Close()
	// Output: the service gets Bearer access-1
}

// How do I give a job fewer rights than I have?
func ExampleHolder_Derive() {
	c, err := client.New(client.Config{Issuer: fakeIssuer, HTTPClient: exampleServer()})
	if err != nil {
		panic(err)
	}
	mine := c.NewHolder(client.NewMemoryStore(mytoken.NewSecret("the-mytoken-that-the-user-got")))
	job, err := mine.Derive(context.Background(), client.DeriveRequest{Properties: mytoken.Properties{
		Name:         "job 7",
		Capabilities: capability.Set{capability.AT},
		Restrictions: restriction.List{{Scopes: []string{"storage.read"}, UsagesAT: restriction.Usages(3)}},
	}})
	if err != nil {
		panic(err)
	}
	fmt.Println(job.Capabilities, *job.Restrictions[0].UsagesAT)
	// Output: AT 3
}

// Does my mytoken last for a job, and what does it admit until when?
func ExampleIntrospection_ForecastToken() {
	c, err := client.New(client.Config{Issuer: fakeIssuer, HTTPClient: exampleServer()})
	if err != nil {
		panic(err)
	}
	info, err := c.Introspect(context.Background(), mytoken.NewSecret("the-mytoken-that-the-user-got"))
	if err != nil {
		panic(err)
	}
	now := time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)
	f, err := forecast.New(info.ForecastToken(), now, time.Time{})
	if err != nil {
		panic(err)
	}
	fmt.Print(f.Describe(forecast.Style{Start: now}))
	job := plan.Plan{Phases: []plan.Phase{{
		Name: "copy", Queue: 24 * time.Hour, Duration: 8 * time.Hour, Scopes: []string{"storage.read", "storage.write"}, AccessTokens: 8,
	}}}
	verdict, err := job.Preflight(info.ForecastToken(), now)
	if err != nil {
		panic(err)
	}
	fmt.Println(verdict)
	// Output:
	// What the token admits, +0h to +36h.
	// Clause 0: from +0h to +36h; scopes storage.read storage.write; 6 access tokens left.
	// The token does not carry the plan.
	// Phase 0 "copy" may be refused an AT use at 2030-03-01T08:00:00Z because of usages_AT (clause 0 comes closest).
	// Ask for: {"nbf":1898582400,"exp":1898697600,"scope":"storage.read storage.write","usages_AT":8,"usages_other":0}
	// Not known: how long the provider keeps the refresh token
	// Not known: whether the token will be revoked
}

// How does a program that reads a file get its access tokens?
func ExampleKeep() {
	c, err := client.New(client.Config{Issuer: fakeIssuer, HTTPClient: exampleServer()})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "bt_u1000")
	err = client.Keep(ctx, client.KeepConfig{
		Holder: c.NewHolder(client.NewMemoryStore(mytoken.NewSecret("the-mytoken-of-the-job"))),
		Path:   path,
		Early:  10 * time.Minute,
		Changed: func(s client.KeepState) {
			fmt.Println(s.Phase)
			if s.Phase == client.KeepFresh {
				text, err := os.ReadFile(path)
				fmt.Printf("the file holds %s%v\n", text, err)
				cancel() // the job has ended
			}
		},
	})
	_, gone := os.Stat(path)
	fmt.Println(err, errors.Is(gone, os.ErrNotExist))
	// Output:
	// fresh
	// the file holds access-1
	// <nil>
	// ended
	// <nil> true
}

// A job has a mytoken for the phase that begins in an hour.
func ExampleHolder_WaitUntilAdmitted() {
	c, err := client.New(client.Config{Issuer: fakeIssuer, HTTPClient: exampleServer()})
	if err != nil {
		panic(err)
	}
	holder := c.NewHolder(client.NewFileStore("/run/user/1000/mytoken"))

	upload := func(ctx context.Context) (*client.AccessToken, error) {
		request := client.AccessTokenRequest{Scopes: []string{"storage.write"}}
		err := holder.WaitUntilAdmitted(ctx, client.ExplainRequest{Scopes: request.Scopes})
		var never *client.NeverAdmittedError
		if errors.As(err, &never) {
			return nil, fmt.Errorf("the mytoken does not allow the upload, because of %s: %w", never.Keys, err)
		}
		if err != nil {
			return nil, err
		}
		return holder.AccessToken(ctx, request)
	}
	_ = upload
}

// What went wrong, and what can I do about it?
func ExampleError() {
	c, err := client.New(client.Config{Issuer: fakeIssuer, HTTPClient: exampleServer()})
	if err != nil {
		panic(err)
	}
	_, err = c.AccessToken(context.Background(), mytoken.NewSecret("a-mytoken-for-later"), client.AccessTokenRequest{})
	var refused *client.Error
	var lost *client.NetworkError
	switch {
	case errors.Is(err, client.ErrLoginEnded):
		fmt.Println("the user has to log in again")
	case client.IsCode(err, client.CodeInvalidToken):
		fmt.Println("the mytoken was revoked or has expired")
	case errors.As(err, &refused) && refused.RetryAfter > 0:
		fmt.Println("try again in", refused.RetryAfter)
	case errors.As(err, &lost) && lost.Sent:
		fmt.Println("it may count as a use")
	}
	// Output: try again in 1h0m0s
}

// exampleServer plays a mytoken server.
func exampleServer() *http.Client {
	f := &fake{life: time.Hour}
	f.answer = func(w http.ResponseWriter, r *http.Request, body map[string]any) {
		switch {
		case body["mytoken"] == "a-mytoken-for-later":
			w.Header().Set("Retry-After", "3600")
			refuse(w, http.StatusForbidden, client.CodeUsageRestricted)
		case r.URL.Path == "/access":
			answer(w, http.StatusOK, f.accessToken())
		case body["action"] == "introspect":
			answer(w, http.StatusOK, map[string]any{"valid": true, "token_type": "token", "token": map[string]any{
				"ver": "0.7", "capabilities": []string{"AT"}, "iat": 1898582400, "nbf": 1898582400, "exp": 1898712000,
				"restrictions": []any{map[string]any{"exp": 1898712000, "scope": "storage.read storage.write", "usages_AT": 10, "usages_AT_done": 4}},
			}})
		case body["grant_type"] == "oidc_flow":
			answer(w, http.StatusOK, map[string]any{"consent_uri": fakeIssuer + "/c/example", "polling_code": "x", "interval": 1, "expires_in": 300})
		default:
			answer(w, http.StatusOK, map[string]any{
				"mytoken": "a-mytoken", "mytoken_type": "token", "capabilities": body["capabilities"], "restrictions": body["restrictions"],
			})
		}
	}
	return &http.Client{Transport: f}
}
