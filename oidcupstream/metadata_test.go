package oidcupstream_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// A program can start while the provider is down, and uses it as soon as it is up.
func TestProviderDownAtFirst(t *testing.T) {
	b := newBench(t, optest.Options{})
	b.faults.on(optest.EndpointDiscovery, optest.Fault{FailBefore: 503})
	for range 2 {
		_, err := b.p.AuthorizationURL(t.Context(), authorization(oauth2.GenerateVerifier()))
		e := upstreamError(t, err)
		require.ErrorIs(t, err, oidcupstream.ErrMetadata)
		require.Equal(t, oidcupstream.NotSent, e.Outcome)
		_, err = b.refresh("r")
		require.ErrorIs(t, err, oidcupstream.ErrMetadata)
		require.Equal(t, oidcupstream.NotSent, upstreamError(t, err).Outcome)
	}
	b.faults.set(nil)
	b.login()
}

func TestProviderNotReachable(t *testing.T) {
	b := newBench(t, optest.Options{})
	require.NoError(t, b.op.Close())
	_, err := b.p.Discover(t.Context())
	require.ErrorIs(t, err, oidcupstream.ErrMetadata)
	require.Equal(t, oidcupstream.NotSent, upstreamError(t, err).Outcome)
}

// Discovered returns what was fetched, and fetches nothing itself.
func TestDiscovered(t *testing.T) {
	b := newBench(t, optest.Options{})
	var fetches atomic.Int32
	b.faults.set(func(at optest.FaultPoint) optest.Fault {
		if at.Endpoint == optest.EndpointDiscovery {
			fetches.Add(1)
		}
		return optest.Fault{}
	})
	_, known := b.p.Discovered()
	require.False(t, known)
	require.Zero(t, fetches.Load())
	fetched, err := b.p.Discover(t.Context())
	require.NoError(t, err)
	got, known := b.p.Discovered()
	require.True(t, known)
	require.Equal(t, fetched, got)
	require.EqualValues(t, 1, fetches.Load())
	got.ScopesSupported[0] = "changed"
	again, _ := b.p.Discovered()
	require.Equal(t, fetched, again)
}

// All callers that wait for the metadata share one fetch.
func TestMetadataFetchedOnce(t *testing.T) {
	b := newBench(t, optest.Options{})
	var fetches atomic.Int32
	started, release := make(chan struct{}), make(chan struct{})
	b.faults.set(func(at optest.FaultPoint) optest.Fault {
		if at.Endpoint == optest.EndpointDiscovery && fetches.Add(1) == 1 {
			return optest.Fault{Wait: func(context.Context) {
				close(started)
				<-release
			}}
		}
		return optest.Fault{}
	})
	impatient, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	first := make(chan error, 1)
	wg.Go(func() {
		_, err := b.p.Discover(impatient)
		first <- err
	})
	<-started
	for range 8 {
		wg.Go(func() {
			_, err := b.p.Discover(t.Context())
			assert.NoError(t, err)
		})
	}
	leave()
	require.ErrorIs(t, <-first, context.Canceled, "the one who began leaves alone")
	close(release)
	wg.Wait()
	require.EqualValues(t, 1, fetches.Load())
	m, err := b.p.Discover(t.Context())
	require.NoError(t, err)
	require.Equal(t, b.op.Issuer(), m.Issuer)
	require.Equal(t, b.op.Issuer()+"/token", m.TokenEndpoint)
	require.Equal(t, b.op.Issuer()+"/revoke", m.RevocationEndpoint)
	require.True(t, m.IssParameter)
	require.EqualValues(t, 1, fetches.Load())
}

// Outdated metadata is renewed in the background. Until that succeeds, calls use the old
// one.
func TestMetadataRenewed(t *testing.T) {
	b := newBench(t, optest.Options{}, func(c *oidcupstream.Config) { c.MetadataTTL = 10 * time.Minute })
	login := b.login()
	fetched := b.clock.Now()
	attempts := make(chan struct{}, 1000)
	plan := func(f optest.Fault) {
		b.faults.set(func(at optest.FaultPoint) optest.Fault {
			if at.Endpoint == optest.EndpointDiscovery {
				attempts <- struct{}{}
				return f
			}
			return optest.Fault{}
		})
	}
	plan(optest.Fault{FailBefore: 500})
	b.clock.Advance(10 * time.Minute)
	for range 3 { // the attempt in the background fails, the refreshes do not, and there is no second attempt yet
		_, err := b.refresh(login.RefreshToken)
		require.NoError(t, err)
	}
	<-attempts
	require.Empty(t, attempts)
	require.Eventually(t, func() bool { // a minute later there is; the loop waits for the end of the first
		b.clock.Advance(time.Minute)
		_, err := b.refresh(login.RefreshToken)
		return err == nil && len(attempts) > 0
	}, 2*time.Minute, time.Millisecond)
	m, err := b.p.Discover(t.Context())
	require.NoError(t, err)
	require.Equal(t, fetched, m.Fetched)

	plan(optest.Fault{})
	require.Eventually(t, func() bool {
		b.clock.Advance(time.Minute)
		m, err := b.p.Discover(t.Context())
		return err == nil && m.Fetched.After(fetched)
	}, 2*time.Minute, time.Millisecond)
}

// Fetching the metadata and the request share one timeout, so that a refresh never takes
// longer.
func TestRefreshTimeoutIncludesMetadata(t *testing.T) {
	b := newBench(t, optest.Options{}, func(c *oidcupstream.Config) { c.Timeout = 50 * time.Millisecond })
	b.faults.on(optest.EndpointDiscovery, optest.Fault{Wait: func(ctx context.Context) { <-ctx.Done() }})
	_, err := b.refresh("r")
	e := upstreamError(t, err)
	require.Equal(t, oidcupstream.NotSent, e.Outcome)
	require.ErrorIs(t, err, oidcupstream.ErrMetadata)
}

func TestMetadataRefused(t *testing.T) {
	const evil = "http://op.example.net"
	for name, document := range map[string]func(self string) string{
		"another issuer":      func(self string) string { return discoveryDocument("https://evil.example", self) },
		"issuer with a slash": func(self string) string { return discoveryDocument(self+"/", self) },
		"no JSON":             func(string) string { return "<html>" },
		"nothing":             func(string) string { return "" },
		"null":                func(string) string { return "null" },
		"plain http":          func(self string) string { return discoveryDocument(self, evil) },
		"other scheme":        func(self string) string { return discoveryDocument(self, "ftp://op.example.net") },
		"relative":            func(self string) string { return discoveryDocument(self, "") },
		"user in URL":         func(self string) string { return discoveryDocument(self, "https://user:pass@op.example.net") },
		"no token endpoint": func(self string) string {
			return strings.Replace(discoveryDocument(self, self), "token_endpoint", "t", 1)
		},
		"no keys": func(self string) string { return strings.Replace(discoveryDocument(self, self), "jwks_uri", "j", 1) },
		"http revocation alone": func(self string) string {
			return strings.Replace(discoveryDocument(self, self), self+"/revoke", evil, 1)
		},
		"larger than allowed": func(self string) string { return discoveryDocument(self, self) + strings.Repeat(" ", 1<<20) },
		"nested deeply": func(self string) string {
			return strings.Replace(discoveryDocument(self, self), "{", `{"x":`+strings.Repeat("[", 1<<18)+strings.Repeat("]", 1<<18)+`,`, 1)
		},
		"endpoints not a string": func(self string) string { return fmt.Sprintf(`{"issuer":%q,"token_endpoint":[]}`, self) },
		"scopes not an array": func(self string) string {
			return strings.Replace(discoveryDocument(self, self), "{", `{"scopes_supported":"openid",`, 1)
		},
		"iss parameter no boolean": func(self string) string {
			return strings.Replace(discoveryDocument(self, self), "{", `{"authorization_response_iss_parameter_supported":"yes",`, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var server *httptest.Server
			server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, document(server.URL))
			}))
			defer server.Close()
			p, err := oidcupstream.New(oidcupstream.Config{Issuer: server.URL, ClientID: "c", Auth: oidcupstream.PublicClient()})
			require.NoError(t, err)
			_, err = p.Discover(t.Context())
			require.ErrorIs(t, err, oidcupstream.ErrMetadata)
			require.Less(t, len(err.Error()), 1000)
		})
	}
}

// Plain http to a host that is not a loopback address needs InsecureHTTP.
func TestInsecureHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, discoveryDocument("http://op.example.net", "http://op.example.net"))
	}))
	defer server.Close()
	cfg := oidcupstream.Config{
		Issuer: "http://op.example.net", ClientID: "c", Auth: oidcupstream.PublicClient(),
		HTTPClient: &http.Client{Transport: rerouted{server.Listener.Addr().String()}},
	}
	_, err := oidcupstream.New(cfg)
	require.ErrorIs(t, err, oidcupstream.ErrConfig)
	cfg.InsecureHTTP = true
	p, err := oidcupstream.New(cfg)
	require.NoError(t, err)
	_, err = p.Discover(t.Context())
	require.NoError(t, err)
}

// The metadata of a remote provider cannot name a loopback address. Otherwise this
// package would send the client's secret and refresh tokens to whatever listens there.
func TestLoopbackEndpointsOfRemoteProvider(t *testing.T) {
	const issuer = "https://op.example.net"
	for _, host := range []string{"127.0.0.1:8080", "127.7.7.7", "[::1]:8080", "[::ffff:127.0.0.1]"} {
		for _, endpoint := range []string{"/authorize", "/token", "/keys", "/userinfo", "/revoke"} {
			document := strings.Replace(discoveryDocument(issuer, issuer), issuer+endpoint, "http://"+host+endpoint, 1)
			require.Contains(t, document, host)
			cfg := oidcupstream.Config{
				Issuer: issuer, ClientID: "c", Auth: oidcupstream.PublicClient(),
				HTTPClient: &http.Client{Transport: oneDocument(document)},
			}
			p, err := oidcupstream.New(cfg)
			require.NoError(t, err)
			_, err = p.Discover(t.Context())
			require.ErrorIs(t, err, oidcupstream.ErrMetadata, document)
			require.Equal(t, oidcupstream.NotSent, upstreamError(t, err).Outcome)

			cfg.InsecureHTTP = true
			p, err = oidcupstream.New(cfg)
			require.NoError(t, err)
			_, err = p.Discover(t.Context())
			require.NoError(t, err, document)
		}
	}
	local, err := oidcupstream.New(oidcupstream.Config{
		Issuer: "http://127.0.0.1:1", ClientID: "c", Auth: oidcupstream.PublicClient(),
		HTTPClient: &http.Client{Transport: oneDocument(discoveryDocument("http://127.0.0.1:1", "http://[::1]:2"))},
	})
	require.NoError(t, err)
	_, err = local.Discover(t.Context())
	require.NoError(t, err, "a provider on this machine may name another address of it")
}

// oneDocument is a transport that answers every request with this document.
type oneDocument string

func (d oneDocument) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(d)))}, nil
}

// No request follows a redirect, neither to a loopback address nor to another host.
func TestRedirectsNotFollowed(t *testing.T) {
	var reached atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer elsewhere.Close()
	b := newBench(t, optest.Options{})
	tokens := b.login()
	for _, endpoint := range []optest.Endpoint{
		optest.EndpointDiscovery, optest.EndpointKeys, optest.EndpointExchange, optest.EndpointRefresh, optest.EndpointUserInfo, optest.EndpointRevoke,
	} {
		fresh, err := oidcupstream.New(b.op.ClientConfig(redirectURL))
		require.NoError(t, err)
		b.p = fresh
		b.faults.set(nil)
		redirect, err := b.redirect(authorization(oauth2.GenerateVerifier()))
		require.NoError(t, err)
		if endpoint == optest.EndpointDiscovery {
			b.p, err = oidcupstream.New(b.op.ClientConfig(redirectURL))
			require.NoError(t, err)
		}
		b.faults.on(endpoint, optest.Fault{RedirectTo: elsewhere.URL})
		for _, call := range []func() error{
			func() error {
				_, err := b.p.Exchange(t.Context(), oidcupstream.ExchangeRequest{Code: redirect.Code, Verifier: oauth2.GenerateVerifier(), Nonce: testNonce})
				return err
			},
			func() error {
				_, err := b.refresh(tokens.RefreshToken)
				return err
			},
			func() error {
				_, err := b.p.UserInfo(t.Context(), tokens.AccessToken, tokens.Subject)
				return err
			},
			func() error { return b.p.Revoke(t.Context(), "r") },
		} {
			call()
		}
		require.Zero(t, reached.Load(), endpoint)
	}
}

// After a clock was set back, nobody knows how old the metadata is. The next call renews
// it in the background.
func TestMetadataClockSetBack(t *testing.T) {
	b := newBench(t, optest.Options{}, func(c *oidcupstream.Config) { c.MetadataTTL = 10 * time.Minute })
	login := b.login()
	fetched := make(chan struct{}, 1000)
	b.faults.set(func(at optest.FaultPoint) optest.Fault {
		if at.Endpoint == optest.EndpointDiscovery {
			fetched <- struct{}{}
		}
		return optest.Fault{}
	})
	_, err := b.refresh(login.RefreshToken)
	require.NoError(t, err)
	require.Empty(t, fetched)
	b.clock.Advance(-time.Second)
	_, err = b.refresh(login.RefreshToken)
	require.NoError(t, err)
	<-fetched
}
