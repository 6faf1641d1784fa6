package rest

import (
	"cmp"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// rates say how often clients may do something. [GuessLimits] and [LoginLimits] have the
// same fields.
type rates struct {
	PerAddress      int
	PerAddressEvery time.Duration
	Overall         int
	OverallEvery    time.Duration
	Addresses       int
}

// complete fills in defaults. Option is the field of [Options].
func (r *rates) complete(option string, defaults rates) error {
	r.PerAddress = cmp.Or(r.PerAddress, defaults.PerAddress)
	r.PerAddressEvery = cmp.Or(r.PerAddressEvery, defaults.PerAddressEvery)
	r.Overall = cmp.Or(r.Overall, defaults.Overall)
	r.OverallEvery = cmp.Or(r.OverallEvery, defaults.OverallEvery)
	r.Addresses = cmp.Or(r.Addresses, defaults.Addresses)
	if r.PerAddress < 0 || r.Overall < 0 || r.PerAddressEvery < 0 || r.OverallEvery < 0 || r.Addresses < 0 {
		return badOption("%s: a limit is negative", option)
	}
	return nil
}

// budgets enforce rates: one budget for each network, and one for all together. They are
// safe for concurrent use.
type budgets struct {
	rates rates

	mu      sync.Mutex
	overall *budget
	byAddr  *recent[netip.Prefix, *budget]
}

func newBudgets(r rates) *budgets {
	return &budgets{rates: r, overall: newBudget(r.Overall, r.OverallEvery), byAddr: newRecent[netip.Prefix, *budget](r.Addresses)}
}

// budget counts attempts. An attempt whose outcome is open counts. Otherwise many at once
// could exceed the limit.
type budget struct {
	limiter  *rate.Limiter
	every    time.Duration
	inFlight int
	used     time.Time // when an attempt last counted
}

func newBudget(burst int, every time.Duration) *budget {
	return &budget{limiter: rate.NewLimiter(rate.Every(every), burst), every: every}
}

// wait returns how long it takes until there is room for one more attempt.
func (b *budget) wait(now time.Time) time.Duration {
	missing := float64(b.inFlight+1) - b.limiter.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return max(time.Duration(missing*float64(b.every)), 1)
}

// fresh reports whether no attempt counted for as long as an empty budget needs to fill.
func (b *budget) fresh(now time.Time) bool {
	fill := float64(b.limiter.Burst()) * b.every.Seconds()
	return b.inFlight == 0 && (b.used.IsZero() || now.Sub(b.used).Seconds() >= fill)
}

// admit decides whether an address may make an attempt. If so, the caller must then call
// settle with the budget of the address. Otherwise wait is when to try again.
//
// A network that did nothing lately passes although the budget of all is used up. Else a
// flood from many addresses would stop everybody.
func (b *budgets) admit(addr netip.Addr, now time.Time) (own *budget, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	network := networkOf(addr)
	own, ok := b.byAddr.get(network)
	if !ok {
		own = newBudget(b.rates.PerAddress, b.rates.PerAddressEvery)
		b.byAddr.put(network, own)
	}
	if wait = own.wait(now); wait == 0 && !own.fresh(now) {
		wait = b.overall.wait(now)
	}
	if wait > 0 {
		return nil, wait
	}
	own.inFlight++
	b.overall.inFlight++
	return own, 0
}

// settle ends an attempt, and says whether it counts.
func (b *budgets) settle(own *budget, now time.Time, counts bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, each := range []*budget{own, b.overall} {
		each.inFlight--
		if counts {
			each.limiter.AllowN(now, 1)
			each.used = now
		}
	}
}

// networkOf returns the network that an attempt counts against: an IPv4 address, or the
// part of IPv6 that one customer usually has. All unknown addresses are one network.
func networkOf(addr netip.Addr) netip.Prefix {
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
