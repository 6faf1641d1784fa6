package issuer

import (
	"context"
	"time"
)

// maxListings is how many lists a process reads at once. Each of them holds one page of
// descriptions as the store has them, which are much larger than what the list keeps.
const maxListings = 4

// listings keeps more than maxListings lists from being read at once.
type listings chan struct{}

// enter waits for its turn, until the context ends or for the given time; then it returns
// a [*BusyError]. The caller must call leave when the list is read.
func (l listings) enter(ctx context.Context, most time.Duration) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, &BusyError{RetryAfter: time.Second, cause: ctx.Err()}
	}
}
