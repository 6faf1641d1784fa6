package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/mytoken/client"
)

// clock is the launcher's time. It stands still until the launcher moves it, and the
// site's clock with it; it implements client.Clock.
//
// Whoever moves it has to give the keeper of a job's file its turns: a token that is
// due is replaced before the time goes on. So a keeper reports each change of its
// state, and the clock moves only while the keeper waits for a later instant.
type clock struct {
	desk string // of the site

	mu      sync.Mutex
	changed *sync.Cond
	now     time.Time
	waiting []waiter
	kept    bool      // there is a keeper
	parked  bool      // it waits
	turn    time.Time // when it wants the next token
}

type waiter struct {
	at time.Time
	ch chan time.Time
}

func newClock(ctx context.Context, desk string) (*clock, error) {
	now, err := ask[time.Time](ctx, desk+"/now", nil)
	c := &clock{desk: desk, now: now}
	c.changed = sync.NewCond(&c.mu)
	return c, err
}

// Now implements client.Clock.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After implements client.Clock. Nobody but the keeper waits for this clock: requests
// are sent once.
func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	c.waiting = append(c.waiting, waiter{c.now.Add(d), ch})
	c.parked = true
	c.fire()
	c.changed.Broadcast()
	return ch
}

// keeper takes note of a change of the keeper's state.
func (c *clock) keeper(s client.KeepState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept, c.parked, c.turn = s.Phase != client.KeepEnded, false, s.Next
	c.changed.Broadcast()
}

// advance moves the time on, with a stop at each turn of the keeper.
func (c *clock) advance(ctx context.Context, to time.Time) error {
	for {
		stop := c.nextStop(to)
		now, err := ask[time.Time](ctx, c.desk+"/advance", stop)
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.now = now
		c.fire()
		c.mu.Unlock()
		if !stop.Before(to) {
			c.nextStop(to) // whose turn it is now comes first
			return nil
		}
	}
}

// nextStop waits until the keeper does, and returns its turn, or to if that is sooner.
func (c *clock) nextStop(to time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.kept && (!c.parked || !c.turn.After(c.now)) {
		c.changed.Wait()
	}
	if c.kept && c.turn.Before(to) {
		return c.turn
	}
	return to
}

// fire wakes those whose time has come. The caller holds the lock.
func (c *clock) fire() {
	c.waiting = slices.DeleteFunc(c.waiting, func(w waiter) bool {
		due := !w.at.After(c.now)
		if due {
			c.parked = false
			w.ch <- c.now
		}
		return due
	})
}
