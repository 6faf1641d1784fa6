package rest_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/restriction"
)

// behindSocket serves the service once more, on a Unix socket behind a reverse proxy.
// Rewrite is what the proxy does; nil means that it says who its client is.
func (s *service) behindSocket(opts rest.Options, rewrite func(*httputil.ProxyRequest)) *service {
	s.t.Helper()
	opts.Logger = slog.New(slog.NewJSONHandler(s.Log, nil))
	handler, err := rest.NewHandler(s.Issuer, opts)
	require.NoError(s.t, err)
	socket := filepath.Join(s.t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		s.t.Skipf("SKIPPED: no Unix sockets: %v", err)
	}
	inner := httptest.NewUnstartedServer(handler)
	inner.Listener.Close()
	inner.Listener = listener
	inner.Start()
	s.t.Cleanup(inner.Close)
	if rewrite == nil {
		rewrite = (*httputil.ProxyRequest).SetXForwarded
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	s.t.Cleanup(transport.CloseIdleConnections)
	front := httptest.NewServer(&httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: "socket"})
		rewrite(r)
	}})
	s.t.Cleanup(front.Close)
	other := *s
	other.http, other.URL = front, front.URL
	return &other
}

// from is a client with an address of its own.
func (s *service) from(address string) *http.Client {
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestD17_UnixSocket: behind a proxy on a Unix socket, each client has its own address
// and its own budget, and cannot choose them. // proves P2
func TestD17_UnixSocket(t *testing.T) {
	s := start(t)
	here := s.token(list(restriction.Clause{Hosts: []string{"127.0.0.1"}}))
	access := func(s *service, client *http.Client, header ...string) *reply {
		return s.with(client, http.MethodPost, "/api/v0/token/access", `{"grant_type":"mytoken","mytoken":"`+here+`"}`, header...)
	}
	opts := rest.Options{TrustUnixPeers: true, Guesses: rest.GuessLimits{PerAddress: 1}}
	proxied := s.behindSocket(opts, nil)
	first, second := s.from("127.0.0.1"), &http.Client{}
	if probe, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", s.http.Listener.Addr().String()); err == nil {
		probe.Close()
		second = s.from("127.0.0.2")
		proxied.refusedBy(access(proxied, second), "hosts")
		proxied.refusedBy(access(proxied, second, "X-Forwarded-For", "127.0.0.1"), "hosts")
	}
	proxied.object(access(proxied, first), 200)

	guess := func(s *service, client *http.Client) int {
		return s.with(client, http.MethodPost, "/api/v0/token/my", `{"grant_type":"polling_code","polling_code":"abcdefghijkmno"}`).StatusCode
	}
	assert.Equal(t, []int{401, 429}, []int{guess(proxied, first), guess(proxied, first)})
	if second.Transport != nil {
		assert.Equal(t, 401, guess(proxied, second))
	}
	assert.NotContains(t, s.Log.String(), "the address of a client is not known")

	forwarded := s.behindSocket(rest.Options{TrustUnixPeers: true, ProxyHeader: rest.Forwarded}, func(r *httputil.ProxyRequest) {
		r.Out.Header.Set("Forwarded", "for=127.0.0.1;proto=https")
	})
	forwarded.object(access(forwarded, first), 200)
	silent := s.behindSocket(opts, func(*httputil.ProxyRequest) {})
	silent.refusedBy(access(silent, first), "hosts")
}

// TestD17_UnixSocketNotTrusted: without the option nobody behind a Unix socket has an
// address, whatever the header says. The log says so, with the option and what it means.
func TestD17_UnixSocketNotTrusted(t *testing.T) {
	s := start(t)
	here := s.token(list(restriction.Clause{Hosts: []string{"127.0.0.1"}}))
	proxied := s.behindSocket(rest.Options{}, nil)
	for range 3 {
		proxied.refusedBy(proxied.access(here, nil), "hosts")
	}
	proxied.object(proxied.access(s.token(mytoken.Properties{}), nil), 200)
	for _, want := range []string{"through a Unix socket", "TrustUnixPeers is not set", "share one budget"} {
		assert.Equal(t, 1, strings.Count(s.Log.String(), want), "%s: %s", want, s.Log)
	}
}
