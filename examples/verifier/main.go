// Verifier is a resource service that accepts mytokens. All it needs of their issuer is
// the public keys.
//
//	go run ./examples/verifier -issuer https://mytoken.example.org -jwks https://mytoken.example.org/jwks
//
// Without flags it runs a demonstration: it signs a few tokens, sends itself requests with
// them, prints the answers and exits.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

func main() {
	issuer := flag.String("issuer", "", "issuer URL of the mytokens to accept; empty runs a demonstration")
	jwks := flag.String("jwks", "", "URL of the issuer's public keys")
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen on")
	flag.Parse()

	var err error
	if *issuer == "" {
		err = demonstrate(context.Background(), os.Stdout)
	} else {
		err = serve(*issuer, *jwks, *listen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "verifier:", err)
		os.Exit(1)
	}
}

func serve(issuer, jwks, listen string) error {
	handler, err := newService(mytoken.VerifierConfig{Issuer: issuer, JWKSURL: jwks})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Println("listening on", listener.Addr())
	return (&http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}).Serve(listener)
}

// newService returns the service, which has one page. The page needs a mytoken with the
// capability tokeninfo whose restrictions admit the request.
//
// The service cannot know whether the token was revoked or how often it was used. A
// service to which that matters has to ask the issuer.
func newService(cfg mytoken.VerifierConfig) (http.Handler, error) {
	verifier, err := mytoken.NewVerifier(cfg)
	if err != nil {
		return nil, err
	}
	require, err := mytoken.RequireMytoken(verifier, mytoken.MiddlewareOptions{
		Use: mytoken.Use{Capability: capability.Tokeninfo, Kind: restriction.Uncounted},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /hello", require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := mytoken.TokenFromContext(r.Context())
		fmt.Fprintf(w, "Hello %s, this is your token %q.\n", token.OIDCSubject(), token.Name())
	})))
	return mux, nil
}
