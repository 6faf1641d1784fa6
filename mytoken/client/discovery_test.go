package client_test

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/client"
)

// One caller fetches the discovery document. Another one fetches it again when it is too
// old.
func TestDiscoveryCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		c := f.client(t, func(cfg *client.Config) { cfg.MetadataLife = 10 * time.Minute })
		const document = "/.well-known/mytoken-configuration"
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				_, err := c.Metadata(t.Context())
				assert.NoError(t, err)
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

// serving returns a client of a server that answers everything with the document.
func serving(t *testing.T, status int, document any) *client.Client {
	t.Helper()
	hc := &http.Client{Transport: roundTrip(func(*http.Request) (int, any) { return status, document })}
	c, err := client.New(client.Config{Issuer: fakeIssuer, HTTPClient: hc})
	require.NoError(t, err)
	return c
}

// A document of another server, or with unsafe or malformed members, is refused. So is a
// use of an endpoint that the server does not have.
func TestDiscoveryRefused(t *testing.T) {
	for name, c := range map[string]struct{ key, value, text string }{
		"another issuer":     {"issuer", "https://elsewhere.example", `discovery of https://mytoken.example.org: the document names another issuer, "https://elsewhere.example": set Config.Issuer to it if you trust it`},
		"plain http":         {"access_token_endpoint", "http://mytoken.example.org/access", "plain http"},
		"not a URL":          {"mytoken_endpoint", "/my", "absolute"},
		"malformed document": {"providers_supported", "x", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			document := new(fake).discovery()
			document[c.key] = c.value
			_, err := serving(t, http.StatusOK, document).Metadata(t.Context())
			require.ErrorContains(t, err, c.text)
		})
	}
	document := new(fake).discovery()
	delete(document, "revocation_endpoint")
	require.ErrorIs(t, serving(t, http.StatusOK, document).Revoke(t.Context(), aToken, true), client.ErrUnsupported)
}

// The most frequent mistakes are a wrong server and a missing provider. The errors name
// which server was asked, and which providers it has.
func TestDiscoveryErrorsName(t *testing.T) {
	_, err := serving(t, http.StatusNotFound, "no page").Metadata(t.Context())
	require.EqualError(t, err, "client: discovery of https://mytoken.example.org: the server answered with status 404")

	document := new(fake).discovery()
	document["providers_supported"] = []any{map[string]any{"issuer": "https://a.example"}, map[string]any{"issuer": "https://b.example"}}
	_, err = serving(t, http.StatusOK, document).StartLogin(t.Context(), client.LoginRequest{})
	require.ErrorContains(t, err, `["https://a.example" "https://b.example"]`)
}
