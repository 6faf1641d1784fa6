package issuer

import (
	"errors"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// Errors that callers of an [Issuer] branch on; the types below carry data.
// Which protocol error they become at an HTTP edge is said in parentheses
// (protocol section 5.0.5). An error that is none of these means that the
// service could not tell (internal_server_error), most often because its store
// does not answer: nothing was handed out, and the call may be repeated with
// the same ID.
var (
	// ErrUnknownProvider: no provider with this issuer is configured
	// (invalid_request).
	ErrUnknownProvider = errors.New("issuer: the provided issuer is not supported")
	// ErrWrongProvider: the request names another provider than the token's
	// (invalid_request).
	ErrWrongProvider = errors.New("issuer: token not for specified issuer")
	// ErrNotOwned: the other token belongs to another user, or does not exist
	// (invalid_grant).
	ErrNotOwned = errors.New("issuer: the token cannot be used for this mom_id")
	// ErrState: the authorization response does not belong to a login that is
	// waiting for it (invalid_request, "State mismatched").
	ErrState = errors.New("issuer: state mismatched")
	// ErrClosed: the issuer was closed.
	ErrClosed = errors.New("issuer: issuer is closed")
	// ErrRepeatedID: the ID of the request was used for something else, or the
	// use with this ID was called off too often; take a new one
	// (invalid_request). See AccessTokenRequest.ID for how often it may be.
	ErrRepeatedID = errors.New("issuer: the id of this request cannot be used again")
)

// CodeError says that a code (consent, polling, transfer) cannot be used.
type CodeError struct {
	Reason CodeReason
	// Login is how the login failed, for CodeFailed.
	Login *LoginError
}

// CodeReason says why a code cannot be used.
type CodeReason uint8

// The reasons of a [CodeError].
const (
	CodeUnknown  CodeReason = iota // never existed, or already used (invalid_token)
	CodePending                    // the user has not finished (authorization_pending)
	CodeDeclined                   // the user declined (access_denied)
	CodeExpired                    // (expired_token)
	CodeFailed                     // the login failed; see Login (access_denied or oidc_error)
)

func (e *CodeError) Error() string {
	switch e.Reason {
	case CodePending:
		return "issuer: the login is not finished"
	case CodeDeclined:
		return "issuer: user declined consent"
	case CodeExpired:
		return "issuer: code is expired"
	case CodeFailed:
		if e.Login == nil {
			return "issuer: the login failed"
		}
		return e.Login.Error()
	default:
		return "issuer: code is unknown or was already used"
	}
}

// Unwrap returns the failure of the login, if that is the reason.
func (e *CodeError) Unwrap() error {
	if e.Login == nil {
		return nil
	}
	return e.Login
}

// LoginError says that the login at the provider led to no token.
type LoginError struct {
	// Code is the OAuth error code of the provider (RFC 6749 4.1.2.1, 5.2),
	// or this issuer's own: access_denied or server_error.
	Code string
	// Description is for humans; it holds no internals.
	Description string
	cause       error
}

func (e *LoginError) Error() string {
	if e.Description == "" {
		return "issuer: login failed: " + e.Code
	}
	return fmt.Sprintf("issuer: login failed: %s: %s", e.Code, e.Description)
}

// Unwrap returns the cause, if there is one.
func (e *LoginError) Unwrap() error { return e.cause }

// TokenError says that a presented string is not, or not any more, a usable
// mytoken (invalid_token). The reason is for logs and tests; a client learns
// no more than that the token is not valid.
type TokenError struct {
	Reason TokenReason
	cause  error
}

// TokenReason says why a token is not usable.
type TokenReason uint8

// The reasons of a [TokenError].
const (
	// TokenMalformed: neither a signed token of this issuer nor a short token
	// that it knows, or its times do not hold.
	TokenMalformed TokenReason = iota
	// TokenUnknown: correctly signed, but not in the store, or a copy that was
	// not issued.
	TokenUnknown
	// TokenRevoked: it, or an ancestor recursively, was revoked.
	TokenRevoked
	// TokenOutdated: rotation replaced it, and its successor is in use.
	TokenOutdated
	// TokenReused: rotation replaced it longer ago than the grace; somebody
	// holds a copy. If its rotation says auto_revoke, the tree is revoked now.
	TokenReused
)

func (r TokenReason) String() string {
	switch r {
	case TokenUnknown:
		return "unknown"
	case TokenRevoked:
		return "revoked"
	case TokenOutdated:
		return "outdated"
	case TokenReused:
		return "reused"
	default:
		return "malformed"
	}
}

func (e *TokenError) Error() string { return "issuer: token is not valid: " + e.Reason.String() }

// Unwrap returns the cause, if there is one.
func (e *TokenError) Unwrap() error { return e.cause }

// RefusedError says that no clause of the token's restrictions admits the use
// (usage_restricted), and why. Its text is for whoever the token belongs to;
// for a reader who may have found it, see [restriction.Explanation.Untrusted].
type RefusedError struct {
	Explanation *restriction.Explanation
}

func (e *RefusedError) Error() string {
	if e.Explanation == nil {
		return "issuer: the restrictions of this token do not allow this use"
	}
	return "issuer: the restrictions of this token do not allow this use: " + e.Explanation.String()
}

// RequestError says what is wrong with a request (invalid_request).
type RequestError struct {
	// Field is the wire name of what is wrong, e.g. "restrictions".
	Field  string
	Reason string
	cause  error
}

func (e *RequestError) Error() string { return "issuer: " + e.Field + ": " + e.Reason }

// Unwrap returns the cause, if there is one.
func (e *RequestError) Unwrap() error { return e.cause }

// UpstreamError says that the provider did not give what was asked for
// (oidc_error).
type UpstreamError struct {
	// Status is the HTTP status that fits at an edge: 4xx where the client can
	// change something, else 502 or 503.
	Status int
	// Code is the provider's error code, if it gave one.
	Code string
	// Description is for humans; it holds no internals.
	Description string
	// Charged says that the use counts although nothing was handed out,
	// because the provider may have acted on it.
	Charged bool
	cause   error
}

func (e *UpstreamError) Error() string {
	s := "issuer: the provider gave no access token"
	if e.Code != "" {
		s += ": " + e.Code
	}
	if e.Description != "" {
		s += ": " + e.Description
	}
	return s
}

// Unwrap returns the cause: an *oidcupstream.Error where there is one.
func (e *UpstreamError) Unwrap() error { return e.cause }

// ReconnectError says that the provider refuses the refresh token for good:
// the user must log in again. With [Issuer.StartReconnect] all tokens of the
// tree live on (invalid_token, "No refresh token attached").
type ReconnectError struct {
	Grant store.GrantID
}

func (e *ReconnectError) Error() string {
	return "issuer: the provider has ended the login; the user must log in again"
}

// BusyError says that the request waited for other requests, or for the
// store, longer than clients do. Nothing was charged (HTTP 503), and the
// request may be repeated with its ID; see AccessTokenRequest.ID.
type BusyError struct {
	RetryAfter time.Duration
	cause      error
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("issuer: busy, try again in %s", e.RetryAfter)
}

// Unwrap returns the cause, if there is one.
func (e *BusyError) Unwrap() error { return e.cause }

// PolicyError says that the configured policy refused to issue a token, or
// asked for one that must not be issued (access_denied).
type PolicyError struct {
	cause error
}

func (e *PolicyError) Error() string { return withCause("issuer: refused by policy", e.cause) }

// Unwrap returns the policy's error.
func (e *PolicyError) Unwrap() error { return e.cause }

// StoreError says that the store gave no answer, so that nobody knows whether
// a step took effect (internal_server_error). Nothing was handed out. If the
// request had an ID, repeating it with that ID is safe and counts once.
type StoreError struct {
	cause error
}

func (e *StoreError) Error() string { return withCause("issuer: the store gave no answer", e.cause) }

// Unwrap returns the store's error.
func (e *StoreError) Unwrap() error { return e.cause }

func withCause(text string, cause error) string {
	if cause == nil {
		return text
	}
	return text + ": " + cause.Error()
}
