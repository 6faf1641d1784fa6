package killtest_test

import (
	"time"

	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// use is an order with everything that the test knows about it. The test may give the
// order more than once, with the same id.
type use struct {
	order
	token *token
	last  outcome
	got   bool // an answer reached the process that had it last
	// unsettled says that a process died during the use, or did not know its outcome.
	unsettled bool
	// late says that the token's revocation had returned before.
	late bool
}

// receipt says what a process did with a refresh token of the provider.
type receipt struct {
	use   int
	by    *life
	asked time.Time // when the provider was
	kept  bool
}

// life is everything that the test knows about one process.
type life struct {
	*process
	sent map[int]time.Time // its orders, and when they were sent
	died map[int]bool      // orders during which it died
	// recovered is when its successor had replayed the spill.
	recovered time.Time
}

// ledger is everything that the test knows about the uses and the provider's answers.
type ledger struct {
	uses     []*use
	receipts map[answer]*receipt
	sent     map[*token]int // uses that may have been charged to a token
}

// add returns a new use of a token.
func (l *ledger) add(t *token, scope string, at place) *use {
	u := &use{token: t, order: order{N: len(l.uses), ID: issuer.NewUseID(), Scope: scope, Place: at}}
	l.uses = append(l.uses, u)
	for _, above := range t.grant.tokens[:t.depth+1] {
		l.sent[above]++
	}
	return u
}

// room reports whether that part of the token's limits is certainly left.
func (l *ledger) room(t *token, part float64) bool {
	for _, above := range t.grant.tokens[:t.depth+1] {
		if float64(l.sent[above]) >= part*float64(above.limit) {
			return false
		}
	}
	return true
}

// events returns how often the history may name the use.
func (u *use) events() (least, most int) {
	switch {
	case u.last == delivered:
		return 1, 1
	case u.unsettled:
		return 0, 1
	case u.last == charged:
		return 1, 1
	case u.last == dead && u.token.rotates && !u.late:
		// A token that is revoked between the claim and the rotation leaves the use charged;
		// see step 8 of Issuer.AccessToken.
		return 0, 1
	}
	return 0, 0
}
