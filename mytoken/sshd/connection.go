package sshd

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/budget"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// Bounds of the sessions of a connection.
const (
	maxSessions = 4  // at once
	allSessions = 16 // in all
)

// connection is a connection of a client.
type connection struct {
	server   *Server
	conn     net.Conn
	commands Commands
	address  netip.Addr // of the client; invalid if it is not known

	unknown []*budget.Attempt // look-ups that found nothing; the handshake alone uses it

	// The mutex of the server guards these.
	network netip.Prefix
	counted bool // in byNetwork

	mu       sync.Mutex
	idle     *time.Timer // closes the connection
	running  int         // sessions
	busy     int         // sessions that run a command
	ran      bool        // a command
	draining bool
}

// keyOf is the key of the SSH key in the permissions of a connection.
type keyOf struct{}

func (c *connection) serve() {
	cfg := &c.server.config
	ctx, cancel := context.WithTimeout(c.server.ctx, cfg.Timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	defer stop()
	c.mu.Lock()
	c.idle = time.AfterFunc(cfg.IdleTimeout, func() { _ = c.conn.Close() })
	c.mu.Unlock()
	defer c.idle.Stop()

	var err error
	if c.address, err = c.clientAddress(); err != nil {
		c.refused(ctx, err.Error())
		return
	}
	if refused := c.server.from(c, c.address); refused != "" {
		c.refused(ctx, refused)
		return
	}
	server := c.server.ssh
	server.PublicKeyCallback = func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		return c.lookUp(ctx, meta.User(), key)
	}
	defer c.settle(true)
	conn, channels, requests, err := ssh.NewServerConn(&active{c.conn, c}, &server)
	if err != nil {
		c.refused(ctx, errtext.ForLog(err))
		return
	}
	// The permissions are those of the key that signed, not of one that the client has only
	// asked about.
	key, ok := conn.Permissions.ExtraData[keyOf{}].(*issuer.SSHKey)
	if !ok {
		c.refused(ctx, "nobody has looked the key up")
		return
	}
	c.settle(false)
	c.server.authenticated(c)
	client := issuer.Client{Address: c.address, UserAgent: string(conn.ClientVersion()), Key: key}
	c.sessions(ctx, client, channels, requests)
	_ = conn.Close()
}

// refused writes down why a connection is closed before it has run a command. The texts
// name no user: that is a secret.
func (c *connection) refused(ctx context.Context, why string) {
	c.server.config.Logger.DebugContext(ctx, "mytoken ssh: connection refused", "address", c.address.String(), "reason", why)
}

// clientAddress returns the address of the client: the peer, unless that is a trusted
// proxy that names another one.
func (c *connection) clientAddress() (netip.Addr, error) {
	peer, err := netip.ParseAddrPort(c.conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}, nil // not known: a Unix socket, for example
	}
	addr := peer.Addr().Unmap().WithZone("")
	for _, trusted := range c.server.config.TrustedProxies {
		if trusted.Contains(addr) {
			late := time.AfterFunc(c.server.config.ProxyTimeout, func() { _ = c.conn.Close() })
			defer late.Stop()
			return readProxyHeader(c.conn)
		}
	}
	return addr, nil
}

var errNoKey = errors.New("sshd: unknown key or user")

// lookUp finds the token behind a key that a client asks about, or has signed with. It
// changes nothing, because the client may not hold the key (N2).
func (c *connection) lookUp(ctx context.Context, user string, key ssh.PublicKey) (*ssh.Permissions, error) {
	if checkKey(key) != nil {
		return nil, errNoKey
	}
	s := c.server
	now := s.config.Issuer.Now()
	attempt, wait := s.lookups.Admit(c.address, now)
	if wait > 0 {
		return nil, errNoKey
	}
	found, err := rescue.Call(func() (*issuer.SSHKey, error) {
		return s.config.Issuer.OpenSSHKey(ctx, ssh.FingerprintSHA256(key), mytoken.NewSecret(user))
	})
	if errors.Is(err, issuer.ErrUnknownKey) {
		c.unknown = append(c.unknown, attempt)
	} else {
		s.lookups.Settle(attempt, now, false)
	}
	switch {
	case err == nil:
		return &ssh.Permissions{ExtraData: map[any]any{keyOf{}: found}}, nil
	case !errors.Is(err, issuer.ErrUnknownKey) && !errors.Is(err, issuer.ErrGrantDisabled):
		s.config.Logger.WarnContext(ctx, "mytoken ssh: a key could not be looked up", "address", c.address.String(), "error", errtext.ForLog(err))
	}
	return nil, errNoKey
}

// settle decides whether the look-ups that found nothing count as guesses. They do not if
// the client has authenticated in the end: many offer all keys of an agent in turn.
func (c *connection) settle(guesses bool) {
	for _, attempt := range c.unknown {
		c.server.lookups.Settle(attempt, c.server.config.Issuer.Now(), guesses)
	}
	c.unknown = nil
}

// sessions serves the sessions of a client until the connection is over.
func (c *connection) sessions(ctx context.Context, client issuer.Client, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	ctx, cancel := context.WithCancel(ctx)
	go ssh.DiscardRequests(requests)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel() // nobody gets the answers any more
	all := 0
	for asked := range channels {
		switch all++; {
		case asked.ChannelType() != "session":
			_ = asked.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		case all > allSessions || !c.begin():
			_ = asked.Reject(ssh.ResourceShortage, "too many sessions")
			continue
		}
		channel, wishes, err := asked.Accept()
		if err != nil {
			c.end()
			continue
		}
		running.Go(func() {
			defer c.end()
			if err := rescue.Do(func() { c.session(ctx, client, channel, wishes) }); err != nil {
				rescue.Log(ctx, c.server.config.Logger, "an SSH session", err)
			}
			_ = channel.Close()
		})
	}
}

// begin counts a session, unless there are too many.
func (c *connection) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == maxSessions {
		return false
	}
	c.running++
	return true
}

// end counts a session as over.
func (c *connection) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running--; c.draining && c.running == 0 {
		c.idle.Reset(min(c.server.config.IdleTimeout, time.Second)) // the client goes by itself
	}
}

// work keeps the connection open while a command runs. The caller must call rest in the
// end.
func (c *connection) work() (rest func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy++
	c.idle.Stop()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ran = true
		if c.busy--; c.busy == 0 {
			c.idle.Reset(c.server.config.IdleTimeout)
		}
	}
}

// drain closes the connection, unless it has a session or has not run a command.
func (c *connection) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining = true; c.running == 0 && c.ran {
		_ = c.conn.Close()
	}
}

// active is a connection that tells when something arrives.
type active struct {
	net.Conn
	c *connection
}

func (a *active) Read(p []byte) (int, error) {
	n, err := a.Conn.Read(p)
	if n > 0 {
		a.c.mu.Lock()
		if a.c.busy == 0 && !a.c.draining {
			a.c.idle.Reset(a.c.server.config.IdleTimeout)
		}
		a.c.mu.Unlock()
	}
	return n, err
}
