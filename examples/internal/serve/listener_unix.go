//go:build unix

package serve

import (
	"context"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// acceptRest ends a listener and returns the connections that it had not accepted yet.
func acceptRest(s syscall.Conn) (rest []net.Conn) {
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	_, unix := s.(*net.UnixListener)
	_ = raw.Control(func(fd uintptr) {
		// A Unix socket keeps its queue after it was shut down. A TCP socket resets it, so
		// nothing may happen in between: nobody connects any more.
		if unix {
			_ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR)
		} else {
			refuseNew(int(fd))
		}
		var accepted []int
		for {
			conn, _, err := syscall.Accept(int(fd))
			if err == syscall.EINTR || err == syscall.ECONNABORTED {
				continue
			}
			if err != nil {
				break
			}
			accepted = append(accepted, conn)
		}
		if !unix {
			_ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR)
		}
		for _, fd := range accepted {
			syscall.CloseOnExec(fd)
			file := os.NewFile(uintptr(fd), "")
			if conn, err := net.FileConn(file); err == nil {
				rest = append(rest, conn)
			}
			file.Close()
		}
	})
	return rest
}

// lockDirectory locks a directory against other callers of lockDirectory, each of which
// needs it for a moment.
func lockDirectory(path string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), silence)
	defer cancel()
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY))
	if _, err := lock.TryLockContext(ctx, 5*time.Millisecond); err != nil {
		return nil, err
	}
	return func() { _ = lock.Close() }, nil
}
