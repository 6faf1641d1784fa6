package oidcupstream_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

const (
	redirectURL = "https://portal.example.org/redirect"
	testState   = "state-0123456789abcdefghijklmnop"
	testNonce   = "nonce-0123456789abcdefghijklmnop"
)

// clock is a clock that the test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1_800_000_000, 0).UTC()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// script is a plan of faults that a test changes as it runs.
type script struct {
	mu sync.Mutex
	f  func(optest.FaultPoint) optest.Fault
}

func (s *script) set(f func(optest.FaultPoint) optest.Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.f = f
}

// on makes an endpoint fail in one way. The zero fault repairs it.
func (s *script) on(endpoint optest.Endpoint, fault optest.Fault) {
	s.set(func(at optest.FaultPoint) optest.Fault {
		if at.Endpoint == endpoint {
			return fault
		}
		return optest.Fault{}
	})
}

func (s *script) fault(at optest.FaultPoint) optest.Fault {
	s.mu.Lock()
	f := s.f
	s.mu.Unlock()
	if f == nil {
		return optest.Fault{}
	}
	return f(at)
}

// bench is a provider with the server behind it. A test controls both.
type bench struct {
	t      *testing.T
	op     *optest.Server
	p      *oidcupstream.Provider
	clock  *clock
	faults *script
}

func newBench(t *testing.T, options optest.Options, change ...func(*oidcupstream.Config)) *bench {
	t.Helper()
	b := &bench{t: t, clock: newClock(), faults: &script{}}
	options.Clock, options.Faults = b.clock.Now, b.faults.fault
	op, err := optest.Start(options)
	require.NoError(t, err)
	t.Cleanup(func() { op.Close() })
	b.op = op
	cfg := op.ClientConfig(redirectURL)
	for _, f := range change {
		f(&cfg)
	}
	b.p, err = oidcupstream.New(cfg)
	require.NoError(t, err)
	return b
}

// redirect sends a user to the provider and back.
func (b *bench) redirect(req oidcupstream.AuthorizationRequest) (oidcupstream.Redirect, error) {
	b.t.Helper()
	address, err := b.p.AuthorizationURL(b.t.Context(), req)
	require.NoError(b.t, err)
	location, err := optest.Login(b.t.Context(), address, "")
	require.NoError(b.t, err)
	back, err := url.Parse(location)
	require.NoError(b.t, err)
	return b.p.CheckRedirect(b.t.Context(), back.Query())
}

func authorization(verifier string) oidcupstream.AuthorizationRequest {
	return oidcupstream.AuthorizationRequest{State: testState, Nonce: testNonce, Verifier: verifier}
}

// exchange logs the default user in and exchanges the code.
func (b *bench) exchange() (*oidcupstream.Tokens, error) {
	b.t.Helper()
	verifier := oauth2.GenerateVerifier()
	redirect, err := b.redirect(authorization(verifier))
	require.NoError(b.t, err)
	require.Equal(b.t, testState, redirect.State)
	return b.p.Exchange(b.t.Context(), oidcupstream.ExchangeRequest{Code: redirect.Code, Verifier: verifier, Nonce: testNonce})
}

// login logs the default user in and demands a refresh token.
func (b *bench) login() *oidcupstream.Tokens {
	b.t.Helper()
	tokens, err := b.exchange()
	require.NoError(b.t, err)
	require.NotEmpty(b.t, tokens.RefreshToken)
	return tokens
}

func (b *bench) refresh(refreshToken string) (*oidcupstream.Tokens, error) {
	return b.p.Refresh(b.t.Context(), oidcupstream.RefreshRequest{RefreshToken: refreshToken})
}

// upstreamError returns err as the type that every error of the package has.
func upstreamError(t *testing.T, err error) *oidcupstream.Error {
	t.Helper()
	require.Error(t, err)
	e, ok := errors.AsType[*oidcupstream.Error](err)
	require.True(t, ok, "%T: %v", err, err)
	return e
}

// rawProvider returns a provider with good metadata whose token endpoint is the handler.
func rawProvider(t *testing.T, handler http.HandlerFunc, change ...func(*oidcupstream.Config)) *oidcupstream.Provider {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, discoveryDocument(server.URL, server.URL))
	})
	mux.HandleFunc("/token", handler)
	mux.HandleFunc("/userinfo", handler)
	mux.HandleFunc("/revoke", handler)
	cfg := oidcupstream.Config{
		Issuer: server.URL, ClientID: "raw client", Auth: oidcupstream.ClientSecretBasic("s3cret: +/&%"),
		RedirectURL: redirectURL, Clock: newClock().Now,
	}
	for _, f := range change {
		f(&cfg)
	}
	p, err := oidcupstream.New(cfg)
	require.NoError(t, err)
	return p
}

func discoveryDocument(issuer, endpoints string) string {
	return fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q,"userinfo_endpoint":%q,"revocation_endpoint":%q}`,
		issuer, endpoints+"/authorize", endpoints+"/token", endpoints+"/keys", endpoints+"/userinfo", endpoints+"/revoke")
}
