package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/rest/internal/profile"
	"github.com/mytoken-go/sdk/restriction"
)

// Errors of the edge itself.
var (
	errNoToken       = errors.New("rest: no mytoken found in request")
	errNotFound      = errors.New("rest: not found")
	errNotBuilt      = errors.New("rest: known to the protocol and not served here")
	errCrossOrigin   = errors.New("rest: cross-origin request refused")
	errConsentCode   = errors.New("rest: consent code is not, or not any more, valid")
	errNoGrantType   = errors.New("rest: unsupported grant_type")
	errOtherBrowser  = errors.New("rest: the login was not started in this browser")
	errUnknownClient = errors.New("rest: client not authenticated")
)

// stateMismatch is what the protocol says about a login that nobody waits for.
const stateMismatch = "State mismatched"

// tooManyError: too many failed guesses.
type tooManyError struct{ retry time.Duration }

func (e *tooManyError) Error() string { return "rest: too many failed attempts" }

// told is an error with a text of its own for the client.
type told struct {
	err  error
	text string
}

func (e *told) Error() string { return e.err.Error() }
func (e *told) Unwrap() error { return e.err }

// tell gives an error another text, if it is the target.
func tell(err, target error, text string) error {
	if errors.Is(err, target) {
		return &told{err, text}
	}
	return err
}

// problem is an error as clients see it.
type problem struct {
	status int
	code   string
	text   string
	// refusal is why restrictions refused, with everything that nobody but the
	// token's owner may know; nil: they did not.
	refusal *restriction.Explanation
	retry   time.Duration // 0: not said
	// provider is the error code of the OpenID provider, if it is to blame.
	provider string
}

// refusedBy are the keys of restrictions that refused, once each.
func (p *problem) refusedBy() []string {
	if p.refusal == nil {
		return nil
	}
	return p.refusal.Keys()
}

// rule is a row of the table of errors.
type rule struct {
	is     func(error) (text string, ok bool)
	status int
	code   string
}

// sentinel is a rule for an error value.
func sentinel(target error, status int, code, text string) rule {
	return rule{func(err error) (string, bool) { return text, errors.Is(err, target) }, status, code}
}

// typed is a rule for an error type, where says which values, and text what the
// client reads.
func typed[E error](where func(E) bool, status int, code string, text func(E) string) rule {
	return rule{func(err error) (string, bool) {
		var e E
		if !errors.As(err, &e) || where != nil && !where(e) {
			return "", false
		}
		return text(e), true
	}, status, code}
}

func always[E error](text string) func(E) string { return func(E) string { return text } }

func codeReason(r mytoken.CodeReason) func(*mytoken.CodeError) bool {
	return func(e *mytoken.CodeError) bool { return e.Reason == r }
}

// rules is the one table from errors to the wire (protocol section 5.0.5). The
// first rule that matches wins. What no rule matches is nobody's business but the
// operator's: 500.
var rules = []rule{
	typed[*requestError](nil, 0, wire.ErrorInvalidRequest, func(e *requestError) string { return e.text }),
	sentinel(errNoToken, 401, wire.ErrorInvalidToken, "no mytoken found in request"),
	sentinel(errNotFound, 404, wire.ErrorNotFound, ""),
	sentinel(errConsentCode, 404, wire.ErrorNotFound, "consent code not valid"),
	sentinel(errNoGrantType, 400, wire.ErrorInvalidGrant, "Unsupported grant_type"),
	sentinel(errNotBuilt, 501, wire.ErrorNotYetImplemented, ""),
	sentinel(errCrossOrigin, 403, wire.ErrorAccessDenied, "request from another site"),
	sentinel(errOtherBrowser, 400, wire.ErrorInvalidRequest, stateMismatch),
	sentinel(errUnknownClient, 401, wire.ErrorInvalidClient, "client authentication failed"),
	typed[*standardError](nil, 400, "", func(e *standardError) string { return e.text }),
	typed[*tooManyError](nil, 429, "Too Many Requests", always[*tooManyError]("too many failed attempts")),

	typed(codeReason(mytoken.CodePending), 428, wire.ErrorAuthorizationPending, always[*mytoken.CodeError]("")),
	typed(codeReason(mytoken.CodeDeclined), 401, wire.ErrorAccessDenied, always[*mytoken.CodeError]("user declined consent")),
	typed(codeReason(mytoken.CodeExpired), 401, wire.ErrorExpiredToken, always[*mytoken.CodeError]("polling or transfer code is expired")),
	typed(codeReason(mytoken.CodeUnknown), 401, wire.ErrorInvalidToken, always[*mytoken.CodeError]("Bad polling or transfer code")),
	typed(deniedLogin, 401, wire.ErrorAccessDenied, func(e *mytoken.CodeError) string { return loginText(e.Login) }),
	typed(codeReason(mytoken.CodeFailed), 502, wire.ErrorOIDC, func(e *mytoken.CodeError) string { return loginText(e.Login) }),

	sentinel(mytoken.ErrTokenExpired, 401, wire.ErrorInvalidToken, "token has expired"),
	sentinel(mytoken.ErrTokenNotYetValid, 401, wire.ErrorInvalidToken, "token is not valid yet"),
	typed(malformed, 401, wire.ErrorInvalidToken, always[*mytoken.TokenError]("token not valid")),
	typed[*mytoken.TokenError](nil, 401, wire.ErrorInvalidToken, always[*mytoken.TokenError]("")),
	typed[*mytoken.ReconnectError](nil, 401, wire.ErrorInvalidToken, always[*mytoken.ReconnectError]("No refresh token attached")),
	typed(needsRevoke, 403, wire.ErrorInsufficientCapabilities, always[*mytoken.CapabilityError](
		"The provided token is neither a parent of the token to be revoked nor does it have the 'manage_mytokens:revoke' capability")),
	typed[*mytoken.CapabilityError](nil, 403, wire.ErrorInsufficientCapabilities, always[*mytoken.CapabilityError](
		"The provided token does not have the required capability for this operation")),
	typed[*mytoken.RefusedError](nil, 403, wire.ErrorUsageRestricted, always[*mytoken.RefusedError](
		"The restrictions of this token does not allow this usage")),
	typed[*mytoken.PolicyError](nil, 403, wire.ErrorAccessDenied, func(e *mytoken.PolicyError) string { return e.Unwrap().Error() }),
	sentinel(mytoken.ErrNotOwned, 403, wire.ErrorInvalidGrant, "The provided token cannot be used to manage/revoke this mom_id"),

	sentinel(mytoken.ErrUnknownProvider, 400, wire.ErrorInvalidRequest, "The provided issuer is not supported"),
	sentinel(mytoken.ErrWrongProvider, 400, wire.ErrorInvalidRequest, "token not for specified issuer"),
	sentinel(mytoken.ErrState, 400, wire.ErrorInvalidRequest, stateMismatch),
	sentinel(mytoken.ErrRepeatedID, 400, wire.ErrorInvalidRequest, "the id of this request cannot be used again"),
	typed[*mytoken.RequestError](nil, 400, wire.ErrorInvalidRequest, requestText),
	typed[*profile.Error](nil, 400, wire.ErrorInvalidRequest, func(e *profile.Error) string { return e.Reason }),
	typed(endsInPast, 400, wire.ErrorInvalidRequest, always[*restriction.ClauseError]("token would already be expired")),
	typed[*restriction.ClauseError](nil, 400, wire.ErrorInvalidRequest, ownText[*restriction.ClauseError]("restrictions")),
	typed[*restriction.LimitError](nil, 400, wire.ErrorInvalidRequest, ownText[*restriction.LimitError]("restrictions")),
	sentinel(restriction.ErrSyntax, 400, wire.ErrorInvalidRequest, "restrictions are malformed"),
	sentinel(capability.ErrSyntax, 400, wire.ErrorInvalidRequest, "capabilities are malformed"),
	sentinel(capability.ErrName, 400, wire.ErrorInvalidRequest, "capabilities: malformed name"),
	sentinel(capability.ErrTooLarge, 400, wire.ErrorInvalidRequest, "capabilities: too many or too long"),
	sentinel(mytoken.ErrRotation, 400, wire.ErrorInvalidRequest, "rotation is malformed"),

	typed[*mytoken.LoginError](nil, wire.StatusProviderError, wire.ErrorOIDC, loginText),
	typed[*mytoken.UpstreamError](nil, 0, wire.ErrorOIDC, upstreamText),
	typed[*mytoken.BusyError](nil, 503, wire.ErrorTemporarilyUnavailable, always[*mytoken.BusyError]("busy, try again later")),
	sentinel(mytoken.ErrClosed, 503, wire.ErrorTemporarilyUnavailable, "the service is going down"),
	sentinel(context.DeadlineExceeded, 503, wire.ErrorTemporarilyUnavailable, "the answer took too long"),
	sentinel(context.Canceled, 503, wire.ErrorTemporarilyUnavailable, "the request was given up"),
}

// problemOf looks an error up.
func problemOf(err error) problem {
	p := problem{status: http.StatusInternalServerError, code: wire.ErrorInternal}
	for _, r := range rules {
		if text, ok := r.is(err); ok {
			p = problem{status: r.status, code: r.code, text: text}
			break
		}
	}
	var (
		request  *requestError
		upstream *mytoken.UpstreamError
		refused  *mytoken.RefusedError
		early    *mytoken.NotYetValidError
		busy     *mytoken.BusyError
		many     *tooManyError
		standard *standardError
		text     *told
	)
	switch {
	case p.status == 0 && errors.As(err, &request):
		p.status = request.status
	case p.status == 0 && errors.As(err, &upstream):
		p.status, p.provider = max(upstream.Status, http.StatusBadRequest), upstream.Code
	case errors.As(err, &refused):
		p.refusal = refused.Explanation
	case errors.As(err, &early):
		p.refusal = tooEarly(early)
	case errors.As(err, &busy):
		p.retry = max(busy.RetryAfter, time.Second)
	case errors.As(err, &standard):
		p.code = standard.code
	case errors.As(err, &many):
		p.retry = many.retry
	}
	if errors.As(err, &text) {
		p.text = text.text
	}
	return p
}

// plainSentences are reasons of requests that stand for themselves.
var plainSentences = []string{"token would already be expired", "mytoken to be issued", "requested restrictions", "unknown capability"}

func requestText(e *mytoken.RequestError) string {
	for _, s := range plainSentences {
		if strings.HasPrefix(e.Reason, s) {
			return e.Reason
		}
	}
	return e.Field + ": " + strings.TrimPrefix(e.Reason, "restriction: ")
}

func ownText[E error](field string) func(E) string {
	return func(e E) string { return field + ": " + strings.TrimPrefix(e.Error(), "restriction: ") }
}

func upstreamText(e *mytoken.UpstreamError) string { return joinText(e.Code, e.Description) }

func loginText(e *mytoken.LoginError) string {
	if e.Code == "server_error" || e.Code == wire.ErrorAccessDenied && e.Description != "" {
		return e.Description
	}
	return joinText(e.Code, e.Description)
}

func joinText(code, description string) string {
	if code == "" || description == "" {
		return code + description
	}
	return fmt.Sprintf("%s: %s", code, description)
}

// endsInPast tells a clause that has ended from one that makes no sense.
func endsInPast(e *restriction.ClauseError) bool {
	return errors.Is(e, restriction.ErrPast)
}

func malformed(e *mytoken.TokenError) bool { return e.Reason == mytoken.TokenMalformed }

func deniedLogin(e *mytoken.CodeError) bool {
	return e.Reason == mytoken.CodeFailed && e.Login != nil && e.Login.Code == wire.ErrorAccessDenied
}

func needsRevoke(e *mytoken.CapabilityError) bool {
	return e.Needed == capability.ManageMytokensRevoke
}
