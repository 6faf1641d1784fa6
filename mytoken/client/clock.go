package client

import (
	"context"
	"time"
)

// Clock tells the time and waits for it. Its methods may be called concurrently.
type Clock interface {
	Now() time.Time
	// After is time.After.
	After(time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// sleep waits, or returns the error of the context.
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

// wall returns an instant that is compared by the wall clock: a machine that slept
// must not take an old token for a new one.
func wall(t time.Time) time.Time { return t.Round(0) }
