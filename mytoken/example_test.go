package mytoken_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// A service that accepts mytokens knows the URL of their issuer and of its keys.
func Example() {
	issuer, token := startIssuer()
	defer issuer.Close()

	verifier, err := mytoken.NewVerifier(mytoken.VerifierConfig{
		Issuer:  issuer.URL,
		JWKSURL: issuer.URL + "/jwks",
	})
	if err != nil {
		panic(err)
	}
	requireMytoken, err := mytoken.RequireMytoken(verifier, mytoken.MiddlewareOptions{
		Use: mytoken.Use{Capability: capability.AT, Kind: restriction.Uncounted},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /hello", requireMytoken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := mytoken.TokenFromContext(r.Context())
		fmt.Fprintln(w, "Hello", token.OIDCSubject())
	})))
	service := httptest.NewServer(mux)
	defer service.Close()

	fmt.Print(get(service.URL+"/hello", token))
	fmt.Print(get(service.URL+"/hello", "something else"))
	// Output:
	// 200 Hello alice
	// 401 {"error":"invalid_token","error_description":"token not valid"}
}

// startIssuer stands for the issuer, which is another service. It publishes its keys and
// has issued one token.
func startIssuer() (issuer *httptest.Server, token string) {
	key, err := mytoken.GenerateKey(mytoken.ES384)
	if err != nil {
		panic(err)
	}
	keys, err := mytoken.NewKeys(key)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) { w.Write(keys.JWKS()) })
	issuer = httptest.NewServer(mux)

	claims := mytoken.Claims{
		Issuer:     issuer.URL,
		OIDCIssuer: "https://op.example.org", OIDCSubject: "alice",
		Capabilities: capability.Set{capability.AT},
	}
	claims.SetTimes(time.Now())
	signed, err := keys.Sign(claims)
	if err != nil {
		panic(err)
	}
	return issuer, signed.Reveal()
}

// get presents a token and returns the status and the body of the answer.
func get(url, token string) string {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%d %s", response.StatusCode, body)
}
