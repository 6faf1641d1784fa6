package rest

import (
	"cmp"
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// goodFor is how long the guard remembers that a code exists. No code lives longer.
const goodFor = time.Hour

// guessed looks up a code that a client may have made up. Only this service can have made
// a code with a mark, so its look-up is free. Any other code counts as a failed guess if
// it is unknown.
func guessed[T any](c *call, code string, look func(context.Context, mytoken.Secret) (T, error)) (found T, err error) {
	secret, genuine := c.issuer.UnmarkCode(mytoken.NewSecret(code))
	if genuine {
		return look(c.ctx(), secret)
	}
	q, err := c.guard.admit(c.client.Address, code)
	if err != nil {
		return found, err
	}
	found, err = rescue.Call(func() (T, error) { return look(c.ctx(), secret) }) // settle, whatever happens
	switch unusable, ok := errors.AsType[*issuer.CodeError](err); {
	case !ok:
		q.settle(false, time.Time{})
	case unusable.Reason == issuer.CodeUnknown:
		q.settle(true, time.Time{})
	default: // it exists, or existed
		q.settle(false, c.issuer.Now().Add(goodFor))
	}
	return found, err
}

// GuessLimits limits failed guesses of polling, transfer and consent codes. Codes are too
// long to guess. The limits keep attackers from overloading the store.
//
// A failed guess counts against its address (for IPv6, the /64 network) and against a
// budget that all addresses share. An address that has used up its budget gets status 429
// with a Retry-After header, and the handler does not ask the store. Once the shared
// budget is used up, every address whose failed guesses still count gets 429 too. Other
// addresses pass.
//
// Two kinds of codes always pass. Polling and consent codes have a mark that only
// processes with the service's keys can make. Transfer codes pass on the process that
// issued or found them. So an attacker cannot stop honest clients from polling.
type GuessLimits struct {
	// PerAddress is how many failed guesses an address may make in a burst. 0 means 20.
	// PerAddressEvery is the time after which it may make one more. 0 means 3 s.
	PerAddress      int
	PerAddressEvery time.Duration
	// Overall and OverallEvery are the same for all addresses together. 0 means 1000 and
	// 10 ms.
	Overall      int
	OverallEvery time.Duration
	// Addresses is how many addresses the handler remembers, and how many existing codes.
	// It forgets first what was not used for the longest time. 0 means 65536.
	Addresses int
}

func (g *GuessLimits) complete() error {
	g.PerAddress = cmp.Or(g.PerAddress, 20)
	g.PerAddressEvery = cmp.Or(g.PerAddressEvery, 3*time.Second)
	g.Overall = cmp.Or(g.Overall, 1000)
	g.OverallEvery = cmp.Or(g.OverallEvery, 10*time.Millisecond)
	g.Addresses = cmp.Or(g.Addresses, 1<<16)
	if g.PerAddress < 0 || g.Overall < 0 || g.PerAddressEvery < 0 || g.OverallEvery < 0 || g.Addresses < 0 {
		return badOption("Guesses: a limit is negative")
	}
	return nil
}

// guessGuard enforces [GuessLimits]. It is safe for concurrent use.
type guessGuard struct {
	limits GuessLimits
	now    func() time.Time

	mu      sync.Mutex
	overall budget
	byAddr  *recent[netip.Prefix, *budget]
	good    *recent[[sha256.Size]byte, time.Time]
}

// budget counts failed guesses. A guess that is still being looked up counts as failed.
// Otherwise many at once could exceed the limit.
type budget struct {
	limiter  *rate.Limiter
	inFlight int
}

func (b *budget) room(now time.Time) bool { return b.limiter.TokensAt(now) >= float64(b.inFlight+1) }

// clean reports whether the budget is full: no failed guess counts any more.
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

// guess is a code whose look-up is admitted but has no result yet.
type guess struct {
	guard *guessGuard
	code  [sha256.Size]byte
	own   *budget // of the address; nil for a code that is known to exist
}

// admit decides whether a code may be looked up. The caller must then call settle.
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

// settle records the result: the code is wrong, or it exists until a time. If wrong is
// false and the time is zero, the result is unknown.
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

// remember lets a code pass that this process issued.
func (g *guessGuard) remember(code string, until time.Time) {
	if code == "" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.good.put(sha256.Sum256([]byte(code)), until)
}

// networkOf returns the network that a guess counts against: an IPv4 address, or the part
// of IPv6 that one customer usually has. All unknown addresses are one network.
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

// recent is a map of bounded size. If it is full, it forgets the entry that was not used
// for the longest time.
type recent[K comparable, V any] struct {
	most  int
	order *list.List // of *recentEntry, the last used one first
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
