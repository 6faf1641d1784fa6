package issuer

import (
	"errors"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/restriction"
)

// Errors that callers of an [Issuer] branch on. The types below carry data. The
// parentheses name the error that an HTTP client gets (protocol section 5.0.5).
//
// The text of an error is for the log of an operator: it includes the causes, such as
// what a database or a provider said. Show clients the fields Code, Description and
// Reason instead, which hold no internals.
//
// Any other error is a failure of the service: it could not decide
// (internal_server_error). Nothing was handed out, and the call may be repeated with the
// same ID.
var (
	// ErrUnknownProvider: no provider with this issuer is configured (invalid_request).
	ErrUnknownProvider = errors.New("issuer: the provided issuer is not supported")
	// ErrWrongProvider: the request names another provider than the token
	// (invalid_request).
	ErrWrongProvider = errors.New("issuer: token not for specified issuer")
	// ErrNotOwned: the other token belongs to another user, or does not exist
	// (invalid_grant).
	ErrNotOwned = errors.New("issuer: this mom_id names no token of the user, or one that the presented token must not act on")
	// ErrUnknownTag: the user has no tag of this name (not_found).
	ErrUnknownTag = errors.New("issuer: the user has no tag of this name")
	// ErrState: no login waits for this authorization response (invalid_request, "State
	// mismatched").
	ErrState = errors.New("issuer: state mismatched")
	// ErrClosed: [Issuer.Close] was called (HTTP status 503).
	ErrClosed = errors.New("issuer: the issuer is closed")
	// ErrGrantDisabled: the user has not enabled the grant type ssh (access_denied).
	ErrGrantDisabled = errors.New("issuer: 'ssh' grant type not enabled")
	// ErrKeyExists: the user has registered the SSH key before (invalid_request, HTTP status
	// 409).
	ErrKeyExists = errors.New("issuer: ssh key already added")
	// ErrUnknownKey: no token is behind the SSH key for this SSH user.
	ErrUnknownKey = errors.New("issuer: unknown SSH key or user")
	// ErrRepeatedID: the ID of the request was used for something else, or refunded too
	// often (invalid_request). Use a new one. See AccessTokenRequest.ID for the limits.
	ErrRepeatedID = errors.New("issuer: the ID of this request cannot be used again, use a new one")
)

// CodeError says that a consent, polling or transfer code cannot be used.
type CodeError struct {
	Reason CodeReason
	// Login is why the login failed. It is set for CodeFailed alone.
	Login *LoginError
}

// CodeReason is the reason of a [CodeError].
type CodeReason uint8

// The reasons of a [CodeError].
const (
	CodeUnknown  CodeReason = iota // it never existed, or was used already (invalid_token)
	CodePending                    // the user has not finished (authorization_pending)
	CodeDeclined                   // the user declined (access_denied)
	CodeExpired                    // it has expired (expired_token)
	CodeFailed                     // the login failed; see Login (access_denied or oidc_error)
)

func (e *CodeError) Error() string {
	switch e.Reason {
	case CodePending:
		return "issuer: the login is not finished"
	case CodeDeclined:
		return "issuer: the user declined consent"
	case CodeExpired:
		return "issuer: the code has expired"
	case CodeFailed:
		if e.Login == nil {
			return "issuer: the login failed"
		}
		return e.Login.Error()
	default:
		return "issuer: the code is unknown or was already used"
	}
}

// Unwrap returns Login, or nil.
func (e *CodeError) Unwrap() error {
	if e.Login == nil {
		return nil
	}
	return e.Login
}

// LoginError says why a login at the provider led to no token.
type LoginError struct {
	// Code is the OAuth error code of the provider (RFC 6749 sections 4.1.2.1 and 5.2),
	// or one of this issuer: access_denied or server_error.
	Code string
	// Description is for humans. It holds no internals.
	Description string
	Reason      LoginReason
	cause       error
}

// LoginReason is the reason of a [LoginError].
type LoginReason uint8

// The reasons of a [LoginError].
const (
	LoginFailed         LoginReason = iota // something else
	LoginRefused                           // the provider refused; Code and Description are its words
	LoginNoRefreshToken                    // the provider gave no refresh token
	LoginTooLittle                         // the provider granted nothing that the restrictions allow
	LoginMixedUp                           // another provider answered
	LoginForbidden                         // a policy refused
	LoginNotStored                         // the store did not do its part
	LoginOtherUser                         // somebody else logged in than the user of the tree
	LoginRevoked                           // the token was revoked meanwhile
	loginReasons                           // how many there are
)

// String returns "other", "provider", "refresh_token", "scopes", "mix_up", "policy",
// "store", "user" or "revoked".
func (r LoginReason) String() string {
	switch r {
	case LoginRefused:
		return "provider"
	case LoginNoRefreshToken:
		return "refresh_token"
	case LoginTooLittle:
		return "scopes"
	case LoginMixedUp:
		return "mix_up"
	case LoginForbidden:
		return "policy"
	case LoginNotStored:
		return "store"
	case LoginOtherUser:
		return "user"
	case LoginRevoked:
		return "revoked"
	default:
		return "other"
	}
}

func (e *LoginError) Error() string {
	return errtext.Join(e.cause, "issuer: login failed", e.Code, e.Description)
}

// Unwrap returns the cause, or nil.
func (e *LoginError) Unwrap() error { return e.cause }

// TokenError says that a presented string is no usable mytoken (invalid_token). The
// reason is for logs and tests. Tell a client only that the token is not valid.
type TokenError struct {
	Reason TokenReason
	// At is when the token expired, or from when it is valid. It is set for TokenExpired
	// and TokenTooEarly alone.
	At    time.Time
	cause error
}

// TokenReason is the reason of a [TokenError].
type TokenReason uint8

// The reasons of a [TokenError].
const (
	// TokenMalformed: it is neither a token that this issuer signed nor a short token.
	TokenMalformed TokenReason = iota
	// TokenUnknown: its signature is right, but the store does not have it, or it is a
	// copy that was not issued.
	TokenUnknown
	// TokenRevoked: it was revoked, or an ancestor was revoked recursively.
	TokenRevoked
	// TokenOutdated: rotation replaced it, and its successor is in use.
	TokenOutdated
	// TokenReused: rotation replaced it and the grace is over, so somebody else may hold
	// a copy. If its rotation says auto_revoke, the token and its descendants are revoked
	// now.
	TokenReused
	// TokenExpired: this issuer signed it, and it has expired. Nobody looked whether it
	// was revoked or replaced before.
	TokenExpired
	// TokenTooEarly: this issuer signed it, and it is not valid yet.
	TokenTooEarly
)

// String returns "malformed", "unknown", "revoked", "outdated", "reused", "expired" or
// "early".
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
	case TokenExpired:
		return "expired"
	case TokenTooEarly:
		return "early"
	default:
		return "malformed"
	}
}

func (e *TokenError) Error() string {
	switch e.Reason {
	case TokenExpired:
		return "issuer: the token expired at " + instant(e.At)
	case TokenTooEarly:
		return "issuer: the token is not valid before " + instant(e.At)
	}
	return errtext.Join(e.cause, "issuer: token is not valid: "+e.Reason.String())
}

// Unwrap returns the cause, or nil.
func (e *TokenError) Unwrap() error { return e.cause }

// RefusedError says that no clause of the token admits the use, and why
// (usage_restricted).
//
// Its text is for the owner of the token. For somebody who may have found the token, use
// [restriction.Explanation.Untrusted].
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
	// Field is the wire name of the wrong field, such as "restrictions".
	Field  string
	Reason string
	// Code names the failure if the protocol prescribes its text.
	Code  RequestCode
	cause error
}

// RequestCode names a failure whose text the protocol prescribes (protocol sections 5.4.1
// and 5.4.3).
type RequestCode uint8

// The codes of a [RequestError].
const (
	RequestInvalid           RequestCode = iota // any other failure; see Reason
	RequestExpired                              // every clause has expired already
	RequestUnknownCapability                    // Reason names the capability
	RequestNoCapability                         // the parent has none of the capabilities
	RequestNotNarrower                          // the restrictions admit more than the parent's
	RequestTooLong                              // the restrictions exceed the maximum lifetime
	RequestTooManyTokens                        // the user has too many tokens (access_denied)
	RequestConflict                             // the user has another one of this name
)

func (e *RequestError) Error() string {
	return errtext.Join(e.cause, "issuer: "+e.Field, e.Reason)
}

// Unwrap returns the cause, or nil.
func (e *RequestError) Unwrap() error { return e.cause }

func requestError(field string, err error) error {
	return &RequestError{Field: field, Reason: err.Error(), cause: err}
}

// UpstreamError says that the provider did not give what was asked for (oidc_error).
type UpstreamError struct {
	// Op is what the provider was asked to do: authorize, exchange, refresh or userinfo.
	// These are values of [oidcupstream.Error].Op.
	Op string
	// Status is the HTTP status for the client: 4xx if the client can change something,
	// else 502 or 503.
	Status int
	// Code is the error code of the provider. Empty: it gave none.
	Code string
	// Description is for humans. It holds no internals.
	Description string
	// Charged says that the use counts although nothing was handed out, because the
	// provider may have acted.
	Charged bool
	// RetryAfter is how long to wait, because the provider asked for it, or because it
	// refused the login and is asked again then. Until then it gets no request. 0: nobody
	// knows.
	RetryAfter time.Duration
	suspect    bool // the provider refuses the refresh token, perhaps for a while
	cause      error
}

func isSuspect(err error) bool {
	e, ok := errors.AsType[*UpstreamError](err)
	return ok && e.suspect
}

func (e *UpstreamError) Error() string {
	what := map[string]string{
		opAuthorize: "the login could not start at the provider",
		opExchange:  "the login could not be finished at the provider",
		opRefresh:   "the provider gave no usable access token",
		opUserInfo:  "the provider did not confirm whose refresh token it is",
	}[e.Op]
	if what == "" {
		what = "the provider did not give what was asked for"
	}
	return errtext.Join(e.cause, "issuer: "+what, e.Code, e.Description)
}

// The operations of an [UpstreamError].
const (
	opAuthorize = "authorize"
	opExchange  = "exchange"
	opRefresh   = "refresh"
	opUserInfo  = "userinfo"
)

// Unwrap returns the cause, which is an [*oidcupstream.Error] if the provider was asked.
func (e *UpstreamError) Unwrap() error { return e.cause }

// ReconnectError says that the provider refuses the refresh token, and refused it before;
// see Config.SuspectPause. The user must log in again (invalid_token, "No refresh token attached"). [Issuer.StartReconnect]
// starts a login that keeps all tokens of the tree.
type ReconnectError struct {
	Grant GrantID
	cause error
}

func (e *ReconnectError) Error() string {
	return errtext.Join(e.cause, "issuer: the provider has ended the login; the user must log in again")
}

// Unwrap returns the cause, or nil.
func (e *ReconnectError) Unwrap() error { return e.cause }

// BusyError says that the request waited too long for other requests or for the store, or
// would have waited too long (HTTP status 503); see Config.WaitLimit. Or it says that
// another node was interrupted while it refreshed the login; see Config.InDoubtWait. The
// request does not count. It may be repeated with the same ID; see AccessTokenRequest.ID. When a login
// starts, it says that too many logins wait; see Limits.PendingLogins.
type BusyError struct {
	// RetryAfter is how long the client should wait before it repeats the request: about
	// as long as the requests before it take.
	RetryAfter time.Duration
	cause      error
}

func (e *BusyError) Error() string {
	return errtext.Join(e.cause, fmt.Sprintf("issuer: busy, try again in %s", e.RetryAfter))
}

// Unwrap returns the cause, or nil.
func (e *BusyError) Unwrap() error { return e.cause }

// UnknownNodeError says that the store knows no process of a node; see [Issuer.Abandon].
type UnknownNodeError struct {
	Node string
}

func (e *UnknownNodeError) Error() string {
	return fmt.Sprintf("issuer: no process of node %q is known: take its name from the notice %s", clip.Bytes(e.Node, 64), NoticeInDoubt)
}

// PolicyError says that the policy refused a token, or left properties that must not be
// issued (access_denied).
type PolicyError struct {
	cause error
}

func (e *PolicyError) Error() string { return errtext.Join(e.cause, "issuer: refused by policy") }

// Description is what the policy tells the client: the text of its error.
func (e *PolicyError) Description() string {
	switch down, hidden := errors.AsType[*attributesError](e.cause); {
	case hidden:
		return down.description()
	case e.cause == nil:
		return ""
	}
	return e.cause.Error()
}

// Unwrap returns the error of the policy.
func (e *PolicyError) Unwrap() error { return e.cause }

// StoreError says that the store did not do what it was asked to, or did not say whether
// it did. Nothing was handed out. A request with an ID can be repeated safely with that
// ID, and counts once. For a request without an ID see [StoreError.Repeatable].
//
// The parenthesis for an HTTP client is temporarily_unavailable with Retry-After if the
// error is repeatable, else internal_server_error.
type StoreError struct {
	cause      error
	repeatable bool
}

// Repeatable reports whether the request can be sent again as a new one, and costs nothing
// by that. It is true in three cases: the request took no effect; it gave back what it
// had charged; or its effect is the same however often it is sent, as with a revocation.
// Otherwise the request may have taken effect, and a new one may charge another use.
func (e *StoreError) Repeatable() bool { return e.repeatable }

func (e *StoreError) Error() string {
	return errtext.Join(e.cause, "issuer: the store gave no answer")
}

// Unwrap returns the error of the store.
func (e *StoreError) Unwrap() error { return e.cause }

// isA reports whether an error of type E is in the chain.
func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
