package client_test

import (
	"net/http"
	"strings"
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

// The document of a remote server cannot name a loopback address. Otherwise the client
// would send tokens to whatever listens there.
func TestLoopbackEndpointsOfRemoteServer(t *testing.T) {
	for key := range new(fake).discovery() {
		if !strings.HasSuffix(key, "_endpoint") && key != "jwks_uri" || key == "usersettings_endpoint" { // the client does not use this one
			continue
		}
		for _, address := range []string{"http://127.0.0.1:8080/x", "http://[::1]/x", "http://192.0.2.1/x", "ftp://mytoken.example.org/x", "file:///x"} {
			document := new(fake).discovery()
			document[key] = address
			_, err := serving(t, http.StatusOK, document).Metadata(t.Context())
			var bad *client.AnswerError
			require.ErrorAs(t, err, &bad, "%s: %s", key, address)
		}
	}
	_, err := serving(t, http.StatusOK, consentAt("http://127.0.0.1:8080/c/x")).StartLogin(t.Context(), client.LoginRequest{})
	require.ErrorContains(t, err, "consent URI")
	_, err = serving(t, http.StatusOK, consentAt(fakeIssuer+"/c/x")).StartLogin(t.Context(), client.LoginRequest{})
	require.NoError(t, err)

	document := new(fake).discovery()
	document["issuer"], document["access_token_endpoint"] = "http://127.0.0.1:8000", "http://[::1]:8001/access"
	local, err := client.New(client.Config{
		Issuer: "http://127.0.0.1:8000", HTTPClient: &http.Client{Transport: roundTrip(func(*http.Request) (int, any) { return http.StatusOK, document })},
	})
	require.NoError(t, err)
	_, err = local.Metadata(t.Context())
	require.NoError(t, err, "a server on this machine may name another address of it")
}

// consentAt is a discovery document and the answer to the start of a login in one.
func consentAt(address string) map[string]any {
	document := new(fake).discovery()
	document["consent_uri"], document["polling_code"] = address, "planted-code"
	return document
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
