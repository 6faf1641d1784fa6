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

// listings keeps more than maxListings lists from being read at once, and more than one
// list of a user: so nobody keeps other users from seeing and revoking their tokens. It
// is safe for concurrent use.
type listings struct {
	slots chan struct{}

	mu    sync.Mutex
	users map[mytoken.OwnerID]*listingUser // those who read or wait
}

type listingUser struct {
	turn     chan struct{} // holds one value while a list of the user is read
	requests int           // that read or wait
}

func newListings() *listings {
	return &listings{slots: make(chan struct{}, maxListings), users: make(map[mytoken.OwnerID]*listingUser)}
}

// enter waits for its turn, until the context ends or for the given time; then it returns
// a [*BusyError]. The caller must call leave when the list is read.
func (l *listings) enter(ctx context.Context, owner mytoken.OwnerID, most time.Duration) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	user := l.arrive(owner)
	for n, turn := range []chan struct{}{user.turn, l.slots} {
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			if n > 0 {
				<-user.turn
			}
			l.depart(owner)
			return nil, &BusyError{RetryAfter: time.Second, cause: ctx.Err()}
		}
	}
	return func() {
		<-l.slots
		<-user.turn
		l.depart(owner)
	}, nil
}

func (l *listings) arrive(owner mytoken.OwnerID) *listingUser {
	l.mu.Lock()
	defer l.mu.Unlock()
	user := l.users[owner]
	if user == nil {
		user = &listingUser{turn: make(chan struct{}, 1)}
		l.users[owner] = user
	}
	user.requests++
	return user
}

func (l *listings) depart(owner mytoken.OwnerID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if user := l.users[owner]; user.requests > 1 {
		user.requests--
	} else {
		delete(l.users, owner)
	}
}
