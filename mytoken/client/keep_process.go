package client

import (
	"fmt"
	"os"
)

// watched is a process that a keeper watches. The zero value never ends.
type watched struct{ process *os.Process }

// watch finds a process. Where the system allows, it holds the process, so that a later
// one with the same id is not mistaken for it.
func watch(id int) (watched, error) {
	if id == 0 {
		return watched{}, nil
	}
	p, err := os.FindProcess(id)
	if err != nil {
		return watched{}, fmt.Errorf("client: KeepConfig.Process %d: %w", id, err)
	}
	return watched{p}, nil
}

func (w watched) over() bool { return w.process != nil && hasEnded(w.process) }

func (w watched) close() {
	if w.process != nil {
		_ = w.process.Release()
	}
}
