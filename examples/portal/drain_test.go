package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const request = "GET /jwks HTTP/1.1\r\nHost: portal.example.org\r\n\r\n"

// TestDrain: while connections come in all the time, the program is told to end. Each
// connection that was made gets a complete answer; later ones are refused.
func TestDrain(t *testing.T) {
	dir := t.TempDir()
	roots := certificate(t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	encrypted := []string{"-tls-cert", filepath.Join(dir, "cert.pem"), "-tls-key", filepath.Join(dir, "key.pem")}
	for name, c := range map[string]struct {
		args []string
		ask  func(t *testing.T, dial dialer) error
	}{
		"HTTP": {nil, func(t *testing.T, dial dialer) error { return fresh(t, dial, nil) }},
		"Unix": {[]string{"-listen", "unix:" + filepath.Join(dir, "s"), "-trust-unix-peers"}, func(t *testing.T, dial dialer) error { return fresh(t, dial, nil) }},
		"TLS": {encrypted, func(t *testing.T, dial dialer) error {
			return fresh(t, dial, &tls.Config{RootCAs: roots, ServerName: "portal.example.org"})
		}},
		"HTTP/2": {encrypted, func(t *testing.T, dial dialer) error { return overHTTP2(t, dial, roots) }},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, nil, append([]string{"-url", "https://portal.example.org", "-drain", "300ms"}, c.args...)...)
			silent, err := p.dial(t.Context())
			require.NoError(t, err)
			defer silent.Close()
			var before, after atomic.Int64
			var ending atomic.Bool
			warm := make(chan struct{})
			var workers sync.WaitGroup
			for range 8 {
				workers.Go(func() {
					for {
						count := &before
						if ending.Load() {
							count = &after
						}
						err := c.ask(t, p.dial)
						if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
							return // no connection was made
						}
						if err != nil {
							t.Error(err)
							return
						}
						if count.Add(1) == 50 && count == &before {
							close(warm)
						}
					}
				})
			}
			<-warm
			ending.Store(true)
			p.terminate()
			p.errs.wait(t, "shutting down")
			code, _, err := send(t.Context(), p.client(), http.MethodGet, "http://"+p.health, "", "")
			assert.NoError(t, err)
			assert.Equal(t, http.StatusServiceUnavailable, code)
			if len(c.args) == 0 { // connected before the signal, used after it
				assert.NoError(t, exchange(silent))
			}
			silent.Close()
			workers.Wait()
			p.wait()
			if after.Load() == 0 {
				t.Error("no request came after the signal")
			}
		})
	}
}

type dialer = func(context.Context) (net.Conn, error)

// dial connects to the program.
func (p *portal) dial(ctx context.Context) (net.Conn, error) {
	network := "tcp"
	if filepath.IsAbs(p.address) {
		network = "unix"
	}
	return new(net.Dialer).DialContext(ctx, network, p.address)
}

// fresh makes a connection and sends one request.
func fresh(t *testing.T, dial dialer, config *tls.Config) error {
	conn, err := dial(t.Context())
	if err != nil {
		return err
	}
	defer conn.Close()
	if config != nil {
		conn = tls.Client(conn, config)
	}
	return exchange(conn)
}

// exchange sends a request and reads the answer.
func exchange(conn net.Conn) error {
	if _, err := io.WriteString(conn, request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// overHTTP2 sends requests on one connection after the other. The program says GOAWAY,
// and the transport makes a new one.
func overHTTP2(t *testing.T, dial dialer, roots *x509.CertPool) error {
	transport := &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}
	defer transport.CloseIdleConnections()
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://portal.example.org/api/v0/token/revoke", http.NoBody)
		if err != nil {
			return err
		}
		req.GetBody = nil
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusBadRequest {
			return errors.New(resp.Proto + " " + resp.Status)
		}
	}
	return nil
}

// TestDoubledSignal: supervisors that signal both the process and its group, such as
// timeout(1), send the first signal twice. The program ends in order all the same.
func TestDoubledSignal(t *testing.T) {
	const drain = time.Second
	socket := filepath.Join(t.TempDir(), "s")
	p := start(t, nil, "-url", "https://portal.example.org", "-listen", "unix:"+socket, "-drain", drain.String())
	began := time.Now() // before the drain
	p.terminate()
	p.errs.wait(t, "shutting down")
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended already
	if time.Since(began) >= drain {
		<-p.ended
		t.Skip("SKIPPED: the machine is so slow that the second signal may have come after the drain")
	}
	p.wait()
	assert.NoFileExists(t, socket)
}
