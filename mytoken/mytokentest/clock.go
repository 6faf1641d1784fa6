package mytokentest

import (
	"sync"
	"time"
)

// Clock is a clock that only moves when a test moves it. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at start. If start is zero, the clock stands at
// 8:00 UTC on March 1, 2030.
func NewClock(start time.Time) *Clock {
	if start.IsZero() {
		start = time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)
	}
	return &Clock{now: start}
}

// Now returns the time of the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d and returns the new time.
func (c *Clock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// Set moves the clock to t, which may be earlier than now.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}
