package serve

import (
	"net"
	"sync"
	"syscall"
)

// listener is a listener that loses no connection when it is closed. The operating system
// resets connections that nobody has accepted yet. So Close accepts them, and Accept
// returns them before it returns an error.
type listener struct {
	net.Listener

	mu     sync.Mutex
	closed bool
	late   []net.Conn
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		return conn, nil
	}
	l.mu.Lock() // wait for Close, which may be the cause
	defer l.mu.Unlock()
	if len(l.late) == 0 {
		return nil, err
	}
	conn, l.late = l.late[0], l.late[1:]
	return conn, nil
}

// Close implements [net.Listener].
func (l *listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	l.closed = true
	if s, ok := l.Listener.(syscall.Conn); ok {
		l.late = acceptRest(s)
	}
	return l.Listener.Close()
}
