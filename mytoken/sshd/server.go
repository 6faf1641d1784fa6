package sshd

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/budget"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// ErrServerClosed is what [Server.Serve] returns after [Server.Shutdown].
var ErrServerClosed = errors.New("sshd: the server is closed")

// Commands carries out the commands of clients. The handler of package rest does. It must
// be safe for concurrent use.
type Commands interface {
	// Command carries out an action for a client, with a JSON object as its data, or none.
	// It returns a line to print. With an error, the line says what is wrong, in words for
	// the client. It is empty if there is no such action.
	Command(ctx context.Context, client issuer.Client, action string, data []byte) (line mytoken.Secret, err error)
}

// Server serves SSH clients. It is safe for concurrent use.
type Server struct {
	config  Config
	host    string // of the public address; empty: that of the issuer URL
	port    int
	ssh     ssh.ServerConfig // without the callback, which belongs to a connection
	lookups *budget.Budgets

	ctx  context.Context // of all connections
	stop context.CancelFunc

	mu              sync.Mutex
	closing         bool
	listeners       map[net.Listener]bool
	conns           map[*connection]bool
	unauthenticated []*connection // whose address is known, the oldest first
	byNetwork       map[netip.Prefix]int
	empty           chan struct{} // closed when no connection is left; nil before Shutdown
}

// New returns a server. It returns [ErrConfig], and opens nothing.
func New(config Config) (*Server, error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	s := &Server{config: config, listeners: make(map[net.Listener]bool), conns: make(map[*connection]bool), byNetwork: make(map[netip.Prefix]int)}
	rates, err := config.Limits.lookups()
	if err != nil {
		return nil, err
	}
	s.lookups = budget.New(rates)
	if s.host, s.port, err = config.address(); err != nil {
		return nil, err
	}
	s.ssh = ssh.ServerConfig{PublicKeyAuthAlgorithms: clientSignatures, ServerVersion: "SSH-2.0-mytoken"}
	s.ssh.KeyExchanges, s.ssh.MACs = keyExchanges, macs
	kinds := make(map[string]bool)
	for _, key := range config.HostKeys {
		if err := checkHostKey(key); err != nil {
			return nil, err
		}
		kind := key.PublicKey().Type()
		if kinds[kind] {
			return nil, badConfig("two host keys of the type %s", kind)
		}
		kinds[kind] = true
		if key, err = strongSigner(key); err != nil {
			return nil, err
		}
		s.ssh.AddHostKey(key)
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// Fingerprints returns the fingerprints of the host keys, by their types.
func (s *Server) Fingerprints() map[string]string {
	all := make(map[string]string)
	for _, key := range s.config.HostKeys {
		all[key.PublicKey().Type()] = ssh.FingerprintSHA256(key.PublicKey())
	}
	return all
}

// Address returns where clients reach the server, as Config.Address says. An empty host
// is that of the issuer URL.
func (s *Server) Address() (host string, port int) { return s.host, s.port }

// Serve accepts connections until [Server.Shutdown], and then returns [ErrServerClosed].
// It goes on after errors that pass, such as a lack of files. It closes the listener.
func (s *Server) Serve(l net.Listener, commands Commands) error {
	defer l.Close()
	if !s.listen(l) {
		return ErrServerClosed
	}
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
	}()
	for pause := time.Duration(0); ; {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			go s.serve(conn, commands)
		case s.isClosing():
			return ErrServerClosed
		case passes(err):
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.config.Logger.Warn("mytoken ssh: no connection accepted", "error", errtext.ForLog(err))
			select {
			case <-time.After(pause):
			case <-s.ctx.Done():
			}
		default:
			return err
		}
	}
}

// passes reports whether Accept may work again. The method is deprecated, because it is
// not clear for other operations; net/http uses it for the same purpose.
func passes(err error) bool {
	var n net.Error
	//lint:ignore SA1019 there is no other sign of it
	return errors.As(err, &n) && n.Temporary()
}

func (s *Server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.listeners[l] = true
	return true
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Shutdown closes the listeners and waits until the connections are over. A connection
// that has run a command and runs none is closed at once. If the context ends first,
// Shutdown breaks the others off and returns its error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for l := range s.listeners {
		_ = l.Close() // Serve returns
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
		if len(s.conns) == 0 {
			close(s.empty)
		}
	}
	empty, open := s.empty, maps.Clone(s.conns)
	s.mu.Unlock()
	for c := range open {
		c.drain()
	}
	select {
	case <-empty:
		s.stop()
		return nil
	case <-ctx.Done():
	}
	s.stop()
	select {
	case <-empty: // at the same time
		return nil
	default:
	}
	s.mu.Lock()
	open = maps.Clone(s.conns)
	s.mu.Unlock()
	for c := range open {
		_ = c.conn.Close()
	}
	<-empty
	return ctx.Err()
}

// enter counts a connection, unless there are too many.
func (s *Server) enter(c *connection) (refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch l := s.config.Limits; {
	case s.closing:
		return "the server is closing"
	case len(s.conns) >= l.Connections:
		return "too many connections"
	}
	s.conns[c] = true
	return ""
}

// from counts a connection of an address that has not authenticated yet, unless there are
// too many.
func (s *Server) from(c *connection, addr netip.Addr) (refused string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	network := budget.NetworkOf(addr)
	if s.byNetwork[network] >= s.config.Limits.PerAddress {
		return "too many connections from one address"
	}
	if len(s.unauthenticated) >= s.config.Limits.Unauthenticated && !s.makeRoom(network) {
		return "too many connections that have not authenticated"
	}
	s.byNetwork[network]++
	c.network, c.counted = network, true
	s.unauthenticated = append(s.unauthenticated, c)
	return ""
}

// makeRoom closes the oldest connection of the network with the most unauthenticated ones,
// unless that is the given network. Otherwise two addresses could keep everybody out.
func (s *Server) makeRoom(network netip.Prefix) bool {
	most, waiting := 0, make(map[netip.Prefix]int)
	for _, c := range s.unauthenticated {
		waiting[c.network]++
		most = max(most, waiting[c.network])
	}
	if waiting[network] >= most {
		return false
	}
	at := slices.IndexFunc(s.unauthenticated, func(c *connection) bool { return waiting[c.network] == most })
	_ = s.unauthenticated[at].conn.Close()
	s.unauthenticated = slices.Delete(s.unauthenticated, at, at+1)
	return true
}

// authenticated counts a connection as authenticated, or as over.
func (s *Server) authenticated(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unauthenticated = slices.DeleteFunc(s.unauthenticated, func(other *connection) bool { return other == c })
}

func (s *Server) leave(c *connection) {
	s.authenticated(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if c.counted {
		if s.byNetwork[c.network]--; s.byNetwork[c.network] == 0 {
			delete(s.byNetwork, c.network)
		}
	}
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
	}
}

// serve serves one connection.
func (s *Server) serve(conn net.Conn, commands Commands) {
	defer conn.Close()
	c := &connection{server: s, conn: conn, commands: commands}
	if refused := s.enter(c); refused != "" {
		s.config.Logger.Debug("mytoken ssh: connection refused", "reason", refused)
		return
	}
	defer s.leave(c)
	if err := rescue.Do(func() { c.serve() }); err != nil {
		rescue.Log(s.ctx, s.config.Logger, "an SSH connection", err)
	}
}
