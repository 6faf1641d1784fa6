package rest_test

import (
	"fmt"
	"net/http"
	"net/netip"

	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
)

// How a service mounts the interface, behind a reverse proxy on the same machine.
func ExampleNewHandler() {
	service, err := mytokentest.Start(mytokentest.Options{}) // in a service: mytoken.NewIssuer
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

// How users get restrictions by what their provider says about them.
func ExampleAttributePolicy() {
	policy, err := rest.AttributePolicy(rest.AttributeRules{
		Sources: []rest.ClaimSource{{Claim: "eduperson_entitlement"}},
		Rules: []rest.AttributeRule{
			{Value: "staff", Enforce: rest.Enforced{Nothing: true}},
			{Value: "student", Enforce: rest.Enforced{JSON: `[{"exp":"+30d","usages_AT":1000}]`}},
		},
		Forbid: true,
	})
	fmt.Println(policy != nil, err) // set it in mytoken.Config
	// Output: true <nil>
}
