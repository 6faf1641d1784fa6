package oidcupstream

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/redact"
)

// Outcome says what a caller knows about a request after a call failed.
type Outcome uint8

const (
	// Unknown means that the provider may have acted. The request, or a part of it, may
	// have reached the provider, and no definite answer came back. A refresh token in it
	// may be used up. Unknown is the zero value on purpose.
	Unknown Outcome = iota
	// Refused means that the provider answered with an OAuth error (RFC 6749 section 5.2)
	// and did nothing.
	Refused
	// NotSent means that the provider cannot have read the request: its body never left
	// this process.
	NotSent
)

// String returns "unknown outcome", "refused" or "not sent".
func (o Outcome) String() string {
	switch o {
	case Unknown:
		return "unknown outcome"
	case Refused:
		return "refused"
	case NotSent:
		return "not sent"
	default:
		return "Outcome(" + strconv.Itoa(int(o)) + ")"
	}
}

// Errors in the chain of an [*Error]. They tell cases apart that have the same Outcome.
var (
	// ErrRequest reports a request that cannot be sent, for example with a space in a
	// scope. The outcome is NotSent.
	ErrRequest = errors.New("invalid request")
	// ErrMetadata reports that the provider's metadata cannot be fetched or is not
	// acceptable. The outcome is NotSent.
	ErrMetadata = errors.New("provider metadata not available")
	// ErrUnsupported reports that the provider has no such endpoint. The outcome is
	// NotSent.
	ErrUnsupported = errors.New("not supported by the provider")
	// ErrAnswer reports a response that is neither a success nor an OAuth error.
	ErrAnswer = errors.New("unusable answer")
	// ErrIDToken reports an ID token that is missing or not acceptable.
	ErrIDToken = errors.New("ID token not accepted")
	// ErrSubject reports a response about another user than the expected one.
	ErrSubject = errors.New("subject does not match")
	// ErrRedirect reports parameters of a redirect that are not acceptable, for example
	// because they come from another issuer.
	ErrRedirect = errors.New("redirect not accepted")
)

// Error is the error of every call to the provider. It shows no secret: not in its text,
// in any format, in JSON or in a log.
type Error struct {
	// Op names the call: discover, authorize, redirect, exchange, refresh, revoke or
	// userinfo.
	Op string
	// Outcome says what the caller may conclude.
	Outcome Outcome
	// Status is the HTTP status of the response, or 0 if there was none.
	Status int
	// Code and Description are the provider's error and error_description. They are
	// printable, have at most 64 and 200 characters, and are empty if the response had
	// none. If nothing was sent, this package may set them in the same terms.
	Code, Description string
	// RetryAfter is the time that the provider asked to wait, at most one hour. 0 means
	// that it did not ask.
	RetryAfter time.Duration

	err          error
	refreshToken func() string // fmt cannot look into a function
}

// Error returns the call, the outcome, and the provider's code and description.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("oidcupstream: " + e.Op + ": " + e.Outcome.String())
	if e.Code != "" {
		b.WriteString(": " + e.Code)
	}
	if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	if e.err != nil {
		b.WriteString(": " + e.err.Error())
	}
	if e.Status != 0 {
		b.WriteString(" (HTTP " + strconv.Itoa(e.Status) + ")")
	}
	return b.String()
}

// Unwrap returns the cause. It may be an error of this package, of a context or of net.
func (e *Error) Unwrap() error { return e.err }

// InvalidGrant reports whether the provider refused the refresh token or code itself
// (invalid_grant, RFC 6749 section 5.2). Other refusals say nothing about the grant.
func (e *Error) InvalidGrant() bool { return e.Outcome == Refused && e.Code == "invalid_grant" }

// RefreshToken returns the refresh token of a response that was otherwise unusable, or
// the empty string. The provider may have withdrawn the token that was sent: keep this
// one before doing anything else.
func (e *Error) RefreshToken() string {
	if e.refreshToken == nil {
		return ""
	}
	return e.refreshToken()
}

// GoString returns what Error returns.
func (e *Error) GoString() string { return e.Error() }

// OutcomeOf returns the Outcome of an [*Error] in the chain of err. It returns Unknown
// for any other error.
func OutcomeOf(err error) Outcome {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Outcome
	}
	return Unknown
}

// notSent returns the error of a call that sent nothing.
func notSent(op string, err error) *Error {
	return &Error{Op: op, Outcome: NotSent, err: err}
}

func requestError(op, format string, args ...any) *Error {
	return notSent(op, fmt.Errorf("%w: "+format, append([]any{ErrRequest}, args...)...))
}

const (
	maxCode        = 64
	maxDescription = 200
	maxCause       = 300
	maxRetryAfter  = time.Hour
)

// printable makes foreign text safe to show. It bounds the text and removes unprintable
// characters and everything that resembles one of the secrets.
func printable(text string, limit int, secrets []string) string {
	if len(text) > 4*limit { // bounds the work below; scrub recognises the piece of a secret that a cut leaves
		text = text[:4*limit]
	}
	text = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(scrub(text, secrets)), " ")
	if short := clip.Runes(text, limit); short != text {
		return short + "…"
	}
	return text
}

// registeredCodes are the error codes of RFC 6749, 6750, 7009 and 8707 and of OpenID
// Connect Core. They are harmless even if a weak secret is a part of one.
var registeredCodes = []string{
	"access_denied", "account_selection_required", "consent_required", "insufficient_scope", "interaction_required",
	"invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "invalid_target", "invalid_token",
	"login_required", "server_error", "temporarily_unavailable", "unauthorized_client", "unsupported_grant_type",
	"unsupported_response_type", "unsupported_token_type",
}

// printableCode is printable for an error code.
func printableCode(code string, secrets []string) string {
	if slices.Contains(registeredCodes, code) {
		return code
	}
	return printable(code, maxCode, secrets)
}

// secretWindow is the length at which a common substring of a text and a secret counts as
// a part of the secret.
const secretWindow = 12

// scrub replaces every word that holds a secret, or secretWindow consecutive characters
// of one.
func scrub(text string, secrets []string) string {
	words := strings.Split(text, " ")
	for i, word := range words {
		if holdsPart(secrets, word) {
			words[i] = redact.Placeholder
		}
	}
	return strings.Join(words, " ")
}

func holdsPart(secrets []string, word string) bool {
	for _, secret := range secrets {
		if len(secret) < 4 { // too short to be a secret
			continue
		}
		if strings.Contains(word, secret) {
			return true
		}
		for i := 0; i+secretWindow <= len(word); i++ {
			if strings.Contains(secret, word[i:i+secretWindow]) {
				return true
			}
		}
	}
	return false
}

// cause wraps an error of a library whose text may quote a response. It bounds and scrubs
// the text and keeps the chain.
func cause(err error, secrets ...string) error {
	return &cleanError{text: printable(err.Error(), maxCause, secrets), err: err}
}

type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string    { return e.text }
func (e *cleanError) GoString() string { return e.text }

// Is and As let callers find causes such as a timeout behind the cleaned text.
func (e *cleanError) Is(target error) bool { return errors.Is(e.err, target) }

func (e *cleanError) As(target any) bool { return errors.As(e.err, target) }

// retryAfter reads the header Retry-After: seconds or a date (RFC 9110 section 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if value == "" {
		return 0
	}
	var d time.Duration
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		d = time.Duration(min(seconds, int64(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}
