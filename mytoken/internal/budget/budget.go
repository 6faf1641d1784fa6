// Package budget limits how often clients may try something.
package budget

import (
	"cmp"
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/mytoken-go/sdk/internal/fresh"
)

// Rates say how often clients may do something. An address that has used up its budget of
// PerAddress may do it once more every PerAddressEvery. Overall and OverallEvery are the
// same for all addresses together. Addresses is how many of them are remembered.
type Rates struct {
	PerAddress      int
	PerAddressEvery time.Duration
	Overall         int
	OverallEvery    time.Duration
	Addresses       int
}

// Complete fills in defaults. It returns an error if a field is negative.
func (r *Rates) Complete(defaults Rates) error {
	r.PerAddress = cmp.Or(r.PerAddress, defaults.PerAddress)
	r.PerAddressEvery = cmp.Or(r.PerAddressEvery, defaults.PerAddressEvery)
	r.Overall = cmp.Or(r.Overall, defaults.Overall)
	r.OverallEvery = cmp.Or(r.OverallEvery, defaults.OverallEvery)
	r.Addresses = cmp.Or(r.Addresses, defaults.Addresses)
	if r.PerAddress < 0 || r.Overall < 0 || r.PerAddressEvery < 0 || r.OverallEvery < 0 || r.Addresses < 0 {
		return errors.New("a limit is negative")
	}
	return nil
}

// Budgets enforce [Rates]: one budget for each network, and one for all together. They
// are safe for concurrent use.
type Budgets struct {
	rates Rates

	mu      sync.Mutex
	overall *budget
	byAddr  *Recent[netip.Prefix, *budget]
	bySite  *Recent[netip.Prefix, *site]
}

// New returns full budgets.
func New(r Rates) *Budgets {
	return &Budgets{
		rates: r, overall: newBudget(r.Overall, r.OverallEvery),
		byAddr: NewRecent[netip.Prefix, *budget](r.Addresses), bySite: NewRecent[netip.Prefix, *site](r.Addresses),
	}
}

// budget counts attempts. An attempt whose outcome is open counts. Otherwise many at once
// could exceed the limit.
type budget struct {
	limiter  *rate.Limiter
	every    time.Duration
	inFlight int
}

// site is all that belongs to one owner of addresses.
type site struct {
	inFlight int
	used     time.Time // when an attempt last counted
}

func newBudget(burst int, every time.Duration) *budget {
	return &budget{limiter: rate.NewLimiter(rate.Every(every), burst), every: every}
}

// wait returns how long it takes until there is room for one more attempt.
func (b *budget) wait(now time.Time) time.Duration {
	b.limiter.AllowN(now, 0) // after the clock was set back, the budget fills from now on
	missing := float64(b.inFlight+1) - b.limiter.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return max(time.Duration(missing*float64(b.every)), 1)
}

// fresh reports whether no attempt from a site counted for as long as an empty budget of
// an address needs to fill. If the clock was set back, that time begins now.
func (b *Budgets) fresh(s *site, now time.Time) bool {
	if s.used.IsZero() {
		return s.inFlight == 0
	}
	age, known := fresh.Age(s.used, now)
	if !known {
		s.used = now
	}
	fill := float64(b.rates.PerAddress) * b.rates.PerAddressEvery.Seconds()
	return s.inFlight == 0 && known && age.Seconds() >= fill
}

// Attempt is one that was admitted and has no result yet.
type Attempt struct {
	own  *budget
	site *site
}

// Admit decides whether an address may make an attempt. If so, the caller must then call
// Settle. Otherwise wait is when to try again.
//
// A site that did nothing lately passes although the budget of all is used up. Else a
// flood from many addresses would stop everybody. One owner of many networks is one site:
// else they would pass with each of them.
func (b *Budgets) Admit(addr netip.Addr, now time.Time) (a *Attempt, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	own := b.byAddr.GetOr(NetworkOf(addr), func() *budget { return newBudget(b.rates.PerAddress, b.rates.PerAddressEvery) })
	from := b.bySite.GetOr(SiteOf(addr), func() *site { return new(site) })
	common := b.overall.wait(now) // also if it is not needed, so that it learns of a clock that was set back
	if wait = own.wait(now); wait == 0 && !b.fresh(from, now) {
		wait = common
	}
	if wait > 0 {
		return nil, wait
	}
	own.inFlight++
	from.inFlight++
	b.overall.inFlight++
	return &Attempt{own, from}, 0
}

// Settle ends an attempt, and says whether it counts.
func (b *Budgets) Settle(a *Attempt, now time.Time, counts bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a.site.inFlight--
	if counts {
		a.site.used = now
	}
	for _, each := range []*budget{a.own, b.overall} {
		each.inFlight--
		if counts {
			each.limiter.AllowN(now, 1)
		}
	}
}

// NetworkOf returns the network that an attempt counts against: an IPv4 address, or the
// part of IPv6 that one customer usually has. All unknown addresses are one network.
func NetworkOf(addr netip.Addr) netip.Prefix { return prefixOf(addr, 64) }

// SiteOf returns the greatest network that one owner gets for the asking: an IPv4
// address, or a /48 of IPv6 (RFC 6177).
func SiteOf(addr netip.Addr) netip.Prefix { return prefixOf(addr, 48) }

func prefixOf(addr netip.Addr, bits int) netip.Prefix {
	if addr.Is4() {
		bits = 32
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
