// Package relaytest relays connections, and lets their path die. Tests import it.
package relaytest

import (
	"net"
	"sync"
	"testing"
)

// Relay passes bytes between clients and a server.
type Relay struct {
	listener net.Listener
	server   string

	mu    sync.Mutex
	conns []*conn
}

// Start starts a relay to the address of a server. It ends with the test.
func Start(t testing.TB, server string) *Relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{listener: listener, server: server}
	go r.accept()
	t.Cleanup(func() {
		listener.Close()
		r.each(func(c *conn) { c.client.Close(); c.server.Close() })
	})
	return r
}

// Address returns the address that clients connect to.
func (r *Relay) Address() string { return r.listener.Addr().String() }

// Count returns how many connections there have been.
func (r *Relay) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.conns)
}

// Swallow lets the path of all connections of now die: what either side sends on them is
// accepted, and reaches nobody. They are not closed. Later connections work.
func (r *Relay) Swallow() { r.each((*conn).die) }

// AwaitEnd waits until the client has closed all connections of now.
func (r *Relay) AwaitEnd() { r.each(func(c *conn) { <-c.left }) }

func (r *Relay) each(do func(*conn)) {
	r.mu.Lock()
	conns := append([]*conn{}, r.conns...)
	r.mu.Unlock()
	for _, c := range conns {
		do(c)
	}
}

func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.server)
		if err != nil {
			client.Close()
			continue
		}
		c := &conn{client: client, server: server, left: make(chan struct{})}
		r.mu.Lock()
		r.conns = append(r.conns, c)
		r.mu.Unlock()
		go func() {
			defer close(c.left)
			c.pass(client, server)
		}()
		go c.pass(server, client)
	}
}

// conn is one connection.
type conn struct {
	client, server net.Conn
	left           chan struct{} // closed when the client has closed the connection

	mu   sync.Mutex
	dead bool
}

func (c *conn) die() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = true
}

// pass copies until one side closes. On a dead path, the other side does not learn of it.
func (c *conn) pass(from, to net.Conn) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		c.mu.Lock()
		dead := c.dead
		if !dead && n > 0 {
			_, _ = to.Write(buf[:n])
		}
		if err != nil && !dead {
			to.Close()
		}
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}
