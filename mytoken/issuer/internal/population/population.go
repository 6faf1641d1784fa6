// Package population counts the tokens of users without asking the store each time.
package population

import (
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/fresh"
	"github.com/mytoken-go/sdk/internal/terms"
)

const (
	maxUsers   = 10_000      // users that a Population remembers
	countedFor = time.Minute // how long a count is believed
	fullFor    = time.Second // how long it is believed that a user has too many tokens
)

// Population remembers the counts of the store for a minute and adds the tokens that this
// process makes, so that few derivations ask the store. The zero Population is empty and
// ready to use. It is safe for concurrent use.
type Population struct {
	mu    sync.Mutex
	users map[terms.OwnerID]headcount
}

// headcount is the number of tokens that a user had at an instant, and those that this
// process has made for the user since.
type headcount struct {
	tokens int
	read   time.Time
}

// Of returns how many tokens a user has. It calls count if that is not known well enough
// to compare it with most, and returns its error.
func (p *Population) Of(owner terms.OwnerID, most int, now time.Time, count func() (int, error)) (int, error) {
	known, ok := p.known(owner)
	believed := countedFor
	if known.tokens >= most {
		believed = fullFor
	}
	if ok && fresh.Within(known.read, believed, now) {
		return known.tokens, nil
	}
	tokens, err := count()
	if err != nil {
		return 0, err
	}
	p.set(owner, headcount{tokens, now})
	return tokens, nil
}

func (p *Population) known(owner terms.OwnerID) (headcount, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.users[owner]
	return known, ok
}

// set remembers a count. If there are too many, it forgets any other one: that costs a
// look at the store.
func (p *Population) set(owner terms.OwnerID, h headcount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users == nil {
		p.users = make(map[terms.OwnerID]headcount)
	}
	for other := range p.users {
		if len(p.users) < maxUsers {
			break
		}
		delete(p.users, other)
	}
	p.users[owner] = h
}

// Grew notes that this process made a token for the user.
func (p *Population) Grew(owner terms.OwnerID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.users[owner]; ok {
		known.tokens++
		p.users[owner] = known
	}
}
