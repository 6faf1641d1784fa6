package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Listen listens on an address such as 127.0.0.1:8000, or on a Unix socket: unix:/path.
// It speaks TLS if cert and key name PEM files, and plain HTTP if both are empty.
//
// The owner and the group of the socket file can connect; the directory can narrow that.
// Listen replaces a socket file on which nobody listens, as a process leaves it behind
// that was killed. It returns an error for any other file. Closing the listener removes
// the file, unless another one has taken its place. Each service needs a path of its own.
func Listen(address, cert, key string) (net.Listener, error) {
	l, err := listen(address)
	if err != nil || cert == "" && key == "" {
		return l, err
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}), nil
}

func listen(address string) (net.Listener, error) {
	path, unix := strings.CutPrefix(address, "unix:")
	if !unix {
		var config net.ListenConfig
		config.SetMultipathTCP(false) // it does not allow the filter of refuseNew
		l, err := config.Listen(context.Background(), "tcp", address)
		if err != nil {
			return nil, err
		}
		return &listener{Listener: l}, nil
	}
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("unix:%s: need the absolute path of a socket, such as unix:/run/portal/socket", path)
	}
	return listenUnix(path)
}

// listenUnix makes a socket file. It holds the lock of the directory meanwhile, so that
// no other process takes the file for a stale one before anybody listens on it.
func listenUnix(path string) (net.Listener, error) {
	unlock, err := lockDirectory(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("listen unix %s: locking the directory: %w", path, err)
	}
	defer unlock()
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if errors.Is(err, syscall.EINVAL) {
		return nil, fmt.Errorf("listen unix %s: the path has %d bytes, too many for a socket: choose one of at most 100", path, len(path))
	} else if err != nil {
		return nil, err
	}
	file, err := os.Lstat(path)
	if err := errors.Join(err, os.Chmod(path, 0o660)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.SetUnlinkOnClose(false)
	return &listener{Listener: l, file: file}, nil
}

// removeStale removes a socket file on which nobody listens.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("listen unix %s: the file exists and is no socket; remove it or choose another path", path)
	}
	conn, err := net.Dial("unix", path)
	switch {
	case err == nil:
		return errors.Join(fmt.Errorf("listen unix %s: another process listens there; end it or choose another path", path), conn.Close())
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("listen unix %s: it is not known whether another process listens there: %w", path, err)
	}
	return os.Remove(path)
}
