package restriction

import (
	"net/netip"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/internal/fresh/freshtest"
)

// TestResolverCacheClockIsSet: an answer is believed only if both clocks agree that it is
// recent. A clock that was set back does not prolong its life.
func TestResolverCacheClockIsSet(t *testing.T) {
	for name, test := range map[string]struct {
		happens func(*freshtest.Clock)
		asked   int
	}{
		"nothing":            {func(*freshtest.Clock) {}, 1},
		"set back to before": {func(c *freshtest.Clock) { c.Set(-time.Hour) }, 2},
		"set back, too old":  {func(c *freshtest.Clock) { c.Set(-20 * time.Second); c.Pass(40 * time.Second) }, 2},
		"asleep":             {func(c *freshtest.Clock) { c.Suspend(time.Hour) }, 2},
	} {
		clock, asked := freshtest.NewClock(epoch), 0
		dns := fakeDNS{addrs: map[string][]string{"a.": {"192.0.2.1"}}, asked: func(string) { asked++ }}
		cache := NewResolverCache(dns, CacheOptions{Now: clock.Now})
		ask := func() ([]netip.Addr, error) { return cache.LookupNetIP(t.Context(), "ip", "a.") }
		for range 2 {
			if _, err := ask(); err != nil {
				t.Fatal(err)
			}
			clock.Pass(15 * time.Second)
		}
		test.happens(clock)
		for range 2 {
			if _, err := ask(); err != nil {
				t.Fatal(err)
			}
		}
		if asked != test.asked {
			t.Errorf("%s: the resolver was asked %d times, not %d", name, asked, test.asked)
		}
	}
}
