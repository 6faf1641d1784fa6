package issuer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/fresh"
	"github.com/mytoken-go/sdk/mytoken"
)

// population counts the tokens of users for Limits.TokensPerUser. It remembers the counts
// of the store for a minute and adds the tokens that this process makes, so that few
// derivations ask the store. It is safe for concurrent use.
type population struct {
	mu    sync.Mutex
	users map[mytoken.OwnerID]headcount
}

// headcount is the number of tokens that a user had at an instant, and those that this
// process has made for the user since.
type headcount struct {
	tokens int
	read   time.Time
}

const (
	maxUsers   = 10_000      // users that a population remembers
	countedFor = time.Minute // how long a count is believed
	fullFor    = time.Second // how long it is believed that a user has too many tokens
)

// admitChild returns a [*RequestError] if the user has too many tokens for another child.
func (i *Issuer) admitChild(ctx context.Context, owner mytoken.OwnerID) error {
	most := i.cfg.Limits.TokensPerUser
	if most < 0 {
		return nil
	}
	known, ok := i.population.of(owner)
	believed := countedFor
	if known.tokens >= most {
		believed = fullFor
	}
	if !ok || !fresh.Within(known.read, believed, i.Now()) {
		tokens, err := i.ledger.count(ctx, owner, most)
		if err != nil {
			return err
		}
		known = headcount{tokens, i.Now()}
		i.population.set(owner, known)
	}
	if known.tokens >= most {
		return &RequestError{Field: "mytoken", Code: RequestTooManyTokens, Reason: fmt.Sprintf(
			"the user has %d tokens, and no more are stored; expired and revoked tokens count until they are deleted", most)}
	}
	return nil
}

func (p *population) of(owner mytoken.OwnerID) (headcount, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.users[owner]
	return known, ok
}

// set remembers a count. If there are too many, it forgets any other one: that costs a
// look at the store.
func (p *population) set(owner mytoken.OwnerID, h headcount) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users == nil {
		p.users = make(map[mytoken.OwnerID]headcount)
	}
	for other := range p.users {
		if len(p.users) < maxUsers {
			break
		}
		delete(p.users, other)
	}
	p.users[owner] = h
}

// grew notes that this process made a token for the user.
func (p *population) grew(owner mytoken.OwnerID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.users[owner]; ok {
		known.tokens++
		p.users[owner] = known
	}
}
