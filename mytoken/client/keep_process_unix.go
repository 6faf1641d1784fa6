//go:build unix

package client

import (
	"errors"
	"os"
	"syscall"
)

// hasEnded sends the signal 0, which does nothing. A live process of another user refuses
// it with another error.
func hasEnded(p *os.Process) bool {
	err := p.Signal(syscall.Signal(0))
	return errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH)
}
