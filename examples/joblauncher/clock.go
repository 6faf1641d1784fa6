package main

import (
	"sync"
	"time"

	"github.com/mytoken-go/sdk/mytoken/client"
)

// clock is the launcher's time. It stands still until the launcher moves it, and moves
// the site's clock with it. It implements client.Clock.
//
// While a job runs, a client.Keeper keeps the file with its access token fresh. The
// keeper has to replace a token that is due before time goes on. So it reports each
// change of its state, and the clock moves only while the keeper waits for a later
// instant.
type clock struct {
	site *line

	mu      sync.Mutex
	changed *sync.Cond
	now     time.Time
	wake    time.Time      // when to wake the keeper
	waiting chan time.Time // the keeper waits for it; nil if it does not wait
	kept    bool           // whether a keeper runs
	turn    time.Time      // when the keeper wants the next token
}

func newClock(site *line) (*clock, error) {
	a, err := site.ask(question{})
	c := &clock{site: site, now: a.Now}
	c.changed = sync.NewCond(&c.mu)
	return c, err
}

// Now implements client.Clock.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After implements client.Clock. Only the keeper waits for this clock, because the client
// sends every request once.
func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	c.wake, c.waiting = c.now.Add(d), ch
	c.fire()
	c.changed.Broadcast()
	return ch
}

// keeper records a change of the keeper's state.
func (c *clock) keeper(s client.KeepState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept, c.waiting, c.turn = s.Phase != client.KeepEnded, nil, s.Next
	c.changed.Broadcast()
}

// advance moves the time on. It stops whenever the keeper has something to do.
func (c *clock) advance(to time.Time) error {
	for {
		stop := c.nextStop(to)
		a, err := c.site.ask(question{Advance: stop})
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.now = a.Now
		c.fire()
		c.mu.Unlock()
		if !stop.Before(to) {
			c.nextStop(to) // if the keeper is due now, it comes first
			return nil
		}
	}
}

// nextStop blocks until the keeper waits. It returns the instant at which the keeper
// wants its next token, or to if that is sooner.
func (c *clock) nextStop(to time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.kept && (c.waiting == nil || !c.turn.After(c.now)) {
		c.changed.Wait()
	}
	if c.kept && c.turn.Before(to) {
		return c.turn
	}
	return to
}

// fire wakes the keeper if its time has come. The caller must hold c.mu.
func (c *clock) fire() {
	if c.waiting != nil && !c.wake.After(c.now) {
		c.waiting <- c.now
		c.waiting = nil
	}
}
