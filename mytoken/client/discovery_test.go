package client_test

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/client"
)

// Discovery is fetched by one caller at a time, and again when its life is over.
func TestDiscoveryCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		c := f.client(t, func(cfg *client.Config) { cfg.MetadataLife = 10 * time.Minute })
		const document = "/.well-known/mytoken-configuration"
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				if _, err := c.Metadata(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		require.Equal(t, 1, f.count(document))
		time.Sleep(10*time.Minute - time.Second)
		_, err := c.Metadata(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, f.count(document))
		time.Sleep(time.Second)
		m, err := c.Metadata(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, f.count(document))
		require.Equal(t, "https://op.example.org", m.Providers[0].Issuer)
	})
}

// A server without an endpoint, and a document that is somebody else's.
func TestDiscoveryRefused(t *testing.T) {
	for name, c := range map[string]struct{ key, value, text string }{
		"another issuer":     {"issuer", "https://elsewhere.example", `discovery of https://mytoken.example.org: the document names another issuer, "https://elsewhere.example": set Config.Issuer to it if you trust it`},
		"plain http":         {"access_token_endpoint", "http://mytoken.example.org/access", "plain http"},
		"not a URL":          {"mytoken_endpoint", "/my", "absolute"},
		"malformed document": {"providers_supported", "x", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			f := new(fake)
			document := f.discovery()
			document[c.key] = c.value
			hc := &http.Client{Transport: roundTrip(func(*http.Request) (int, any) { return 200, document })}
			client, err := client.New(client.Config{Issuer: fakeIssuer, HTTPClient: hc})
			require.NoError(t, err)
			_, err = client.Metadata(t.Context())
			require.ErrorContains(t, err, c.text)
		})
	}
	document := new(fake).discovery()
	delete(document, "revocation_endpoint")
	hc := &http.Client{Transport: roundTrip(func(*http.Request) (int, any) { return 200, document })}
	c, err := client.New(client.Config{Issuer: fakeIssuer, HTTPClient: hc})
	require.NoError(t, err)
	require.ErrorIs(t, c.Revoke(t.Context(), aToken, true), client.ErrUnsupported)
}

// What a user gets wrong first is where the server is, and which of its providers
// is meant: the errors name what was asked and what there is.
func TestDiscoveryErrorsName(t *testing.T) {
	hc := &http.Client{Transport: roundTrip(func(*http.Request) (int, any) { return 404, "no page" })}
	c, err := client.New(client.Config{Issuer: fakeIssuer, HTTPClient: hc})
	require.NoError(t, err)
	_, err = c.Metadata(t.Context())
	require.EqualError(t, err, "client: discovery of https://mytoken.example.org: the server answered with status 404")

	document := new(fake).discovery()
	document["providers_supported"] = []any{map[string]any{"issuer": "https://a.example"}, map[string]any{"issuer": "https://b.example"}}
	hc = &http.Client{Transport: roundTrip(func(*http.Request) (int, any) { return 200, document })}
	c, err = client.New(client.Config{Issuer: fakeIssuer, HTTPClient: hc})
	require.NoError(t, err)
	_, err = c.StartLogin(t.Context(), client.LoginRequest{})
	require.ErrorContains(t, err, `["https://a.example" "https://b.example"]`)
}
