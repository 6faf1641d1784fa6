package rest

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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
	if g.rates.PerAddressEvery >= time.Minute {
		t.Fatal("the test needs a shorter interval")
	}
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

// TestNetworks: all IPv6 addresses of a customer count as one, and so do all unknown
// ones.
func TestNetworks(t *testing.T) {
	for _, c := range []struct{ a, b string }{
		{"2001:db8::1", "2001:db8::ffff:1"}, {"192.0.2.1", "192.0.2.1"},
	} {
		assert.Equal(t, networkOf(netip.MustParseAddr(c.b)), networkOf(netip.MustParseAddr(c.a)), "%s and %s are two", c.a, c.b)
	}
	if networkOf(netip.MustParseAddr("2001:db8:0:1::1")) == networkOf(netip.MustParseAddr("2001:db8::1")) || networkOf(here) == networkOf(there) {
		t.Error("strangers are one")
	}
	if networkOf(netip.Addr{}) != (netip.Prefix{}) || siteOf(netip.Addr{}) != (netip.Prefix{}) {
		t.Error("unknown addresses are not one")
	}
	one := siteOf(netip.MustParseAddr("2001:db8:1::1"))
	if siteOf(netip.MustParseAddr("2001:db8:1:ffff::1")) != one || siteOf(netip.MustParseAddr("2001:db8:2::1")) == one || siteOf(here) == siteOf(there) {
		t.Error("a site is not a /48, or strangers are one")
	}
}

// TestFreshAddressesPass: when the budget of all is used up, an address passes once if it
// did nothing for as long as its budget needs to fill.
func TestFreshAddressesPass(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	b := newBudgets(rates{PerAddress: 10, PerAddressEvery: 2 * time.Second, Overall: 5, OverallEvery: time.Hour, Addresses: 10})
	attempt := func(addr netip.Addr) time.Duration {
		own, wait := b.admit(addr, now)
		if wait == 0 {
			b.settle(own, now, true)
		}
		return wait
	}
	for range 5 {
		require.Zero(t, attempt(here))
	}
	require.Equal(t, time.Hour, attempt(here))
	require.Zero(t, attempt(there))
	require.NotZero(t, attempt(there))
	now = now.Add(20*time.Second - 1)
	require.NotZero(t, attempt(there), "its budget is full, and it was here lately")
	now = now.Add(1)
	own, wait := b.admit(there, now)
	require.Zero(t, wait)
	_, wait = b.admit(there, now)
	require.NotZero(t, wait, "the first attempt is still open")
	b.settle(own, now, true)
	require.NotZero(t, attempt(there))
}

// TestMemoryIsBounded: an attacker with many addresses cannot fill the memory.
func TestMemoryIsBounded(t *testing.T) {
	g, clock := newTestGuard(t, GuessLimits{Addresses: 100, Overall: 1 << 20})
	for n := range 10_000 {
		addr := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		g.try(addr, fmt.Sprint(n), true)
		g.remember(fmt.Sprint("good", n), clock.now.Add(time.Minute))
	}
	if len(g.bySite.byKey) != 100 || len(g.byAddr.byKey) != 100 || g.byAddr.order.Len() != 100 || len(g.good.byKey) != 100 || g.good.order.Len() != 100 {
		t.Errorf("%d addresses and %d codes are kept", len(g.byAddr.byKey), len(g.good.byKey))
	}
}

// TestBudgetsClockSetBack: a clock that was set back does not keep clients out for the
// length of the jump.
func TestBudgetsClockSetBack(t *testing.T) {
	for name, r := range map[string]rates{
		"address": {PerAddress: 2, PerAddressEvery: time.Second, Overall: 100, OverallEvery: time.Second, Addresses: 10},
		"overall": {PerAddress: 2, PerAddressEvery: time.Second, Overall: 2, OverallEvery: time.Second, Addresses: 10},
	} {
		now := time.Unix(1_800_000_000, 0)
		b := newBudgets(r)
		attempt := func() time.Duration {
			own, wait := b.admit(here, now)
			if wait == 0 {
				b.settle(own, now, true)
			}
			return wait
		}
		require.Zero(t, attempt(), name)
		require.Zero(t, attempt(), name)
		require.NotZero(t, attempt(), name)
		now = now.Add(-time.Hour)
		_ = attempt() // it may be refused now
		now = now.Add(2 * time.Second)
		require.Zero(t, attempt(), name)
	}

	now := time.Unix(1_800_000_000, 0)
	b := newBudgets(rates{PerAddress: 2, PerAddressEvery: time.Second, Overall: 1, OverallEvery: 24 * time.Hour, Addresses: 10})
	own, wait := b.admit(here, now)
	require.Zero(t, wait)
	b.settle(own, now, true)
	now = now.Add(-time.Hour)
	_, _ = b.admit(here, now)
	now = now.Add(2 * time.Second)
	_, wait = b.admit(here, now)
	require.Zero(t, wait, "the site did nothing for as long as it needs to be fresh")
}
