//go:build unix

package client

import (
	"errors"
	"os"
	"syscall"
)

// hasEnded asks with the signal 0, which does nothing. A process of somebody else
// refuses it and is there.
func hasEnded(p *os.Process) bool {
	err := p.Signal(syscall.Signal(0))
	return errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH)
}
