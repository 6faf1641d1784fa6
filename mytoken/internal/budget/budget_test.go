package budget

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("192.0.2.2")
)

// TestNetworks: all IPv6 addresses of a customer count as one, and so do all unknown
// ones.
func TestNetworks(t *testing.T) {
	for _, c := range []struct{ a, b string }{
		{"2001:db8::1", "2001:db8::ffff:1"}, {"192.0.2.1", "192.0.2.1"},
	} {
		assert.Equal(t, NetworkOf(netip.MustParseAddr(c.b)), NetworkOf(netip.MustParseAddr(c.a)), "%s and %s are two", c.a, c.b)
	}
	if NetworkOf(netip.MustParseAddr("2001:db8:0:1::1")) == NetworkOf(netip.MustParseAddr("2001:db8::1")) || NetworkOf(here) == NetworkOf(there) {
		t.Error("strangers are one")
	}
	if NetworkOf(netip.Addr{}) != (netip.Prefix{}) || SiteOf(netip.Addr{}) != (netip.Prefix{}) {
		t.Error("unknown addresses are not one")
	}
	one := SiteOf(netip.MustParseAddr("2001:db8:1::1"))
	if SiteOf(netip.MustParseAddr("2001:db8:1:ffff::1")) != one || SiteOf(netip.MustParseAddr("2001:db8:2::1")) == one || SiteOf(here) == SiteOf(there) {
		t.Error("a site is not a /48, or strangers are one")
	}
}

// TestFreshAddressesPass: when the budget of all is used up, an address passes once if it
// did nothing for as long as its budget needs to fill.
func TestFreshAddressesPass(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	b := New(Rates{PerAddress: 10, PerAddressEvery: 2 * time.Second, Overall: 5, OverallEvery: time.Hour, Addresses: 10})
	attempt := func(addr netip.Addr) time.Duration {
		own, wait := b.Admit(addr, now)
		if wait == 0 {
			b.Settle(own, now, true)
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
	own, wait := b.Admit(there, now)
	require.Zero(t, wait)
	_, wait = b.Admit(there, now)
	require.NotZero(t, wait, "the first attempt is still open")
	b.Settle(own, now, true)
	require.NotZero(t, attempt(there))
}

// TestBudgetsClockSetBack: a clock that was set back does not keep clients out for the
// length of the jump.
func TestBudgetsClockSetBack(t *testing.T) {
	for name, r := range map[string]Rates{
		"address": {PerAddress: 2, PerAddressEvery: time.Second, Overall: 100, OverallEvery: time.Second, Addresses: 10},
		"overall": {PerAddress: 2, PerAddressEvery: time.Second, Overall: 2, OverallEvery: time.Second, Addresses: 10},
	} {
		now := time.Unix(1_800_000_000, 0)
		b := New(r)
		attempt := func() time.Duration {
			own, wait := b.Admit(here, now)
			if wait == 0 {
				b.Settle(own, now, true)
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
	b := New(Rates{PerAddress: 2, PerAddressEvery: time.Second, Overall: 1, OverallEvery: 24 * time.Hour, Addresses: 10})
	own, wait := b.Admit(here, now)
	require.Zero(t, wait)
	b.Settle(own, now, true)
	now = now.Add(-time.Hour)
	_, _ = b.Admit(here, now)
	now = now.Add(2 * time.Second)
	_, wait = b.Admit(here, now)
	require.Zero(t, wait, "the site did nothing for as long as it needs to be fresh")
}

// TestMemoryIsBounded: an attacker with many addresses cannot fill the memory.
func TestMemoryIsBounded(t *testing.T) {
	b, now := New(Rates{PerAddress: 1, PerAddressEvery: time.Second, Overall: 1 << 20, OverallEvery: time.Second, Addresses: 100}), time.Unix(1_800_000_000, 0)
	for n := range 10_000 {
		own, wait := b.Admit(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), now)
		require.Zero(t, wait)
		b.Settle(own, now, true)
	}
	for _, kept := range []int{b.byAddr.Len(), b.byAddr.order.Len(), b.bySite.Len()} {
		assert.Equal(t, 100, kept)
	}
}

func TestRates(t *testing.T) {
	r := Rates{PerAddress: 3}
	require.NoError(t, r.Complete(Rates{PerAddress: 1, Overall: 2, Addresses: 4}))
	assert.Equal(t, Rates{PerAddress: 3, Overall: 2, Addresses: 4}, r)
	r.OverallEvery = -1
	assert.Error(t, r.Complete(Rates{}))
}
