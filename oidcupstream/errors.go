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
)

// Outcome says what is known about a call that failed.
type Outcome uint8

const (
	// Unknown: the request, or part of it, may have reached the provider, and no definite answer came back. The provider
	// may have acted on it; a refresh token that it carried may be used up. It is the zero value on purpose.
	Unknown Outcome = iota
	// Refused: the provider answered with an OAuth error (RFC 6749 5.2) and did nothing.
	Refused
	// NotSent: the provider cannot have read the request: its body never left this process.
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

// Sentinels in the chain of an [*Error], for branches that the Outcome does not tell apart.
var (
	// ErrRequest: what the caller asked for is not sendable, for example a scope with a space in it. Always NotSent.
	ErrRequest = errors.New("invalid request")
	// ErrMetadata: the provider's metadata could not be fetched or is not acceptable. Always NotSent.
	ErrMetadata = errors.New("provider metadata not available")
	// ErrUnsupported: the provider has no such endpoint. Always NotSent.
	ErrUnsupported = errors.New("not supported by the provider")
	// ErrAnswer: the provider answered something that is neither a success nor an OAuth error.
	ErrAnswer = errors.New("unusable answer")
	// ErrIDToken: the ID token is missing or was not accepted.
	ErrIDToken = errors.New("ID token not accepted")
	// ErrSubject: the answer is about another user than expected.
	ErrSubject = errors.New("subject does not match")
	// ErrRedirect: the parameters of a redirect were not accepted, for example because they come from another issuer.
	ErrRedirect = errors.New("redirect not accepted")
)

// Error is the error of every call to the provider. It holds no secret that is visible: not in its text, nor in any
// format, in JSON or in a log.
type Error struct {
	// Op is the call: discover, authorize, redirect, exchange, refresh, revoke or userinfo.
	Op string
	// Outcome says what the caller may conclude about the request.
	Outcome Outcome
	// Status is the HTTP status of the answer; 0 if there was none.
	Status int
	// Code and Description are the provider's error and error_description, printable and bounded (64 and 200 characters).
	// Empty if the answer had none. Where nothing was sent they may be this package's own, in the same terms.
	Code, Description string
	// RetryAfter is what the provider asked for in its answer; 0 if nothing. At most one hour.
	RetryAfter time.Duration

	err          error
	refreshToken func() string // a function, which no format of fmt looks into
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

// Unwrap returns the cause, which may be a sentinel of this package, a context error or an error of net.
func (e *Error) Unwrap() error { return e.err }

// InvalidGrant reports whether the provider definitely refused the refresh token or code itself (RFC 6749 5.2,
// invalid_grant). Other refusals say nothing about the grant.
func (e *Error) InvalidGrant() bool { return e.Outcome == Refused && e.Code == "invalid_grant" }

// RefreshToken returns the refresh token that came with an answer that is otherwise unusable, or the empty string.
// The provider may have withdrawn the one that was sent: keep this one before doing anything else.
func (e *Error) RefreshToken() string {
	if e.refreshToken == nil {
		return ""
	}
	return e.refreshToken()
}

// GoString returns the same as Error.
func (e *Error) GoString() string { return e.Error() }

// OutcomeOf returns the outcome that an error of this package carries, and Unknown for any other error.
func OutcomeOf(err error) Outcome {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Outcome
	}
	return Unknown
}

// notSent is the error of a call that failed before anything was sent.
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

// printable makes foreign text fit to be shown: bounded, only printable characters, and without anything that resembles
// one of the secrets.
func printable(text string, limit int, secrets []string) string {
	if len(text) > 4*limit { // bounds the work below; a cut inside a secret still leaves a piece that scrub recognises
		text = text[:4*limit]
	}
	text = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(scrub(text, secrets)), " ")
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "…"
	}
	return text
}

// registeredCodes are error codes of RFC 6749, 6750, 7009 and 8707 and of OpenID Connect Core. They are no part of a secret,
// even if a weak secret is a part of them.
var registeredCodes = []string{
	"access_denied", "account_selection_required", "consent_required", "insufficient_scope", "interaction_required",
	"invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "invalid_target", "invalid_token",
	"login_required", "server_error", "temporarily_unavailable", "unauthorized_client", "unsupported_grant_type",
	"unsupported_response_type", "unsupported_token_type",
}

// printableCode is printable for error codes.
func printableCode(code string, secrets []string) string {
	if slices.Contains(registeredCodes, code) {
		return code
	}
	return printable(code, maxCode, secrets)
}

// secretWindow is the length from which a common substring of a text and a secret is taken for a part of the secret.
const secretWindow = 12

const redacted = "[redacted]"

// scrub replaces every word of the text that holds a secret, or secretWindow consecutive characters of one.
func scrub(text string, secrets []string) string {
	words := strings.Split(text, " ")
	for i, word := range words {
		if holdsPart(secrets, word) {
			words[i] = redacted
		}
	}
	return strings.Join(words, " ")
}

func holdsPart(secrets []string, word string) bool {
	for _, secret := range secrets {
		if len(secret) < 4 { // nothing that deserves the name
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

// cause wraps an error of a library whose text may quote an answer: the text is bounded and scrubbed, the chain kept.
func cause(err error, secrets ...string) error {
	return &cleanError{text: printable(err.Error(), maxCause, secrets), err: err}
}

type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string    { return e.text }
func (e *cleanError) GoString() string { return e.text }

// Is and As let callers look for causes, such as a deadline or a timeout, behind the cleaned text.
func (e *cleanError) Is(target error) bool { return errors.Is(e.err, target) }

func (e *cleanError) As(target any) bool { return errors.As(e.err, target) }

// retryAfter reads the header of that name (RFC 9110 10.2.3): seconds or a date.
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
