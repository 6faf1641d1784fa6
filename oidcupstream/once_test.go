package oidcupstream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// pointedAt returns a provider with good metadata whose endpoints are at another address.
func pointedAt(t *testing.T, endpoints string, change ...func(*oidcupstream.Config)) *oidcupstream.Provider {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, discoveryDocument(server.URL, endpoints))
	}))
	t.Cleanup(server.Close)
	cfg := oidcupstream.Config{Issuer: server.URL, ClientID: "c", Auth: oidcupstream.PublicClient(), RedirectURL: redirectURL}
	for _, f := range change {
		f(&cfg)
	}
	p, err := oidcupstream.New(cfg)
	require.NoError(t, err)
	return p
}

// The provider closes a kept connection while a request is on it. The provider may have
// acted, so the request is neither repeated nor reported as NotSent. proves P5
func TestNeverSentTwiceOnLostConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var requests, connections atomic.Int32
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			serving.Go(func() {
				defer conn.Close()
				reader := bufio.NewReader(conn)
				for n := 1; ; n++ {
					req, err := http.ReadRequest(reader)
					if err != nil {
						return
					}
					body, _ := io.ReadAll(req.Body)
					if strings.Contains(string(body), "refresh_token=") {
						requests.Add(1)
					}
					if n == 2 {
						return // the connection was kept; now it is closed instead of an answer
					}
					const answer = `{"access_token":"a"}`
					fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
				}
			})
		}
	})
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	p := pointedAt(t, "http://"+listener.Addr().String(), func(c *oidcupstream.Config) {
		c.HTTPClient = &http.Client{Transport: transport}
	})

	_, err = p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
	require.NoError(t, err)
	_, err = p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
	require.Equal(t, oidcupstream.Unknown, upstreamError(t, err).Outcome)
	require.EqualValues(t, 2, requests.Load())
	require.EqualValues(t, 1, connections.Load())
}

// brittleConn refuses all writes once it is broken.
type brittleConn struct {
	net.Conn
	broken *atomic.Bool
}

func (c brittleConn) Write(b []byte) (int, error) {
	if c.broken.Load() {
		return 0, errors.New("broken pipe")
	}
	return c.Conn.Write(b)
}

// net/http repeats a request of any method if a kept connection fails before anything was
// written. It cannot repeat a request of this package. proves P5
func TestNeverSentTwiceOnDeadConnection(t *testing.T) {
	var requests, dials atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		io.WriteString(w, `{"access_token":"a"}`)
	}))
	defer server.Close()
	var broken atomic.Bool
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil && addr == server.Listener.Addr().String() && dials.Add(1) == 1 {
			conn = brittleConn{conn, &broken}
		}
		return conn, err
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	p := pointedAt(t, server.URL, func(c *oidcupstream.Config) { c.HTTPClient = client })

	_, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
	require.NoError(t, err)
	broken.Store(true)
	_, err = p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
	upstreamError(t, err)
	require.EqualValues(t, 1, requests.Load())
	require.EqualValues(t, 1, dials.Load(), "net/http tried again")
}

// stubborn repeats every POST, as HTTP clients with a retry policy do.
type stubborn struct{ base http.RoundTripper }

func (s stubborn) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		if resp, err := s.base.RoundTrip(r); err == nil {
			resp.Body.Close()
		}
		if r.GetBody != nil {
			r = r.Clone(r.Context())
			r.Body, _ = r.GetBody()
		}
	}
	return s.base.RoundTrip(r)
}

// Even a transport that repeats requests cannot send the refresh token twice, because the
// body can be read once only. proves P5
func TestNeverSentTwiceByRetryingTransport(t *testing.T) {
	b := newBench(t, optest.Options{Rotation: optest.RotateStrict}, func(c *oidcupstream.Config) {
		c.HTTPClient = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	})
	login := b.login()
	cfg := b.op.ClientConfig(redirectURL)
	cfg.HTTPClient = &http.Client{Transport: stubborn{http.DefaultTransport.(*http.Transport).Clone()}}
	p, err := oidcupstream.New(cfg)
	require.NoError(t, err)
	_, err = p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: login.RefreshToken})
	require.Equal(t, oidcupstream.Unknown, upstreamError(t, err).Outcome)
	require.Equal(t, 1, b.op.Count(optest.Refreshed))
	require.Zero(t, b.op.Reuses())
}

// A call that fails before the body leaves the process is NotSent. proves P5
func TestNotSent(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts; nobody ever says a word
	require.NoError(t, err)
	defer silent.Close()

	untrusted := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request arrived over an untrusted connection")
	}))
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()

	unknown := func(c *oidcupstream.Config) {
		c.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if strings.HasPrefix(addr, "nowhere.invalid") {
				return nil, &net.DNSError{Err: "no such host", Name: "nowhere.invalid", IsNotFound: true}
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}}}
	}
	for name, test := range map[string]struct {
		endpoints string
		change    []func(*oidcupstream.Config)
	}{
		"connection refused":      {"http://127.0.0.1:1", nil},
		"unknown host":            {"https://nowhere.invalid", []func(*oidcupstream.Config){unknown}},
		"untrusted certificate":   {untrusted.URL, nil},
		"handshake takes forever": {"https://" + silent.Addr().String(), []func(*oidcupstream.Config){func(c *oidcupstream.Config) { c.Timeout = 100 * time.Millisecond }}},
	} {
		t.Run(name, func(t *testing.T) {
			p := pointedAt(t, test.endpoints, test.change...)
			_, err := p.Refresh(t.Context(), oidcupstream.RefreshRequest{RefreshToken: "r"})
			e := upstreamError(t, err)
			require.Equal(t, oidcupstream.NotSent, e.Outcome, "%v", e)
			require.Zero(t, e.Status)
			if name == "unknown host" {
				_, ok := errors.AsType[*net.DNSError](err)
				require.True(t, ok, "the cause can be looked up")
			}
			err = p.Revoke(t.Context(), "r")
			require.Equal(t, oidcupstream.NotSent, upstreamError(t, err).Outcome)
		})
	}
}
