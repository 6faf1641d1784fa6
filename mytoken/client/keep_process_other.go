//go:build !unix

package client

import "os"

// hasEnded looks for the process again: its id is not found after its end.
func hasEnded(p *os.Process) bool {
	again, err := os.FindProcess(p.Pid)
	if err != nil {
		return true
	}
	_ = again.Release()
	return false
}
