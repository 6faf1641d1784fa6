package mytokentest

import (
	"sync"
	"time"
)

// Clock is a clock that stands still until it is told otherwise. It is safe
// for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock at the given instant; the zero time gives an
// instant of no particular meaning.
func NewClock(start time.Time) *Clock {
	if start.IsZero() {
		start = time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)
	}
	return &Clock{now: start}
}

// Now returns the instant.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock and returns the new instant.
func (c *Clock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// Set sets the clock.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}
