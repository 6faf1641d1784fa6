package serve

import (
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
)

// listener is a listener that loses no connection when it is closed. The operating system
// resets connections that nobody has accepted yet. So Close accepts them, and Accept
// returns them before it returns an error.
type listener struct {
	net.Listener
	file fs.FileInfo // of a Unix socket

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
	l.removeFile()
	if s, ok := l.Listener.(syscall.Conn); ok {
		l.late = acceptRest(s)
	}
	return l.Listener.Close()
}

// removeFile removes the file of a Unix socket. It goes before the socket does: a file
// without a listener is stale for other processes.
func (l *listener) removeFile() {
	if l.file == nil {
		return
	}
	path := l.Addr().String()
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, l.file) {
		_ = os.Remove(path)
	}
}
