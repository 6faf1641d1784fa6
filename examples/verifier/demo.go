package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// demonstrate runs the service, and a client that tries a few tokens. It signs the tokens
// itself, as an issuer would. The service knows the URL of the issuer and the URL of its
// keys, and nothing else.
func demonstrate(ctx context.Context, out io.Writer) error {
	const issuer = "https://mytoken.example.org"
	key, err := mytoken.GenerateKey("")
	if err != nil {
		return err
	}
	keys, err := mytoken.NewKeys(key)
	if err != nil {
		return err
	}
	published := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Write(keys.JWKS())
	}))
	defer published.Close()
	handler, err := newService(mytoken.VerifierConfig{Issuer: issuer, JWKSURL: published.URL})
	if err != nil {
		return err
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the answers are enough
	service := httptest.NewServer(handler)
	defer service.Close()

	issue := func(name string, c capability.Capability, clauses ...restriction.Clause) (string, error) {
		claims := mytoken.Claims{
			Issuer: issuer, OIDCIssuer: "https://op.example.org", OIDCSubject: "alice",
			Name: name, Capabilities: capability.Set{c}, Restrictions: clauses,
		}
		claims.SetTimes(time.Now())
		token, err := keys.Sign(claims)
		return token.Reveal(), err
	}
	good, err := issue("laptop", capability.Tokeninfo, restriction.Clause{Hosts: []string{"127.0.0.0/8"}})
	if err != nil {
		return err
	}
	elsewhere, err := issue("cluster", capability.Tokeninfo, restriction.Clause{Hosts: []string{"198.51.100.0/24"}})
	if err != nil {
		return err
	}
	other, err := issue("only access tokens", capability.AT)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, try := range []struct{ what, token string }{
		{"a token for this network", good},
		{"no token", ""},
		{"a token for another network", elsewhere},
		{"a token without the capability", other},
		{"a token that was changed", strings.Replace(good, ".", ".e", 1)},
	} {
		status, answer, err := get(ctx, service.URL+"/hello", try.token)
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%d\t%s\n", try.what, status, answer)
	}
	return table.Flush()
}

func get(ctx context.Context, url, token string) (status int, answer string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, strings.TrimSpace(string(text)), err
}
