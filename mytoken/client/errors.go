package client

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// Errors without data. Errors of the server are [*Error].
var (
	// ErrPlainHTTP: the URL would send tokens unencrypted over the network.
	ErrPlainHTTP = errors.New("plain http is for loopback addresses only: use https, 127.0.0.1 instead of localhost, or Config.InsecurePlainHTTP")
	// ErrEmptyList: a list in a request is empty but not nil. Most likely the program
	// removed all its entries. Servers treat an empty list like a missing one, which
	// allows anything.
	ErrEmptyList = errors.New("the list has no entries: leave it nil if you want the default")
	// ErrUnsupported: the server does not offer what the caller asked for.
	ErrUnsupported = errors.New("client: the server does not offer this")
	// ErrNoToken: a [TokenStore] holds no token.
	ErrNoToken = errors.New("client: no mytoken is stored: log in first")
	// ErrLoginExpired: the user did not finish a login in time.
	ErrLoginExpired = errors.New("client: the login was not finished in time: start a new one")
	// ErrLoginEnded: the provider or its operator has ended the login behind the mytoken.
	// The mytoken itself is neither revoked nor expired, but gets no access token any
	// more: the user has to log in again. An [*Error] wraps it if the server says so.
	ErrLoginEnded = errors.New("client: the login at the OpenID provider has ended: log in again")
)

// Error codes that callers may want to tell apart (protocol section 5.0.5). The last two
// come from RFC 8628 and RFC 6749.
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

// Error says that the server answered with an HTTP status of 400 or above (protocol
// section 5.0.5).
type Error struct {
	Operation   string // what the client asked for
	Status      int    // HTTP status
	Code        string // empty if the answer does not follow the protocol
	Description string
	// RetryAfter is how long the server asks clients to wait; 0 if it does not say.
	RetryAfter time.Duration
	// RequestID names the request in the log of the server.
	RequestID string
	// Explanation says why the restrictions of the token refused a use, and when they
	// will admit it. It is nil if something else refused, or if the server does not say.
	// Servers decide how much they tell: treat a missing instant as unknown.
	Explanation *restriction.Explanation
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "client: %s: the server answered with status %d", e.Operation, e.Status)
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

// loginEnded is the description of a mytoken whose login has ended (protocol section
// 5.0.5).
const loginEnded = "No refresh token attached"

// Is reports whether target is [ErrLoginEnded] and the server says so.
func (e *Error) Is(target error) bool {
	return target == ErrLoginEnded && e.Code == CodeInvalidToken && strings.Contains(e.Description, loginEnded)
}

// IsCode reports whether err is an [*Error] with this code.
func IsCode(err error, code string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// NetworkError says that a request got no answer, or only a part of it.
type NetworkError struct {
	Operation string
	// Sent says that the request may have reached the server, which may have acted on it.
	Sent bool
	Err  error
}

func (e *NetworkError) Error() string { return "client: " + e.Operation + ": " + e.Err.Error() }

// Unwrap returns the cause: an error of net/http or of the context.
func (e *NetworkError) Unwrap() error { return e.Err }

// newNetworkError looks for proof that nothing was sent: the request got no connection.
// Without it, the request counts as sent.
func newNetworkError(operation string, connected bool, err error) *NetworkError {
	var dial *net.OpError
	var name *net.DNSError
	sent := connected && !errors.As(err, &name)
	if errors.As(err, &dial) && (dial.Op == "dial" || dial.Op == "proxyconnect") {
		sent = false
	}
	return &NetworkError{Operation: operation, Sent: sent, Err: err}
}

// AnswerError says that an answer has no error status, but breaks the protocol.
type AnswerError struct {
	Operation string
	Reason    string
	// Update is the successor of the presented mytoken, if the answer brought one. Store
	// it.
	Update *mytoken.Issued
}

func (e *AnswerError) Error() string { return "client: " + e.Operation + ": " + e.Reason }

// WiderError says that the server issued a mytoken whose restrictions are not within the
// requested ones, although the request forbade that (protocol section 10, D20).
type WiderError struct {
	// Token is what the server issued. Its Update, if any, replaces the presented token.
	Token *mytoken.Issued
	// Revoked says that the client has revoked the new token. Otherwise RevokeErr says why
	// it has not. errors.Is and errors.As do not find RevokeErr: it is about the new token,
	// not about the presented one.
	Revoked   bool
	RevokeErr error
}

func (e *WiderError) Error() string {
	text := "client: derive a mytoken: the server issued one that is wider than asked for; "
	if e.Revoked {
		return text + "it was revoked"
	}
	text += "revoking it failed, so revoke it yourself"
	if e.RevokeErr != nil {
		text += ": " + e.RevokeErr.Error()
	}
	return text
}

// SaveError says that a [TokenStore] failed to save the successor of a rotated mytoken.
// The [Holder] withholds the answer that brought it, and tries to save it again before
// the next use.
type SaveError struct{ Err error }

func (e *SaveError) Error() string { return "client: save the rotated mytoken: " + e.Err.Error() }

// Unwrap returns the error of the store.
func (e *SaveError) Unwrap() error { return e.Err }

// UnsavableError says that a use may rotate the mytoken, and that the [TokenStore] cannot
// save its successor. The [Holder] has not used the token, so it is as good as before.
type UnsavableError struct{ Err error }

func (e *UnsavableError) Error() string {
	return "client: the mytoken was not used: the use may replace it, and the new one could not be kept: " +
		e.Err.Error() + ": keep a rotating mytoken in a file of your own, in a directory that this program may write to"
}

// Unwrap returns the error of the store.
func (e *UnsavableError) Unwrap() error { return e.Err }
