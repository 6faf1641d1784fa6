// Package paralleltest helps tests that do many things at once. Tests import it.
package paralleltest

import (
	"bytes"
	"sync"
)

// Do calls f n times in parallel, with another number each, and waits for all calls. No
// call goes on before all of them have started.
func Do(n int, f func(k int)) {
	var ready, done sync.WaitGroup
	ready.Add(n)
	for k := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			f(k)
		})
	}
	done.Wait()
}

// Buffer keeps what several goroutines write, such as a log. The zero value is empty.
type Buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements [io.Writer].
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String returns everything that was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
