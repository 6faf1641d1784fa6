package client_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/seal"
)

// slowProvider is a provider without a network, for tests with synctest. Each refresh
// takes 250 ms.
type slowProvider struct {
	rotates bool

	mu          sync.Mutex
	generation  int
	asked, busy int // refreshes, and those that run
	most        int // that ran at once
}

const slowIssuer = "https://op.example.org"

// RoundTrip implements http.RoundTripper.
func (p *slowProvider) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer(w, http.StatusOK, map[string]any{
			"issuer": slowIssuer, "authorization_endpoint": slowIssuer + "/auth", "token_endpoint": slowIssuer + "/token",
			"userinfo_endpoint": slowIssuer + "/userinfo", "jwks_uri": slowIssuer + "/keys",
		})
	case "/userinfo":
		answer(w, http.StatusOK, map[string]any{"sub": "alice"})
	default:
		p.refresh(w, r)
	}
	return w.Result(), nil
}

func (p *slowProvider) refresh(w http.ResponseWriter, r *http.Request) {
	sent := r.PostFormValue("refresh_token")
	p.mu.Lock()
	p.asked++
	p.busy++
	p.most = max(p.most, p.busy)
	p.mu.Unlock()
	<-time.After(250 * time.Millisecond)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	if sent != p.token() {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	if p.rotates {
		p.generation++
	}
	answer(w, http.StatusOK, map[string]any{
		"access_token": fmt.Sprintf("access-%d", p.asked), "expires_in": 3600, "refresh_token": p.token(), "scope": r.PostFormValue("scope"),
	})
}

func (p *slowProvider) token() string { return fmt.Sprintf("refresh-%d", p.generation) }

// directly sends requests to a handler without a network.
type directly struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (d directly) RoundTrip(r *http.Request) (*http.Response, error) {
	body := io.Reader(http.NoBody)
	if r.Body != nil {
		body = r.Body
	}
	request := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), body)
	request.Header = r.Header
	w := httptest.NewRecorder()
	d.ServeHTTP(w, request)
	return w.Result(), nil
}

const manyJobs = 100

// adopted starts an issuer whose provider is p, reached by the transport. It adopts a
// login there and returns its first token.
func adopted(t *testing.T, p *slowProvider, transport http.RoundTripper, store store.Store, properties mytoken.Properties) (*issuer.Issuer, *mytoken.Issued) {
	t.Helper()
	upstream, err := oidcupstream.New(oidcupstream.Config{
		Issuer: slowIssuer, ClientID: "client", Auth: oidcupstream.ClientSecretPost("secret"), RedirectURL: fakeIssuer + "/redirect",
		HTTPClient: &http.Client{Transport: transport}, RefreshTokensNeverRotate: !p.rotates,
	})
	require.NoError(t, err)
	key, err := mytoken.GenerateKey(mytoken.ES256)
	require.NoError(t, err)
	keys, err := mytoken.NewKeys(key)
	require.NoError(t, err)
	ring, err := seal.NewRing(seal.RingConfig{Active: seal.NewKey()})
	require.NoError(t, err)
	i, err := issuer.New(issuer.Config{
		Issuer: fakeIssuer, Store: store, Seal: ring, Keys: keys, Logger: slog.New(slog.DiscardHandler),
		Providers: []issuer.Provider{{Upstream: upstream, InsecureOpaqueAudience: true}},
	})
	require.NoError(t, err)
	root, err := i.Adopt(t.Context(), issuer.Adoption{
		Provider: slowIssuer, Subject: "alice", RefreshToken: mytoken.NewSecret(p.token()), Client: mytokentest.Client, Properties: properties,
	})
	require.NoError(t, err)
	return i, root
}

// jobs makes a child token for each of many jobs of one login.
func jobs(t *testing.T, p *slowProvider) (*issuer.Issuer, []mytoken.Secret) {
	t.Helper()
	i, root := adopted(t, p, p, memstore.New(), mytoken.Properties{Capabilities: everything})
	var tokens []mytoken.Secret
	for range manyJobs {
		child, err := i.Derive(t.Context(), issuer.DeriveRequest{Token: root.Token, Client: mytokentest.Client})
		require.NoError(t, err)
		tokens = append(tokens, child.Token)
	}
	return i, tokens
}

// A hundred jobs of one login start at once, each with a token and scopes of its own. The
// provider rotates its refresh tokens, so it can be asked for one job after the other,
// which takes longer than a request may wait. All jobs get their access tokens: the
// client comes back when it is told to, and who came first is served first.
//
// proves P5
func TestManyJobsOfOneLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &slowProvider{rotates: true}
		i, tokens := jobs(t, p)
		handler, err := rest.NewHandler(i, rest.Options{Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		begin := time.Now()
		var all sync.WaitGroup
		for n, token := range tokens {
			all.Go(func() {
				c, err := client.New(client.Config{Issuer: fakeIssuer, HTTPClient: &http.Client{Transport: directly{handler}}})
				if !assert.NoError(t, err) {
					return
				}
				_, err = c.NewHolder(client.NewMemoryStore(token)).AccessToken(t.Context(), client.AccessTokenRequest{Scopes: []string{fmt.Sprint("job-", n)}})
				assert.NoError(t, err)
			})
		}
		all.Wait()
		require.Equal(t, 1+manyJobs, p.asked)
		require.Equal(t, 1, p.most, "one after the other")
		require.Less(t, time.Since(begin), 40*time.Second, "25 s of refreshes")
		require.NoError(t, i.Close(t.Context()))
	})
}

// Where refresh tokens never rotate, which the adoption has shown, nobody waits for long,
// and no client has to come back.
func TestManyJobsOfOneLoginThatNeverRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &slowProvider{}
		i, tokens := jobs(t, p)
		begin := time.Now()
		var all sync.WaitGroup
		for n, token := range tokens {
			all.Go(func() {
				_, err := i.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token, Scopes: []string{fmt.Sprint("job-", n)}, Client: mytokentest.Client})
				assert.NoError(t, err)
			})
		}
		all.Wait()
		require.Equal(t, 1+manyJobs, p.asked)
		require.Equal(t, 16, p.most)
		require.Equal(t, 7*250*time.Millisecond, time.Since(begin), "seven rounds of sixteen")
		require.NoError(t, i.Close(t.Context()))
	})
}
