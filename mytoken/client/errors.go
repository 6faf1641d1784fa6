package client

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/restriction"
)

// Errors that have no data. Errors of the server are [*Error].
var (
	// ErrPlainHTTP: a URL would send tokens in clear over the network.
	ErrPlainHTTP = errors.New("plain http is allowed for this host only")
	// ErrEmptyList: a list in [Properties] is there and has no entries. As a
	// request that would mean anything; leave it nil if that is meant.
	ErrEmptyList = errors.New("client: a list without entries")
	// ErrUnsupported: the server does not offer what was asked for.
	ErrUnsupported = errors.New("client: the server does not offer this")
	// ErrNoToken: a [TokenStore] holds no token.
	ErrNoToken = errors.New("client: no mytoken is stored")
	// ErrLoginExpired: nobody finished a login in time.
	ErrLoginExpired = errors.New("client: the login was not finished in time")
)

// Error codes of the protocol that callers branch on (protocol section 5.0.5). The
// last two are those of RFC 8628 and RFC 6749.
const (
	CodeInvalidRequest           = "invalid_request"
	CodeInvalidGrant             = "invalid_grant"
	CodeInvalidToken             = "invalid_token"
	CodeExpiredToken             = "expired_token"
	CodeAuthorizationPending     = "authorization_pending"
	CodeAccessDenied             = "access_denied"
	CodeInsufficientCapabilities = "insufficient_capabilities"
	CodeUsageRestricted          = "usage_restricted"
	CodeOIDC                     = "oidc_error"
	CodeNotFound                 = "not_found"
	CodeSlowDown                 = "slow_down"
	CodeTemporarilyUnavailable   = "temporarily_unavailable"
)

// Error is an answer of the server with a status of 400 and above (protocol section
// 5.0.5).
type Error struct {
	Operation   string // what was asked for
	Status      int
	Code        string // empty if the answer was not of the protocol
	Description string
	// RetryAfter is how long the server wants to be left alone; 0: it does not
	// say.
	RetryAfter time.Duration
	// RequestID names the request in the log of the server.
	RequestID string
	// Explanation says why the restrictions of the token refused a use, and when
	// they admit it; nil if they did not, or the server does not say. How much
	// it tells is up to the server: instants that are not told are unknown.
	Explanation *restriction.Explanation
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "client: %s: status %d", e.Operation, e.Status)
	for _, text := range []string{e.Code, e.Description} {
		if text != "" {
			b.WriteString(": " + text)
		}
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// IsCode reports whether an error is an answer of the server with this code.
func IsCode(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// NetworkError is a request without an answer.
type NetworkError struct {
	Operation string
	// Sent says that the request may have reached the server, which may have
	// done what it asks for.
	Sent bool
	Err  error
}

func (e *NetworkError) Error() string { return "client: " + e.Operation + ": " + e.Err.Error() }

// Unwrap returns the cause: an error of net/http, or of the context.
func (e *NetworkError) Unwrap() error { return e.Err }

// newNetworkError looks for proof that nothing was sent: without it, the request
// counts as sent.
func newNetworkError(operation string, err error) *NetworkError {
	var dial *net.OpError
	var name *net.DNSError
	sent := !errors.As(err, &name)
	if errors.As(err, &dial) && (dial.Op == "dial" || dial.Op == "proxyconnect") {
		sent = false
	}
	return &NetworkError{Operation: operation, Sent: sent, Err: err}
}

// AnswerError is an answer of success that is not what the protocol says.
type AnswerError struct {
	Operation string
	Reason    string
	// Update is the successor of the presented mytoken, if the answer carried
	// one all the same. Keep it.
	Update *Token
}

func (e *AnswerError) Error() string { return "client: " + e.Operation + ": " + e.Reason }

// WiderError is about a mytoken whose restrictions are not within those asked for,
// although the request said that it must fail then (protocol section 10, D20).
type WiderError struct {
	// Token is what the server issued. Its Update, if any, replaces the token
	// that was presented.
	Token *Token
	// Revoked says that the client has revoked it again.
	Revoked bool
}

func (e *WiderError) Error() string {
	return "client: derive: the server issued a mytoken that is not within the restrictions asked for"
}

// SaveError is about a rotated mytoken that its store does not take. The answer that
// came with it is withheld, and the next use of the [Holder] tries again first.
type SaveError struct{ Err error }

func (e *SaveError) Error() string { return "client: keeping the rotated mytoken: " + e.Err.Error() }

// Unwrap returns the error of the store.
func (e *SaveError) Unwrap() error { return e.Err }
