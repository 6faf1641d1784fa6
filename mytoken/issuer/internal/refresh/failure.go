package refresh

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
)

// Failure says why there is no access token.
type Failure struct {
	Reason Reason
	// Status and Code are set for the reasons [Upstream] and [Suspect]: the HTTP status for
	// the client, and the provider's error code.
	Status            int
	Code, Description string // Description is for humans
	// Charged says that the provider may have acted.
	Charged bool
	// RetryAfter is how long to wait before the next attempt. It is set for the reasons
	// [Busy] and [Suspect], and for [Upstream] if the provider asked for it.
	RetryAfter time.Duration
	Err        error // the cause; may be nil
}

// Reason is the kind of a [Failure].
type Reason uint8

// The reasons of a [Failure].
const (
	Upstream Reason = iota // the provider gave no access token
	Ended                  // the provider refuses the refresh token for good
	Busy                   // others took too long; the provider was not asked
	NoAnswer               // the store did not answer; the provider was not asked, unless Charged is set
	Closed                 // the refresher was closed
	Suspect                // the provider refused the refresh token; it is asked again later
)

func (f *Failure) Error() string {
	text := [...]string{"the provider gave no access token", "the login has ended", "busy", "the store gave no answer", "closed", "the login is suspect"}[f.Reason]
	return errtext.Join(f.Err, "issuer: "+text, f.Code, f.Description)
}

// Unwrap returns the cause, or nil.
func (f *Failure) Unwrap() error { return f.Err }

// Charged reports whether the provider may have acted, so that the use stays charged.
func Charged(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Charged
}

// notKept is the failure of a request whose answer the store does not take. The provider
// has done its part.
func notKept(err error) *Failure {
	return &Failure{Reason: NoAnswer, Charged: true, Description: "the answer of the provider could not be kept", Err: err}
}

// storeFailure translates what the store says about a grant.
func storeFailure(err error) error {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	_, busy := errors.AsType[*store.BusyError](err)
	switch {
	case errors.Is(err, store.ErrDead), errors.Is(err, store.ErrNotFound):
		return &Failure{Reason: Ended, Err: err}
	case busy, errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &Failure{Reason: Busy, Err: err}
	}
	return &Failure{Reason: NoAnswer, Err: err}
}

// beginFailure translates the error of a lease that was not granted.
func (r *Refresher) beginFailure(err error) error {
	if suspect, ok := errors.AsType[*store.SuspectError](err); ok {
		return suspected((suspect.Until + 1).Time().Sub(r.Clock()), err)
	}
	return storeFailure(err)
}

// upstreamFailure translates an error of the provider that leaves the refresh token as it
// is. It also returns the outcome to end the lease with.
func upstreamFailure(up *oidcupstream.Error) (*Failure, store.Outcome) {
	f := &Failure{Status: http.StatusBadGateway, Code: up.Code, Description: up.Description, RetryAfter: up.RetryAfter, Err: up}
	switch {
	case up.Outcome == oidcupstream.Refused:
		switch up.Code {
		case "invalid_scope", "invalid_target", "invalid_request", "access_denied",
			"consent_required", "interaction_required", "login_required",
			"invalid_resource", "mfa_required": // so say Entra and AD FS about a target, and Auth0 about a second factor
			f.Status = http.StatusBadRequest
		}
		return f, store.RefreshUnknown
	case errors.Is(up, oidcupstream.ErrRequest):
		f.Status, f.Description = http.StatusBadRequest, cmp.Or(up.Description, "the request cannot be sent to the provider")
		return f, store.RefreshNotSent
	case up.Outcome == oidcupstream.NotSent, up.Outcome == oidcupstream.NotProcessed:
		f.Status = http.StatusServiceUnavailable
		return f, store.RefreshNotSent
	}
	f.Charged = true
	return f, store.RefreshUnknown
}

// Event is something that an operator may want to know.
type Event struct {
	Kind   EventKind
	Token  store.TokenID // zero if the event is about the grant as a whole
	Grant  store.GrantID
	Detail string
	Err    error
}

// EventKind is the kind of an [Event]. The issuer's NoticeKind has the same values.
type EventKind string

// The kinds of events.
const (
	TokenStored        EventKind = "refresh_token_stored"
	UnexpectedRotation EventKind = "unexpected_rotation" // although the operator states that it never happens
	SpillFailed        EventKind = "spill_failed"
	CommitFailed       EventKind = "commit_failed"    // the store did not take a refresh token yet
	GrantSuspect       EventKind = "grant_suspect"    // the provider refused the refresh token; it is asked again
	GrantDead          EventKind = "grant_dead"       // the provider refused the refresh token again
	InDoubt            EventKind = "refresh_in_doubt" // another node was interrupted during a refresh
	ForeignAnswer      EventKind = "foreign_answer"   // the answer of the provider is about somebody else
	ProviderFailed     EventKind = "provider_failed"  // it could not be asked, or gave no usable answer
)
