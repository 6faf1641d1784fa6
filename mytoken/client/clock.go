package client

import (
	"context"
	"time"
)

// Clock tells the time and waits. Its methods may be called concurrently.
type Clock interface {
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

// wall returns an instant that compares by the wall clock. The monotonic clock stops
// while a machine sleeps, so an expired token would look valid.
func wall(t time.Time) time.Time { return t.Round(0) }
