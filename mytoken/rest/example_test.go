package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
)

// How does a service mount the interface behind a reverse proxy on the same machine?
func ExampleNewHandler() {
	service, err := mytokentest.Start(mytokentest.Options{}) // in a service: issuer.New
	if err != nil {
		fmt.Println(err)
		return
	}
	defer service.Close()

	handler, err := rest.NewHandler(service.Issuer, rest.Options{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		RedirectURIs:   []string{`https://portal\.example\.org/.*`},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	fmt.Println(handler.MetadataPath())
	// Output: /.well-known/oauth-authorization-server
}

// How does a route of my own derive a mytoken, behind the same reverse proxy?
func ExampleHandler_ClientOf() {
	service, err := mytokentest.Start(mytokentest.Options{}) // in a service: issuer.New
	if err != nil {
		fmt.Println(err)
		return
	}
	defer service.Close()
	handler, err := rest.NewHandler(service.Issuer, rest.Options{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.HandleFunc("POST /jobs", func(w http.ResponseWriter, r *http.Request) {
		job, err := service.Issuer.Derive(r.Context(), issuer.DeriveRequest{
			Token:      mytoken.NewSecret(r.PostFormValue("mytoken")),
			Properties: mytoken.Properties{Name: "job", Capabilities: capability.Set{capability.AT}},
			Client:     handler.ClientOf(r), // restrictions to hosts judge this address
		})
		if err != nil {
			w.WriteHeader(http.StatusForbidden) // the text is for the log
			return
		}
		fmt.Fprintln(w, "started", job.Claims.Name())
	})

	// The token is for one network. The proxy says where the user is.
	user, err := service.Login(context.Background(), "alice", mytoken.Properties{
		Capabilities: capability.Set{capability.AT, capability.CreateMytoken},
		Restrictions: restriction.List{{Hosts: []string{"192.0.2.0/24"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, address := range []string{"192.0.2.7", "203.0.113.99"} {
		request := httptest.NewRequest(http.MethodPost, "/jobs", strings.NewReader("mytoken="+user.Token.Reveal()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("X-Forwarded-For", address)
		request.RemoteAddr = "127.0.0.1:40000" // the proxy
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, request)
		fmt.Println(address, answer.Code)
	}
	// Output:
	// 192.0.2.7 200
	// 203.0.113.99 403
}
