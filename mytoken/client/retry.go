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
	// patience is the longest Retry-After that is waited for; the caller
	// decides about a longer one.
	patience = 30 * time.Second
)

// repeatAfter says whether a failed request is sent again, and when. Whatever the
// server certainly did not act on may be repeated; the rest only if it is safe.
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
	return max(wait, e.RetryAfter), notActedOn(e) || safe && isTransient(e)
}

// notActedOn: the server says that it did nothing.
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

// refusedForGood: the server says no, and nothing in what it says lets one hope
// that time will change that.
func refusedForGood(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.RetryAfter > 0 {
		return false
	}
	switch e.Status {
	case http.StatusUnauthorized:
		return e.Explanation == nil // else it is not valid yet
	case http.StatusForbidden:
		return e.Code != CodeUsageRestricted || e.Explanation != nil && e.Explanation.Earliest.IsNever()
	}
	return e.Status == http.StatusBadRequest
}

// backOff doubles from attempt to attempt; the second half of it is chance, so that
// many clients that failed together do not come back together.
func backOff(attempt int, most time.Duration) time.Duration {
	wait := min(firstWait<<min(attempt-1, 16), most)
	return wait/2 + rand.N(wait/2)
}

// endsWithin reports whether the context ends before the wait does.
func endsWithin(ctx context.Context, wait time.Duration) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end) < wait
}
