package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/profile"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/restriction"
)

// Errors that come from this package, not from the issuer.
var (
	errNoToken        = errors.New("rest: no mytoken found in request")
	errNotFound       = errors.New("rest: not found")
	errNotBuilt       = errors.New("rest: known to the protocol and not served here")
	errCrossOrigin    = errors.New("rest: cross-origin request refused")
	errConsentCode    = errors.New("rest: consent code is not valid, or no longer")
	errNoGrantType    = errors.New("rest: unsupported grant_type")
	errUnfinished     = errors.New("rest: the login is being finished")
	errOtherBrowser   = errors.New("rest: the browser has no cookie of the login")
	errUnknownClient  = errors.New("rest: client not authenticated")
	errGrantType      = errors.New("rest: the endpoint has no such grant_type")
	errOtherGroup     = errors.New("rest: templates of another group")
	errTemplateExists = errors.New("rest: a template of this name exists")
	errKeyAndToken    = errors.New("rest: an SSH key and a token")
)

// textExpired is what the protocol says about clauses that have all expired.
const textExpired = "token would already be expired"

// stateMismatch is what the protocol says if no login waits for a redirect.
const stateMismatch = "State mismatched"

// tooManyError reports that a client did something too often.
type tooManyError struct {
	what  string
	retry time.Duration
}

func (e *tooManyError) Error() string { return "rest: " + e.what }

// storeRetry is when to repeat a request that failed because the store is away. A
// database takes some seconds to restart.
const storeRetry = 3 * time.Second

// seconds rounds up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// told is an error with a text of its own for the client.
type told struct {
	err  error
	text string
}

func (e *told) Error() string { return e.err.Error() }
func (e *told) Unwrap() error { return e.err }

// tell gives err another text for the client if it is the target.
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
	// refusal is why restrictions refused, or nil. It holds details that only the token's
	// owner may know.
	refusal  *restriction.Explanation
	retry    time.Duration // when to try again; 0 if that is not known
	provider string        // error code of the OpenID provider, or empty
}

// refusedBy returns the keys of restrictions that refused, each once.
func (p *problem) refusedBy() []string {
	if p.refusal == nil {
		return nil
	}
	return p.refusal.Keys()
}

// rule is a row of the table of errors. It reports whether it is about an error.
type rule func(error) (problem, bool)

// sentinel returns a rule for an error value.
func sentinel(target error, status int, code, text string) rule {
	return func(err error) (problem, bool) {
		return problem{status: status, code: code, text: text}, errors.Is(err, target)
	}
}

// typed returns a rule for an error type.
func typed[E error](look func(E) problem) rule {
	return func(err error) (problem, bool) {
		e, ok := errors.AsType[E](err)
		if !ok {
			return problem{}, false
		}
		return look(e), true
	}
}

// invalid returns a rule for an error type that says what is wrong with a request.
func invalid[E error](text func(E) string) rule {
	return typed(func(e E) problem { return problem{status: 400, code: wire.ErrorInvalidRequest, text: text(e)} })
}

// rules is the only table from errors to the wire (protocol section 5.0.5). The first
// rule that matches wins. An error without a rule becomes status 500, and only the log
// has its text: no rule may send what an error's method Error returns, because that tells
// the causes.
//
// A 503 with Retry-After tells a client that it may send the request again. So failures
// of the store get one only if the request costs nothing by that; see
// [issuer.StoreError.Repeatable]. Otherwise a client could pay for a use twice.
var rules = []rule{
	typed(func(*rescue.Panic) problem {
		return problem{status: http.StatusInternalServerError, code: wire.ErrorInternal}
	}),
	typed(func(e *requestError) problem {
		return problem{status: e.status, code: wire.ErrorInvalidRequest, text: e.text}
	}),
	sentinel(errNoToken, 401, wire.ErrorInvalidToken, "no mytoken found in request"),
	sentinel(errNotFound, 404, wire.ErrorNotFound, ""),
	sentinel(errConsentCode, 404, wire.ErrorNotFound, "consent code not valid"),
	sentinel(errNoGrantType, 400, wire.ErrorInvalidGrant, "Unsupported grant_type"),
	sentinel(errGrantType, 400, wire.ErrorUnsupportedGrantType, "grant_type is neither mytoken nor polling_code"),
	sentinel(errKeyAndToken, 400, wire.ErrorInvalidRequest, "the SSH key stands for its own token, and no other one can be used"),
	sentinel(issuer.ErrGrantDisabled, 403, wire.ErrorAccessDenied, "'ssh' grant type not enabled"),
	sentinel(issuer.ErrKeyExists, 409, wire.ErrorInvalidRequest, "ssh key already added"),
	sentinel(errNotBuilt, 501, wire.ErrorNotYetImplemented, ""),
	sentinel(errCrossOrigin, 403, wire.ErrorAccessDenied, "request from another site"),
	sentinel(errOtherBrowser, 400, wire.ErrorInvalidRequest, stateMismatch),
	sentinel(errUnfinished, 503, wire.ErrorTemporarilyUnavailable, "the login is being finished"),
	sentinel(errOtherGroup, 403, wire.ErrorAccessDenied, "these are the templates of another group"),
	sentinel(errTemplateExists, 409, wire.ErrorInvalidRequest, "a template of this name exists already"),
	sentinel(errUnknownClient, 401, wire.ErrorInvalidClient, "client authentication failed"),
	invalid(func(e *linkError) string { return "the link cannot be used: " + e.reason }),
	typed(func(e *standardError) problem { return problem{status: 400, code: e.code, text: e.text} }),
	typed(func(e *tooManyError) problem {
		return problem{status: 429, code: "Too Many Requests", text: e.what, retry: e.retry}
	}),

	typed(codeProblem),
	typed(func(e *mytoken.NotYetValidError) problem {
		return problem{status: 401, code: wire.ErrorInvalidToken, text: "token is not valid yet", refusal: tooEarly(e)}
	}),
	typed(tokenProblem),
	typed(func(*issuer.ReconnectError) problem {
		return problem{status: 401, code: wire.ErrorInvalidToken, text: "No refresh token attached"}
	}),
	typed(capabilityProblem),
	typed(func(e *issuer.RefusedError) problem {
		return problem{
			status: 403, code: wire.ErrorUsageRestricted, text: "The restrictions of this token does not allow this usage",
			refusal: e.Explanation,
		}
	}),
	typed(func(e *issuer.PolicyError) problem {
		return problem{status: 403, code: wire.ErrorAccessDenied, text: e.Description()}
	}),
	sentinel(issuer.ErrNotOwned, 403, wire.ErrorInvalidGrant, "The provided token cannot be used to manage/revoke this mom_id"),

	sentinel(issuer.ErrUnknownTag, 404, wire.ErrorNotFound, "the user has no tag of this name"),
	sentinel(issuer.ErrUnknownProvider, 400, wire.ErrorInvalidRequest, "The provided issuer is not supported"),
	sentinel(issuer.ErrWrongProvider, 400, wire.ErrorInvalidRequest, "token not for specified issuer"),
	sentinel(issuer.ErrState, 400, wire.ErrorInvalidRequest, stateMismatch),
	sentinel(issuer.ErrRepeatedID, 422, wire.ErrorInvalidRequest, wire.HeaderIdempotencyKey+": this key cannot be used again, use a new one"),
	typed(func(e *issuer.RequestError) problem {
		switch e.Code {
		case issuer.RequestTooManyTokens: // no other request would help
			return problem{status: 403, code: wire.ErrorAccessDenied, text: requestText(e)}
		case issuer.RequestConflict:
			return problem{status: 409, code: wire.ErrorInvalidRequest, text: requestText(e)}
		}
		return problem{status: 400, code: wire.ErrorInvalidRequest, text: requestText(e)}
	}),
	invalid(func(e *profile.Error) string { return e.Reason }),
	typed(func(e *profile.InUseError) problem {
		return problem{status: 409, code: wire.ErrorInvalidRequest, text: e.Reason()}
	}),
	sentinel(restriction.ErrPast, 400, wire.ErrorInvalidRequest, textExpired),
	invalid(func(e *restriction.ClauseError) string { return restrictionText(e) }),
	invalid(func(e *restriction.LimitError) string { return restrictionText(e) }),
	sentinel(restriction.ErrSyntax, 400, wire.ErrorInvalidRequest, "restrictions are malformed"),
	sentinel(capability.ErrSyntax, 400, wire.ErrorInvalidRequest, "capabilities are malformed"),
	sentinel(capability.ErrName, 400, wire.ErrorInvalidRequest, "capabilities: malformed name"),
	sentinel(capability.ErrTooLarge, 400, wire.ErrorInvalidRequest, "capabilities: too many or too long"),
	sentinel(mytoken.ErrRotation, 400, wire.ErrorInvalidRequest, "rotation is malformed"),

	typed(func(e *issuer.LoginError) problem {
		if e.Reason == issuer.LoginForbidden { // as the policy's own error
			return problem{status: 403, code: wire.ErrorAccessDenied, text: e.Description}
		}
		return problem{status: wire.StatusProviderError, code: wire.ErrorOIDC, text: loginText(e)}
	}),
	typed(func(e *issuer.UpstreamError) problem {
		return problem{status: max(e.Status, 400), code: wire.ErrorOIDC, text: joinText(e.Code, e.Description), provider: e.Code, retry: e.RetryAfter}
	}),
	typed(func(e *issuer.BusyError) problem {
		wait := max(e.RetryAfter, time.Second)
		return problem{status: 503, code: wire.ErrorTemporarilyUnavailable, text: fmt.Sprintf("busy, try again in %d s", seconds(wait)), retry: wait}
	}),
	func(err error) (problem, bool) {
		e, ok := errors.AsType[*issuer.StoreError](err)
		return problem{
			status: 503, code: wire.ErrorTemporarilyUnavailable, retry: storeRetry,
			text: fmt.Sprintf("the service is not available now, try again in %d s", seconds(storeRetry)),
		}, ok && e.Repeatable()
	},
	sentinel(issuer.ErrClosed, 503, wire.ErrorTemporarilyUnavailable, "the service is going down"),
	sentinel(context.DeadlineExceeded, 503, wire.ErrorTemporarilyUnavailable, "the answer took too long"),
	sentinel(context.Canceled, 503, wire.ErrorTemporarilyUnavailable, "the request was given up"),
}

// problemOf looks up an error in the table.
func problemOf(err error) problem {
	p := problem{status: http.StatusInternalServerError, code: wire.ErrorInternal}
	for _, rule := range rules {
		if found, ok := rule(err); ok {
			p = found
			break
		}
	}
	if other, ok := errors.AsType[*told](err); ok {
		p.text = other.text
	}
	p.text = legible.Show(p.text) // it may quote the request
	return p
}

func codeProblem(e *issuer.CodeError) problem {
	switch e.Reason {
	case issuer.CodePending:
		return problem{status: 428, code: wire.ErrorAuthorizationPending}
	case issuer.CodeDeclined:
		return problem{status: 401, code: wire.ErrorAccessDenied, text: "user declined consent"}
	case issuer.CodeExpired:
		return problem{status: 401, code: wire.ErrorExpiredToken, text: "polling or transfer code is expired"}
	case issuer.CodeFailed:
		p := problem{status: 502, code: wire.ErrorOIDC}
		if e.Login != nil {
			p.text = loginText(e.Login)
			if e.Login.Code == wire.ErrorAccessDenied {
				p.status, p.code = 401, wire.ErrorAccessDenied
			}
		}
		return p
	}
	return problem{status: 401, code: wire.ErrorInvalidToken, text: "Bad polling or transfer code"}
}

func tokenProblem(e *issuer.TokenError) problem {
	p := problem{status: 401, code: wire.ErrorInvalidToken}
	switch e.Reason {
	case issuer.TokenMalformed:
		p.text = "token not valid"
	case issuer.TokenExpired:
		p.text = "token has expired"
	case issuer.TokenTooEarly:
		p.text = "token is not valid yet"
	}
	return p
}

func capabilityProblem(e *mytoken.CapabilityError) problem {
	p := problem{status: 403, code: wire.ErrorInsufficientCapabilities, text: "The provided token does not have the required capability for this operation"}
	if e.Needed == capability.ManageMytokensRevoke {
		p.text = "The provided token is neither a parent of the token to be revoked nor does it have the 'manage_mytokens:revoke' capability"
	}
	return p
}

// requestTexts are the sentences of the protocol (protocol sections 5.4.1 and 5.4.3).
var requestTexts = map[issuer.RequestCode]string{
	issuer.RequestExpired:      textExpired,
	issuer.RequestNoCapability: "mytoken to be issued cannot have any of the requested capabilities",
	issuer.RequestNotNarrower:  "requested restrictions are not subset of original restrictions",
	issuer.RequestTooLong:      "requested restrictions do not respect maximum mytoken lifetime",
}

func requestText(e *issuer.RequestError) string {
	if text, ok := requestTexts[e.Code]; ok {
		return text
	}
	if e.Code == issuer.RequestUnknownCapability {
		return e.Reason
	}
	return e.Field + ": " + strings.TrimPrefix(e.Reason, "restriction: ")
}

func restrictionText(err error) string {
	return "restrictions: " + strings.TrimPrefix(err.Error(), "restriction: ")
}

func loginText(e *issuer.LoginError) string {
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
