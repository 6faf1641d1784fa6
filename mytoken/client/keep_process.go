package client

import (
	"fmt"
	"os"
)

// watched is a process with whose end a keeper ends. The zero value never ends.
type watched struct{ process *os.Process }

// watch finds a process. Where the system allows that, it is held: another one that gets
// its id later is not taken for it.
func watch(id int) (watched, error) {
	if id == 0 {
		return watched{}, nil
	}
	p, err := os.FindProcess(id)
	if err != nil {
		return watched{}, fmt.Errorf("client: process %d: %w", id, err)
	}
	return watched{p}, nil
}

func (w watched) over() bool { return w.process != nil && hasEnded(w.process) }

func (w watched) close() {
	if w.process != nil {
		_ = w.process.Release()
	}
}
