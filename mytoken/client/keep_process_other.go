//go:build !unix

package client

import "os"

// hasEnded looks for the process again. The system does not find the id of an ended one.
func hasEnded(p *os.Process) bool {
	again, err := os.FindProcess(p.Pid)
	if err != nil {
		return true
	}
	_ = again.Release()
	return false
}
