package rest

import (
	"container/list"
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// GuessLimits limits failed guesses of polling, transfer and consent codes. They
// keep those who try out of the store; what protects the codes is their length.
//
// A failed guess counts against the address that made it (for IPv6 its /64) and
// against all addresses together. An address that used up its own budget gets 429
// without its code being looked up. If all together used up theirs, so does every
// address that has a failed guess to its name; others are let through.
//
// Always let through are polling and consent codes with the mark that only
// processes with this service's keys can make, and transfer codes that this process
// has made or seen to be good. So nobody who guesses stops those who poll, on any
// process.
type GuessLimits struct {
	// PerAddress is how many failed guesses an address may make in a burst; 0:
	// 20. PerAddressEvery is how long one more takes to come; 0: 3 s.
	PerAddress      int
	PerAddressEvery time.Duration
	// Overall and OverallEvery are the same for all addresses together; 0: 1000
	// and 10 ms.
	Overall      int
	OverallEvery time.Duration
	// Addresses is how many addresses, and how many good codes, are remembered;
	// 0: 65536. Those that were quiet the longest are forgotten first.
	Addresses int
}

func (g *GuessLimits) complete() error {
	setDefault(&g.PerAddress, 20)
	setDefault(&g.PerAddressEvery, 3*time.Second)
	setDefault(&g.Overall, 1000)
	setDefault(&g.OverallEvery, 10*time.Millisecond)
	setDefault(&g.Addresses, 1<<16)
	if g.PerAddress < 0 || g.Overall < 0 || g.PerAddressEvery < 0 || g.OverallEvery < 0 || g.Addresses < 0 {
		return badOption("Guesses: a limit is negative")
	}
	return nil
}

// guessGuard enforces GuessLimits. It is safe for concurrent use.
type guessGuard struct {
	limits GuessLimits
	now    func() time.Time

	mu      sync.Mutex
	overall budget
	byAddr  *recent[netip.Prefix, *budget]
	good    *recent[[sha256.Size]byte, time.Time]
}

// budget counts failed guesses. Those that are not decided yet are counted as if
// they would fail, so that many at once do not exceed it.
type budget struct {
	limiter  *rate.Limiter
	inFlight int
}

func (b *budget) room(now time.Time) bool { return b.limiter.TokensAt(now) >= float64(b.inFlight+1) }

// clean reports whether no failed guess is on the books.
func (b *budget) clean(now time.Time) bool {
	return b.limiter.TokensAt(now) >= float64(b.limiter.Burst())
}

func newGuessGuard(limits GuessLimits, now func() time.Time) *guessGuard {
	return &guessGuard{
		limits: limits, now: now,
		overall: budget{limiter: rate.NewLimiter(rate.Every(limits.OverallEvery), limits.Overall)},
		byAddr:  newRecent[netip.Prefix, *budget](limits.Addresses),
		good:    newRecent[[sha256.Size]byte, time.Time](limits.Addresses),
	}
}

// guess is a code that was let through and is not decided yet.
type guess struct {
	guard *guessGuard
	code  [sha256.Size]byte
	own   *budget // nil for a code that is known to be good
}

// admit decides whether a code may be looked up. The caller must call settle.
func (g *guessGuard) admit(addr netip.Addr, code string) (*guess, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, sum := g.now(), sha256.Sum256([]byte(code))
	if until, ok := g.good.get(sum); ok && now.Before(until) {
		return &guess{guard: g, code: sum}, nil
	}
	network := networkOf(addr)
	own, ok := g.byAddr.get(network)
	if !ok {
		own = &budget{limiter: rate.NewLimiter(rate.Every(g.limits.PerAddressEvery), g.limits.PerAddress)}
		g.byAddr.put(network, own)
	}
	if !own.room(now) || !g.overall.room(now) && !(own.clean(now) && own.inFlight == 0) {
		return nil, &tooManyError{retry: g.limits.PerAddressEvery}
	}
	own.inFlight++
	g.overall.inFlight++
	return &guess{guard: g, code: sum, own: own}, nil
}

// settle says what became of the code: wrong, or good until some time, or, with
// the zero time, neither.
func (q *guess) settle(wrong bool, goodUntil time.Time) {
	g := q.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	if q.own != nil {
		q.own.inFlight--
		g.overall.inFlight--
	}
	switch now := g.now(); {
	case wrong && q.own != nil:
		q.own.limiter.AllowN(now, 1)
		g.overall.limiter.AllowN(now, 1)
	case wrong:
		g.good.drop(q.code)
	case !goodUntil.IsZero():
		g.good.put(q.code, goodUntil)
	}
}

// remember lets a code pass that this process made.
func (g *guessGuard) remember(code string, until time.Time) {
	if code == "" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.good.put(sha256.Sum256([]byte(code)), until)
}

// networkOf is whom a guess counts against: an IPv4 address, or what one
// customer usually has of IPv6. Unknown addresses are one.
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

// recent is a map of bounded size that forgets what was not used the longest.
type recent[K comparable, V any] struct {
	most  int
	order *list.List // of *recentEntry, the last used first
	byKey map[K]*list.Element
}

type recentEntry[K comparable, V any] struct {
	key   K
	value V
}

func newRecent[K comparable, V any](most int) *recent[K, V] {
	return &recent[K, V]{most: most, order: list.New(), byKey: make(map[K]*list.Element)}
}

func (r *recent[K, V]) get(key K) (value V, ok bool) {
	e, ok := r.byKey[key]
	if !ok {
		return value, false
	}
	r.order.MoveToFront(e)
	return e.Value.(*recentEntry[K, V]).value, true
}

func (r *recent[K, V]) put(key K, value V) {
	if e, ok := r.byKey[key]; ok {
		e.Value.(*recentEntry[K, V]).value = value
		r.order.MoveToFront(e)
		return
	}
	r.byKey[key] = r.order.PushFront(&recentEntry[K, V]{key, value})
	if len(r.byKey) > r.most {
		oldest := r.order.Back()
		delete(r.byKey, r.order.Remove(oldest).(*recentEntry[K, V]).key)
	}
}

func (r *recent[K, V]) drop(key K) {
	if e, ok := r.byKey[key]; ok {
		r.order.Remove(e)
		delete(r.byKey, key)
	}
}
