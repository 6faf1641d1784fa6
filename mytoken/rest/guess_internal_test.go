package rest

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type fakeClock struct{ now time.Time }

func (c *fakeClock) Now() time.Time { return c.now }

func newTestGuard(t *testing.T, limits GuessLimits) (*guessGuard, *fakeClock) {
	t.Helper()
	require.NoError(t, limits.complete())
	clock := &fakeClock{time.Unix(1_800_000_000, 0)}
	return newGuessGuard(limits, clock.Now), clock
}

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("192.0.2.2")
)

// try makes a guess and reports whether it was admitted.
func (g *guessGuard) try(addr netip.Addr, code string, wrong bool) bool {
	q, err := g.admit(addr, code)
	if err != nil {
		return false
	}
	q.settle(wrong, time.Time{})
	return true
}

// TestOnlyFailuresCount: a code that is not wrong costs nothing, however often.
func TestOnlyFailuresCount(t *testing.T) {
	g, clock := newTestGuard(t, GuessLimits{PerAddress: 3, Overall: 5})
	for n := range 10_000 {
		if !g.try(here, fmt.Sprint(n), false) {
			t.Fatalf("attempt %d was refused", n)
		}
	}
	for n := range 3 {
		if !g.try(here, fmt.Sprint("x", n), true) {
			t.Fatalf("guess %d was refused", n)
		}
	}
	q, err := g.admit(here, "y")
	var many *tooManyError
	if q != nil || !errors.As(err, &many) || many.retry != 3*time.Second {
		t.Fatalf("%v, %v", q, err)
	}
	clock.now = clock.now.Add(3 * time.Second)
	if !g.try(here, "y", true) || g.try(here, "y", true) {
		t.Error("3 s are not one more guess")
	}
}

// TestOverallLimit counts failures of many addresses together. An address without a
// failed guess still passes, for one guess only.
func TestOverallLimit(t *testing.T) {
	g, clock := newTestGuard(t, GuessLimits{PerAddress: 100, Overall: 10, OverallEvery: time.Second})
	for n := range 10 {
		if !g.try(here, fmt.Sprint(n), true) {
			t.Fatalf("guess %d was refused", n)
		}
	}
	if g.try(here, "x", false) {
		t.Error("who guessed before may go on")
	}
	if !g.try(there, "x", true) {
		t.Error("who never guessed was refused")
	}
	if g.try(there, "y", true) {
		t.Error("and may go on")
	}
	clock.now = clock.now.Add(2 * time.Second)
	if !g.try(here, "x", true) {
		t.Error("the limit never recovers")
	}
}

// TestGoodCodesPass: a code that was seen to be good passes at any limit.
func TestGoodCodesPass(t *testing.T) {
	g, clock := newTestGuard(t, GuessLimits{PerAddress: 1, Overall: 1})
	g.remember("made here", clock.now.Add(time.Minute))
	q, err := g.admit(here, "seen here")
	require.NoError(t, err)
	q.settle(false, clock.now.Add(time.Minute))
	g.try(here, "wrong", true)
	for range 100 {
		if !g.try(here, "made here", false) || !g.try(here, "seen here", false) {
			t.Fatal("a good code was refused")
		}
	}
	if g.try(here, "other", false) {
		t.Error("another code passed")
	}
	if !g.try(here, "made here", true) || g.try(here, "made here", false) {
		t.Error("a code that turned out wrong still passes")
	}
	clock.now = clock.now.Add(time.Minute)
	g.try(here, "wrong", true)
	if g.try(here, "seen here", false) {
		t.Error("a code that has expired still passes")
	}
}

// TestManyAtOnce: guesses in flight count, so that it does not help to send them all at
// once.
func TestManyAtOnce(t *testing.T) {
	g, _ := newTestGuard(t, GuessLimits{PerAddress: 20, Overall: 1000})
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		admitted []*guess
	)
	for n := range 500 {
		wg.Go(func() {
			if q, err := g.admit(here, fmt.Sprint(n)); err == nil {
				mu.Lock()
				admitted = append(admitted, q)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Len(t, admitted, 20, "guesses at once")
	for _, q := range admitted {
		q.settle(true, time.Time{})
	}
	if g.try(here, "x", true) {
		t.Error("and one more")
	}
}

// TestMemoryIsBounded: an attacker with many addresses cannot fill the memory.
func TestMemoryIsBounded(t *testing.T) {
	g, clock := newTestGuard(t, GuessLimits{Addresses: 100, Overall: 1 << 20})
	for n := range 10_000 {
		addr := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		g.try(addr, fmt.Sprint(n), true)
		g.remember(fmt.Sprint("good", n), clock.now.Add(time.Minute))
	}
	if g.good.Len() != 100 {
		t.Errorf("%d codes are kept", g.good.Len())
	}
}
