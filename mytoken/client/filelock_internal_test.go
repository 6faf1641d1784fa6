package client

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A signal that interrupts a wait is no error. Other errors are.
func TestLockInterrupted(t *testing.T) {
	broken := errors.New("no locks on this file system")
	for _, want := range []error{nil, broken} {
		left := 3
		err := uninterrupted(func() error {
			if left == 0 {
				return want
			}
			left--
			return os.NewSyscallError("flock", syscall.EINTR)
		})
		require.Equal(t, want, err)
		require.Zero(t, left)
	}
}

// A queue that nobody uses is forgotten.
func TestLockQueuesAreForgotten(t *testing.T) {
	s := NewFileStore(t.TempDir() + "/token")
	unlock, err := s.Lock(t.Context())
	require.NoError(t, err)
	path := s.path + ".lock"
	require.Contains(t, lockQueues.byPath, path)
	unlock()
	require.NotContains(t, lockQueues.byPath, path)
}
