package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	firstWait = 250 * time.Millisecond
	mostWait  = 10 * time.Second
	// patience is the longest Retry-After that the client waits for. The caller decides
	// about a longer one.
	patience = 30 * time.Second
)

// repeatAfter decides whether to send a failed request again, and after how long. A
// request that the server certainly did not act on may be repeated; any other one only if
// that is safe.
func (c *Client) repeatAfter(err error, safe bool, attempt int) (time.Duration, bool) {
	if attempt >= c.cfg.Attempts {
		return 0, false
	}
	wait := backOff(attempt, mostWait)
	if lost, ok := errors.AsType[*NetworkError](err); ok {
		return wait, safe || !lost.Sent
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.RetryAfter > patience {
		return 0, false
	}
	return max(wait, spread(e.RetryAfter)), notActedOn(e) || safe && isTransient(e)
}

// notActedOn reports whether the server says that it did nothing.
func notActedOn(e *Error) bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable && e.RetryAfter > 0
}

func isTransient(e *Error) bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// backOff doubles from attempt to attempt. Half of it is random, so that clients that
// failed together do not return together.
func backOff(attempt int, most time.Duration) time.Duration {
	wait := min(firstWait<<min(attempt-1, 16), most)
	return wait/2 + rand.N(wait/2)
}

// mostSpread bounds what spread adds.
const mostSpread = time.Minute

// spread returns how long to wait if the server asks for a wait. It adds up to a quarter,
// at least up to a second, so that clients that were sent away together do not return
// together.
func spread(asked time.Duration) time.Duration {
	if asked <= 0 {
		return 0
	}
	return asked + rand.N(min(max(asked/4, time.Second), mostSpread))
}

// endsWithin reports whether the context ends before wait is over.
func endsWithin(ctx context.Context, wait time.Duration) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end) < wait
}
