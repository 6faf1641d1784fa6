package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// silence is how long a connection may take to send the head of a request.
	silence = 5 * time.Second
	// patience is how long End waits for answers. The service sends each within 20 s.
	patience = 30 * time.Second
)

// Server is an HTTP server that says that it is going to end before it does.
type Server struct {
	http     http.Server
	draining atomic.Bool
	serving  sync.WaitGroup // of Serve

	mu        sync.Mutex
	listeners []net.Listener
	conns     map[net.Conn]*connection
	owing     int           // connections that are owed an answer
	settled   chan struct{} // closed when nothing is owed; nil before End waits
}

// connection is what the server knows about a connection. It is owed an answer until it
// has got one and no request is open.
type connection struct{ answered, idle, closed bool }

func (c *connection) owed() bool { return !c.closed && !(c.answered && c.idle) }

// connectionKey is the key of the connection in the context of a request.
type connectionKey struct{}

// New returns a server for a handler.
func New(handler http.Handler) *Server {
	s := &Server{conns: make(map[net.Conn]*connection)}
	s.http = http.Server{
		ReadHeaderTimeout: silence, IdleTimeout: 2 * time.Minute, ConnState: s.track,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, conn)
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if conn, ok := r.Context().Value(connectionKey{}).(net.Conn); ok {
				s.change(conn, func(c *connection) { c.answered = true })
			}
			if s.Draining() {
				// The last answer on this connection. HTTP/2 says so with GOAWAY.
				w.Header().Set("Connection", "close")
			}
			handler.ServeHTTP(w, r)
		}),
	}
	return s
}

// track follows the states of connections.
func (s *Server) track(conn net.Conn, state http.ConnState) {
	s.change(conn, func(c *connection) {
		c.idle = state == http.StateIdle
		c.closed = state == http.StateClosed || state == http.StateHijacked
	})
}

// change changes what is known about a connection.
func (s *Server) change(conn net.Conn, change func(*connection)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conns[conn]
	if c == nil {
		c = &connection{closed: true} // new, so nothing is counted yet
		s.conns[conn] = c
	}
	before := c.owed()
	change(c)
	if c.closed {
		delete(s.conns, conn)
	}
	if after := c.owed(); after && !before {
		s.owing++
	} else if before && !after {
		s.owing--
	}
	if s.owing == 0 && s.settled != nil {
		close(s.settled)
		s.settled = nil
	}
}

// Serve answers the connections of a listener, until Close or End.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	s.listeners = append(s.listeners, l)
	s.serving.Add(1)
	s.mu.Unlock()
	defer s.serving.Done()
	return s.http.Serve(l)
}

// Draining reports whether the server is going to end. A health check says so, and then
// load balancers choose another server.
func (s *Server) Draining() bool { return s.draining.Load() }

// Close ends the server at once.
func (s *Server) Close() error { return s.http.Close() }

// End ends the server. During the drain it accepts connections as before, and each answer
// is the last one of its connection. Then it closes the listener, and answers the first
// request of each connection that it has accepted, and all that have begun. At last it
// calls after, with the context that bounds the wait.
//
// It closes connections that stay silent, and those that are idle after an answer. So the
// drain must be long enough for clients and load balancers to turn away.
func (s *Server) End(drain time.Duration, after func(context.Context) error) error {
	s.draining.Store(true)
	slog.Info("shutting down: the health check says so, and soon no more connections are accepted", "drain", drain)
	time.Sleep(drain)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// Shutdown drops the requests that it reads. So it comes last.
	err := s.settle(ctx)
	return errors.Join(err, s.http.Shutdown(ctx), after(ctx))
}

// settle closes the listeners and waits until no connection is owed an answer, except for
// those that stay silent.
func (s *Server) settle(ctx context.Context) (err error) {
	s.mu.Lock()
	listeners := s.listeners
	s.mu.Unlock()
	for _, l := range listeners {
		if bad := l.Close(); !errors.Is(bad, net.ErrClosed) {
			err = errors.Join(err, bad)
		}
	}
	s.serving.Wait()
	settled := make(chan struct{})
	s.mu.Lock()
	if s.owing == 0 {
		close(settled)
	} else {
		s.settled = settled
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	select {
	case <-settled:
	case <-ctx.Done():
	}
	return err
}
