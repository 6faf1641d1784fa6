// Package freshtest has a clock with two readings, as the system's clock has. Tests
// import it.
package freshtest

import (
	"sync"
	"time"
	"unsafe"
)

// Clock is a clock that a test moves. Use [NewClock]. It is safe for concurrent use.
type Clock struct {
	mu        sync.Mutex
	wall      time.Time
	monotonic time.Duration
}

// NewClock returns a clock that shows an instant.
func NewClock(wall time.Time) *Clock { return &Clock{wall: wall.Round(0), monotonic: time.Hour} }

// Now returns an instant with both readings.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return instant(c.wall, c.monotonic)
}

// Pass lets time pass.
func (c *Clock) Pass(d time.Duration) { c.move(d, d) }

// Set sets the wall clock forward, or back if d is negative.
func (c *Clock) Set(d time.Duration) { c.move(d, 0) }

// Suspend lets time pass while the machine sleeps: the monotonic clock stops.
func (c *Clock) Suspend(d time.Duration) { c.move(d, 0) }

func (c *Clock) move(wall, monotonic time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.monotonic = c.wall.Add(wall), c.monotonic+monotonic
}

// layout is the layout of [time.Time]: see its source. No function of package time makes
// an instant with a monotonic reading of the caller's choice.
type layout struct {
	wall uint64 // 1 bit: has a monotonic reading; 33 bits: seconds since 1885; 30 bits: nanoseconds
	ext  int64  // the monotonic reading, in nanoseconds
	loc  *time.Location
}

func instant(wall time.Time, monotonic time.Duration) time.Time {
	since1885 := wall.Unix() - time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	t := layout{1<<63 | uint64(since1885)<<30 | uint64(wall.Nanosecond()), int64(monotonic), time.Local}
	return *(*time.Time)(unsafe.Pointer(&t))
}
