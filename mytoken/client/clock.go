package client

import (
	"context"
	"time"

	"github.com/mytoken-go/sdk/internal/fresh"
)

// Clock tells the time and waits. Its methods may be called concurrently.
type Clock interface {
	// Now returns the time. Instants with a monotonic reading, as time.Now returns them,
	// let the client notice that the wall clock was set.
	Now() time.Time
	// After does what time.After does.
	After(time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// sleep waits for d. If the context ends first, it returns the context's error.
func sleep(ctx context.Context, clock Clock, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-clock.After(d):
		return nil
	}
}

// wall returns an instant without a monotonic reading, for instants that callers see or
// compare with their own.
func wall(t time.Time) time.Time { return t.Round(0) }

// span is a time that began at an instant. The zero span is over.
type span struct {
	since time.Time // with both readings of the clock
	d     time.Duration
}

// over reports whether the span is over. It is also over if a clock was set back to
// before its beginning.
func (s span) over(now time.Time) bool { return !fresh.Within(s.since, s.d, now) }

// left returns what is left of the span. It is not positive if the span is over, and zero
// if a clock was set back.
func (s span) left(now time.Time) time.Duration {
	age, ok := fresh.Age(s.since, now)
	if !ok {
		return 0
	}
	return s.d - age
}

// end is when the span is over, by the wall clock.
func (s span) end() time.Time { return wall(s.since).Add(s.d) }
