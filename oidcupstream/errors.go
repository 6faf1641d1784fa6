package oidcupstream

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/internal/redact"
)

// Outcome says what a caller may conclude about a request after a call has failed.
type Outcome uint8

// The outcomes of a call that failed.
const (
	// Unknown means that the provider may have acted. The request, or a part of it, may
	// have reached the provider, and no definite answer came back. A refresh token in the
	// request may be used up. Unknown is the zero value because it is the safe
	// assumption.
	Unknown Outcome = iota
	// Refused means that the provider answered with an OAuth error (RFC 6749 section 5.2)
	// and issued nothing.
	Refused
	// NotSent means that the provider cannot have read the request, because its body
	// never left this process.
	NotSent
	// NotProcessed means that the provider, or something in front of it, answered without
	// processing the request: 429, 3xx, 401 without an OAuth error, 503 with Retry-After,
	// or the OAuth errors slow_down and temporarily_unavailable with status 4xx. It issued
	// nothing, and the refresh token in the request is as it was. See Error.RetryAfter.
	NotProcessed
)

// String returns "unknown outcome", "refused", "not sent" or "not processed".
func (o Outcome) String() string {
	switch o {
	case Unknown:
		return "unknown outcome"
	case Refused:
		return "refused"
	case NotSent:
		return "not sent"
	case NotProcessed:
		return "not processed"
	default:
		return "Outcome(" + strconv.Itoa(int(o)) + ")"
	}
}

// Errors that an [*Error] may wrap. They distinguish cases with the same Outcome.
var (
	// ErrRequest reports an invalid request, for example one with a space in a scope. The
	// outcome is NotSent.
	ErrRequest = errors.New("invalid request")
	// ErrMetadata reports that the package could not fetch the provider's metadata or
	// does not accept it. The outcome is NotSent.
	ErrMetadata = errors.New("provider metadata not available")
	// ErrUnsupported reports that the provider does not have the endpoint. The outcome is
	// NotSent.
	ErrUnsupported = errors.New("not supported by the provider")
	// ErrAnswer reports a response that is neither a success nor an OAuth error. The
	// outcome is Unknown, or NotProcessed after 3xx and 401.
	ErrAnswer = errors.New("unusable answer")
	// ErrIDToken reports an ID token that is missing or not acceptable. The outcome is
	// Unknown.
	ErrIDToken = errors.New("ID token not accepted")
	// ErrSubject reports a response about another user than the expected one. The outcome
	// is Unknown.
	ErrSubject = errors.New("subject does not match")
	// ErrThrottled reports that the provider wants to be left alone for a while. The
	// outcome is NotProcessed if it has just said so, and NotSent during the pause that
	// follows. See Error.RetryAfter.
	ErrThrottled = errors.New("the provider asks to wait")
	// ErrRedirect reports parameters of a redirect that are not acceptable, for example
	// because they come from another issuer. The outcome is NotSent.
	ErrRedirect = errors.New("redirect not accepted")
)

// Error is the error that every call to the provider returns. It shows no secret: not in
// its text, in any format, in JSON or in a log.
type Error struct {
	// Op names the call: discover, authorize, redirect, exchange, refresh, revoke or
	// userinfo.
	Op string
	// Outcome says what the caller may conclude.
	Outcome Outcome
	// Status is the HTTP status of the response, or 0 if there was none.
	Status int
	// Code and Description are the provider's error and error_description. They are
	// printable and have at most 64 and 200 characters. They are empty if the response
	// had none. If this package refuses to send a request, it may set a code such as
	// invalid_target itself.
	//
	// If the provider says invalid_grant and its further members say that the grant is not
	// the reason, Code names the reason: consent_required, interaction_required,
	// login_required, access_denied, unauthorized_client, invalid_client, server_error or
	// temporarily_unavailable. The members are suberror, error_subtype, error_codes and
	// some descriptions. If it says invalid_token to a refresh, that is read as
	// invalid_grant.
	Code, Description string
	// Claim is the claim that made an ID token or the answer of the userinfo endpoint
	// unacceptable: iss, sub, aud, exp, nbf, iat, nonce, azp or at_hash. It is empty if no
	// single claim was the reason, for example after a wrong signature.
	Claim string
	// RetryAfter is how long to wait before the next call, at most five minutes. After a
	// 429, or a 5xx with Retry-After, from the token or revocation endpoint, all calls
	// return an error with NotSent until then, and send nothing. 0 means that nobody
	// asked to wait.
	RetryAfter time.Duration

	err          error
	refreshToken func() string // fmt cannot look into a function
}

// Error returns the call, the outcome, the provider's code and description, the cause,
// the HTTP status, and how long to wait.
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
	if e.RetryAfter > 0 {
		b.WriteString(": try again in " + e.RetryAfter.Round(time.Second).String())
	}
	return b.String()
}

// Unwrap returns the cause, or nil: an error of this package, of a context or of package
// net.
func (e *Error) Unwrap() error { return e.err }

// InvalidGrant reports whether the provider refused the refresh token or code itself
// (invalid_grant, RFC 6749 section 5.2). Other refusals say nothing about the grant; see
// Error.Code. Even this one may be wrong for a while, so ask again before you give a
// login up.
func (e *Error) InvalidGrant() bool { return e.Outcome == Refused && e.Code == codeInvalidGrant }

// RefreshToken returns the refresh token of a response that was otherwise unusable, or
// the empty string. Store it before you do anything else: the refresh token that was sent
// may have stopped working. But after [ErrSubject] it is somebody else's: do not use it.
func (e *Error) RefreshToken() string {
	if e.refreshToken == nil {
		return ""
	}
	return e.refreshToken()
}

// GoString returns what Error returns.
func (e *Error) GoString() string { return e.Error() }

// OutcomeOf returns the Outcome of the [*Error] that err is or wraps. It returns Unknown
// for any other error.
func OutcomeOf(err error) Outcome {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Outcome
	}
	return Unknown
}

// blame notes the claim that the cause is about, and returns e.
func (e *Error) blame() *Error {
	if about, ok := errors.AsType[*claimError](e.err); ok {
		e.Claim = about.claim
	}
	return e
}

// notSent returns the error of a call that sent nothing.
func notSent(op string, err error) *Error {
	return &Error{Op: op, Outcome: NotSent, err: err}
}

func requestError(op, format string, args ...any) *Error {
	return notSent(op, fmt.Errorf("%w: "+format, append([]any{ErrRequest}, args...)...))
}

// noRedirectURL is the error of a login at a provider that was configured without logins.
func noRedirectURL(op string) *Error {
	return notSent(op, fmt.Errorf("%w: RedirectURL is missing: set it in oidcupstream.Config", ErrConfig))
}

const (
	maxCode        = 64
	maxDescription = 200
	maxCause       = 300
)

// printable makes foreign text safe to show. It shortens the text to limit characters,
// removes control and format characters and everything that resembles one of the secrets.
func printable(text string, limit int, secrets []string) string {
	if len(text) > 4*limit { // bounds the work below; scrub recognises the piece of a secret that a cut leaves
		text = text[:4*limit]
	}
	text = legible.Replace(strings.ReplaceAll(text, "\uFFFD", " "), " ")
	text = strings.Join(strings.Fields(scrub(text, secrets)), " ")
	if short := clip.Runes(text, limit); short != text {
		return short + "…"
	}
	return text
}

// registeredCodes are the error codes of RFC 6749, 6750, 7009 and 8707 and of OpenID
// Connect Core. They are safe to show even if one contains a weak secret.
var registeredCodes = []string{
	"access_denied", "account_selection_required", "consent_required", "insufficient_scope", "interaction_required",
	"invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "invalid_target", "invalid_token",
	"login_required", "server_error", "slow_down", "temporarily_unavailable", "unauthorized_client", "unsupported_grant_type",
	"unsupported_response_type", "unsupported_token_type",
}

// printableCode does the same as printable for an error code, but keeps registered codes
// as they are.
func printableCode(code string, secrets []string) string {
	if slices.Contains(registeredCodes, code) {
		return code
	}
	return printable(code, maxCode, secrets)
}

// secretWindow is how many consecutive characters a text and a secret must share to count
// as showing the secret.
const secretWindow = 12

// scrub replaces every word that contains a secret, or secretWindow consecutive
// characters of one. It reads each secret once: a secret may be a long text that the
// provider chose, such as an ID token.
func scrub(text string, secrets []string) string {
	words := strings.Split(text, " ")
	pieces := make(map[string]bool) // of the words, and whether a secret has them
	for _, word := range words {
		for i := 0; i+secretWindow <= len(word); i++ {
			pieces[word[i:i+secretWindow]] = false
		}
	}
	for _, secret := range secrets {
		for i := 0; i+secretWindow <= len(secret) && len(pieces) > 0; i++ {
			if _, ok := pieces[secret[i:i+secretWindow]]; ok {
				pieces[secret[i:i+secretWindow]] = true
			}
		}
	}
	for n, word := range words {
		shows := slices.ContainsFunc(secrets, func(secret string) bool {
			return len(secret) >= 4 && strings.Contains(word, secret) // a shorter text is no secret
		})
		for i := 0; i+secretWindow <= len(word) && !shows; i++ {
			shows = pieces[word[i:i+secretWindow]]
		}
		if shows {
			words[n] = redact.Placeholder
		}
	}
	return strings.Join(words, " ")
}

// cause wraps an error of a library whose text may quote a response. It makes the text
// printable and keeps the error for errors.Is and errors.As.
func cause(err error, secrets ...string) error {
	return &cleanError{text: printable(err.Error(), maxCause, secrets), err: err}
}

type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string    { return e.text }
func (e *cleanError) GoString() string { return e.text }

// Is and As let callers find causes such as a timeout. Unwrap would also show their
// texts.
func (e *cleanError) Is(target error) bool { return errors.Is(e.err, target) }

func (e *cleanError) As(target any) bool { return errors.As(e.err, target) }
