package sshd_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/sshd"
)

func prefixes(all ...string) (out []netip.Prefix) {
	for _, p := range all {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// pipes is a listener whose connections are in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// from is a connection with an address.
type fromAddress struct {
	net.Conn
	addr string
}

func (c fromAddress) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.addr))
}

func (p *pipes) dial(addr string) net.Conn {
	here, there := net.Pipe()
	p.conns <- fromAddress{there, addr}
	return here
}

// alone is a server without clients, whose time a test controls. Nobody can log in.
func alone(t *testing.T, change func(*sshd.Config)) (*sshd.Server, *pipes) {
	t.Helper()
	config := sshd.Config{Issuer: new(issuer.Issuer), HostKeys: []ssh.Signer{newKey(t)}}
	if change != nil {
		change(&config)
	}
	server, err := sshd.New(config)
	require.NoError(t, err)
	l := newPipes()
	go func() { _ = server.Serve(l, nil) }()
	return server, l
}

// untilClosed reads until the server closes the connection, and returns how long that
// took.
func untilClosed(conn net.Conn) time.Duration {
	begin := time.Now()
	_, _ = io.Copy(io.Discard, conn)
	return time.Since(begin)
}

// TestSilence: a client that says nothing is gone after the idle time.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, l := alone(t, nil)
		assert.Equal(t, 10*time.Second, untilClosed(l.dial("192.0.2.7:1")))
		require.NoError(t, server.Shutdown(t.Context()))
	})
}

// TestSlowloris: a client that says a little now and then is gone after the time for a
// connection.
func TestSlowloris(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, l := alone(t, nil)
		conn := l.dial("192.0.2.7:1")
		var writer sync.WaitGroup
		defer writer.Wait()
		writer.Go(func() {
			for _, b := range []byte("SSH-2.0-a-client-that-takes-its-time") {
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(9 * time.Second) // of the test's clock
			}
		})
		assert.Equal(t, 30*time.Second, untilClosed(conn))
		require.NoError(t, server.Shutdown(t.Context()))
	})
}

// TestSlowProxy: a PROXY header that does not come ends the connection soon.
func TestSlowProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, l := alone(t, func(c *sshd.Config) { c.TrustedProxies = prefixes("192.0.2.0/24") })
		conn := l.dial("192.0.2.7:1")
		_, err := conn.Write([]byte("PROXY TCP4 "))
		require.NoError(t, err)
		assert.Equal(t, time.Second, untilClosed(conn))
		require.NoError(t, server.Shutdown(t.Context()))
	})
}

// TestTooManyConnections: those beyond a limit are closed at once, and the places are
// free again afterwards.
func TestTooManyConnections(t *testing.T) {
	for name, c := range map[string]struct {
		limits sshd.Limits
		addr   string // of the one too many
	}{
		"in all":          {sshd.Limits{Connections: 3}, "192.0.2.9:1"},
		"unauthenticated": {sshd.Limits{Unauthenticated: 3}, "192.0.2.7:9"},
		"of an address":   {sshd.Limits{PerAddress: 3}, "192.0.2.7:9"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, l := alone(t, func(config *sshd.Config) { config.Limits = c.limits })
				for range 2 {
					for range 3 {
						go untilClosed(l.dial("192.0.2.7:1"))
					}
					synctest.Wait()
					assert.Zero(t, untilClosed(l.dial(c.addr)))
					time.Sleep(11 * time.Second) // of the test's clock: the others are gone
				}
				require.NoError(t, server.Shutdown(t.Context()))
			})
		})
	}
}

// TestUnauthenticatedMakeRoom: a few addresses with many connections that do not
// authenticate keep nobody else out.
func TestUnauthenticatedMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, l := alone(t, func(c *sshd.Config) { c.Limits = sshd.Limits{Unauthenticated: 6} })
		var closed sync.Map // after how long
		open := func(addr string) {
			conn := l.dial(addr)
			go func() { closed.Store(addr, untilClosed(conn)) }()
			synctest.Wait()
		}
		for _, addr := range []string{"192.0.2.1:1", "192.0.2.2:1", "192.0.2.2:2", "192.0.2.1:2", "192.0.2.2:3", "192.0.2.2:4", "192.0.2.3:1", "192.0.2.2:5", "192.0.2.1:3", "192.0.2.4:1"} {
			open(addr)
		}
		time.Sleep(11 * time.Second) // of the test's clock
		for addr, after := range map[string]time.Duration{
			"192.0.2.2:1": 0, "192.0.2.2:5": 0, // the oldest of four makes room; no more come of those that have most
			"192.0.2.2:2": 0, "192.0.2.1:1": 0, // and so on
			"192.0.2.1:2": 10 * time.Second, "192.0.2.2:3": 10 * time.Second, "192.0.2.2:4": 10 * time.Second, "192.0.2.3:1": 10 * time.Second,
			"192.0.2.1:3": 10 * time.Second, "192.0.2.4:1": 10 * time.Second,
		} {
			got, _ := closed.Load(addr)
			assert.Equal(t, after, got, addr)
		}
		require.NoError(t, server.Shutdown(t.Context()))
	})
}

// TestShutdown: a command that runs is carried out to its end, and so is a connection
// that is just being opened. Nothing else is accepted.
func TestShutdown(t *testing.T) {
	block, running := make(chan struct{}), make(chan struct{})
	held := &commands{}
	var once atomic.Bool
	s := start(t, func(o *setup) { o.commands = held })
	held.next = s.rest
	h := s.register(newKey(t), mytoken.Properties{})
	idle := h.dial()
	runOn(t, idle, "introspect")
	held.do = func() {
		if once.CompareAndSwap(false, true) {
			close(running)
			<-block
		}
	}
	got := make(chan outcome, 1)
	client := h.dial()
	go func() { got <- runOn(t, client, "AT") }()
	<-running
	done := make(chan error, 1)
	go func() { done <- s.ssh.Shutdown(context.Background()) }()
	require.Error(t, idle.Wait(), "it has run a command and runs none")
	_, err := ssh.Dial("tcp", s.address, h.config())
	require.Error(t, err)
	select {
	case err := <-done:
		t.Fatal("it did not wait:", err)
	default:
	}
	close(block)
	require.Zero(t, (<-got).status)
	_ = client.Close()
	require.NoError(t, <-done)
}

// TestShutdownGivesUp: at the end of its context, Shutdown breaks off what still runs.
func TestShutdownGivesUp(t *testing.T) {
	s, _, session := startBlocked(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.ssh.Shutdown(ctx), context.Canceled)
	require.Error(t, session.Wait())
}

// TestShutdownWithoutClients has nothing to give up, however late it comes.
func TestShutdownWithoutClients(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		server, _ := alone(t, nil)
		require.NoError(t, server.Shutdown(ctx))
	}
}

// blocking is a command that takes as long as its client waits.
type blocking struct{ running chan struct{} }

func (b blocking) Command(ctx context.Context, _ issuer.Client, _ string, _ []byte) (mytoken.Secret, error) {
	close(b.running)
	<-ctx.Done()
	return mytoken.NewSecret("given up"), errors.New("given up")
}

// startBlocked starts a service, and a command that is still running.
func startBlocked(t *testing.T) (*service, *ssh.Client, *ssh.Session) {
	t.Helper()
	held, running := &commands{}, make(chan struct{})
	s := start(t, func(o *setup) { o.commands = held })
	h := s.register(newKey(t), mytoken.Properties{})
	held.next = blocking{running}
	client := h.dial()
	session, err := client.NewSession()
	require.NoError(t, err)
	require.NoError(t, session.Start("AT"))
	<-running
	return s, client, session
}

// TestClientGoesAway: its command learns of that.
func TestClientGoesAway(t *testing.T) {
	s, client, _ := startBlocked(t)
	require.NoError(t, client.Close())
	require.NoError(t, s.ssh.Shutdown(t.Context()), "the command is over")
}
