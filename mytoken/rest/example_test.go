package rest_test

import (
	"fmt"
	"net/http"
	"net/netip"

	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
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
