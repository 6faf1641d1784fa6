package issuer

import (
	"context"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
)

// maxListings is how many lists a process reads at once. Each of them holds one page of
// descriptions as the store has them, which are much larger than what the list keeps.
const maxListings = 4

// maxOfToken is how many lists of one token may be read or wait.
const maxOfToken = 4

// listings keeps more than maxListings lists and histories from being read at once, and
// more than one of a user: so nobody keeps other users from seeing and revoking their
// tokens. It refuses more than maxOfToken of a token, so that the holder of a stolen one
// delays its user only a little. It is safe for concurrent use.
type listings struct {
	slots chan struct{}

	mu    sync.Mutex
	users map[mytoken.OwnerID]*listingUser // those who read or wait
}

type listingUser struct {
	turn   chan struct{}           // holds one value while a list of the user is read
	tokens map[mytoken.TokenID]int // lists that are read or wait, by token
}

func newListings() *listings {
	return &listings{slots: make(chan struct{}, maxListings), users: make(map[mytoken.OwnerID]*listingUser)}
}

// presentToList presents a token and waits for its turn to read a list or a history. The
// caller must call leave in the end.
func (i *Issuer) presentToList(ctx context.Context, token mytoken.Secret, client Client) (p *presented, leave func(), err error) {
	if p, err = i.present(ctx, token, client); err != nil {
		return nil, nil, err
	}
	leave, err = i.listings.enter(ctx, p.token.Owner(), p.id.ID, i.cfg.WaitLimit)
	return p, leave, err
}

// enter waits for its turn, until the context ends or for the given time; then it returns
// a [*BusyError]. The caller must call leave when the list is read. The token is zero if
// the embedding service asks.
func (l *listings) enter(ctx context.Context, owner mytoken.OwnerID, token mytoken.TokenID, most time.Duration) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	user := l.arrive(owner, token)
	if user == nil {
		return nil, &BusyError{RetryAfter: time.Second}
	}
	for n, turn := range []chan struct{}{user.turn, l.slots} {
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			if n > 0 {
				<-user.turn
			}
			l.depart(owner, token)
			return nil, &BusyError{RetryAfter: time.Second, cause: ctx.Err()}
		}
	}
	return func() {
		<-l.slots
		<-user.turn
		l.depart(owner, token)
	}, nil
}

// arrive returns nil if the token has too many lists.
func (l *listings) arrive(owner mytoken.OwnerID, token mytoken.TokenID) *listingUser {
	l.mu.Lock()
	defer l.mu.Unlock()
	user := l.users[owner]
	if user == nil {
		user = &listingUser{turn: make(chan struct{}, 1), tokens: make(map[mytoken.TokenID]int)}
		l.users[owner] = user
	}
	if !token.IsZero() && user.tokens[token] >= maxOfToken {
		return nil
	}
	user.tokens[token]++
	return user
}

func (l *listings) depart(owner mytoken.OwnerID, token mytoken.TokenID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	user := l.users[owner]
	if user.tokens[token]--; user.tokens[token] == 0 {
		delete(user.tokens, token)
	}
	if len(user.tokens) == 0 {
		delete(l.users, owner)
	}
}
