package client

import (
	"errors"
	"net/http"
	"strings"
	"time"
)

// RefusedError says that a [Keeper] has ended, because the server refuses access tokens
// for good: it has said so at least twice, with a pause. The mytoken was revoked, has
// expired or is damaged, its login has ended ([ErrLoginEnded]), its restrictions never
// admit this use again, or the request asks for something that it cannot get.
type RefusedError struct {
	// Err is the last answer of the server.
	Err *Error
}

func (e *RefusedError) Error() string {
	text := "client: the server refuses access tokens for good; "
	switch {
	case errors.Is(e.Err, ErrLoginEnded):
		return text + "the login at the OpenID provider has ended, so log in again: " + e.Err.Error()
	case e.Err.Code == CodeInvalidToken:
		return text + "the mytoken was revoked, has expired or is damaged, so log in again: " + e.Err.Error()
	}
	return text + "use another mytoken, or ask for something else: " + e.Err.Error()
}

// Unwrap returns Err.
func (e *RefusedError) Unwrap() error { return e.Err }

// notValidYet is part of the description of a mytoken whose time comes later (protocol
// section 5.0.5). Not every server adds an explanation.
const notValidYet = "not valid yet"

// refusedForGood reports whether the server refuses, and a later request cannot be
// expected to succeed. One answer is no proof: a server that has lost its database for a
// while says the same.
//
// Only errors of the protocol count. A page of some gateway in between says nothing about
// the mytoken.
func refusedForGood(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.RetryAfter > 0 {
		return false
	}
	switch e.Code {
	case CodeInvalidToken:
		// with an explanation, the token is not valid yet
		return e.Status == http.StatusUnauthorized && e.Explanation == nil && !strings.Contains(e.Description, notValidYet)
	case CodeUsageRestricted:
		return e.Status == http.StatusForbidden && e.Explanation != nil && e.Explanation.Earliest.IsNever()
	case CodeAccessDenied, CodeInsufficientCapabilities:
		return e.Status == http.StatusForbidden
	case CodeInvalidRequest, CodeInvalidGrant, CodeOIDC:
		return e.Status == http.StatusBadRequest
	}
	return false
}

// asksForPause reports whether the server says when to come back.
func asksForPause(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.RetryAfter > 0
}

// pause returns how long to wait after failures in a row, of which err is the last.
func pause(failures int, err error) time.Duration {
	wait := backOff(failures, longestPause)
	if e, ok := errors.AsType[*Error](err); ok {
		wait = max(wait, spread(min(e.RetryAfter, longestRetry)))
	}
	return wait
}
