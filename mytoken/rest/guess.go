package rest

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/budget"
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
// budget is used up, every site (an IPv4 address, or an IPv6 /48 network) gets 429 that
// made a failed guess within the last PerAddress × PerAddressEvery. Other sites pass.
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
	return refuse("Guesses", (*budget.Rates)(g).Complete(budget.Rates{
		PerAddress: 20, PerAddressEvery: 3 * time.Second, Overall: 1000, OverallEvery: 10 * time.Millisecond, Addresses: 1 << 16,
	}))
}

// guessGuard enforces [GuessLimits]. It is safe for concurrent use.
type guessGuard struct {
	*budget.Budgets
	now func() time.Time

	mu   sync.Mutex
	good *budget.Recent[[sha256.Size]byte, time.Time]
}

func newGuessGuard(limits GuessLimits, now func() time.Time) *guessGuard {
	return &guessGuard{Budgets: budget.New(budget.Rates(limits)), now: now, good: budget.NewRecent[[sha256.Size]byte, time.Time](limits.Addresses)}
}

// guess is a code whose look-up is admitted but has no result yet.
type guess struct {
	guard *guessGuard
	code  [sha256.Size]byte
	own   *budget.Attempt // nil for a code that is known to exist
}

// admit decides whether a code may be looked up. The caller must then call settle.
func (g *guessGuard) admit(addr netip.Addr, code string) (*guess, error) {
	now, sum := g.now(), sha256.Sum256([]byte(code))
	if g.known(sum, now) {
		return &guess{guard: g, code: sum}, nil
	}
	own, wait := g.Admit(addr, now)
	if wait > 0 {
		return nil, &tooManyError{what: "too many failed attempts", retry: wait}
	}
	return &guess{guard: g, code: sum, own: own}, nil
}

func (g *guessGuard) known(code [sha256.Size]byte, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	until, ok := g.good.Get(code)
	return ok && now.Before(until)
}

// settle records the result: the code is wrong, or it exists until a time. If wrong is
// false and the time is zero, the result is unknown.
func (q *guess) settle(wrong bool, goodUntil time.Time) {
	g := q.guard
	if q.own != nil {
		g.Settle(q.own, g.now(), wrong)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case wrong && q.own == nil:
		g.good.Drop(q.code)
	case !wrong && !goodUntil.IsZero():
		g.good.Put(q.code, goodUntil)
	}
}

// remember lets a code pass that this process issued.
func (g *guessGuard) remember(code string, until time.Time) {
	if code == "" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.good.Put(sha256.Sum256([]byte(code)), until)
}
