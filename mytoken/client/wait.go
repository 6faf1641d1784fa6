package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// NeverAdmittedError says that waiting does not help: no clause of the mytoken will admit
// the use, or the mytoken expires before one does.
type NeverAdmittedError struct {
	// Keys are the wire names of the keys of restrictions that refuse, each once.
	Keys []string
	// Explanation is what the server said, or nil if only the mytoken was read.
	Explanation *restriction.Explanation
}

func (e *NeverAdmittedError) Error() string {
	return "client: waiting does not help: the mytoken does not admit this use, because of " + strings.Join(e.Keys, ", ") +
		": use another mytoken, or ask for something else"
}

// WaitUntilAdmitted waits until the restrictions of the mytoken admit a use: now, or at
// the earliest instant that is known. It makes no use. Errors are [*NeverAdmittedError]
// if waiting does not help, and those of [Client.Explain]. req.At must be zero.
//
// WaitUntilAdmitted asks the server by [Client.Explain]. The answer decides whether the
// use is admitted. If the server tells the keys that refuse, but no instants, then
// WaitUntilAdmitted computes the instants from the clauses of the mytoken, which it reads
// itself. It asks again after the wait. If nobody knows the instant of a key that refuses,
// it asks each minute. A refusal because of hosts, countries or spent uses counts as final.
//
// If the server does not offer explain, the mytoken lacks tokeninfo:introspect, or nobody
// answers, the clauses in the mytoken and the clock of this program decide. Then
// WaitUntilAdmitted takes for granted what only the server knows: the address of this
// program, its country, and keys of the server's own. It asks by [Client.Introspect] how
// many uses are gone, and takes uses for granted, too, if it gets no answer. So the use
// may still be refused.
//
// A short token cannot be read. Without tokeninfo:introspect nobody can tell, so
// WaitUntilAdmitted returns the error of the server.
//
// It notices within 30 s that the wall clock was set, or that the store has another
// mytoken.
func (h *Holder) WaitUntilAdmitted(ctx context.Context, req ExplainRequest) error {
	if !req.At.IsZero() {
		return errors.New("client: ExplainRequest.At is set: WaitUntilAdmitted finds the instant itself, leave it zero")
	}
	for tries := 1; ; tries++ {
		token, err := h.load(ctx)
		if err != nil {
			return err
		}
		next, err := h.outlook(ctx, token, req)
		if err != nil || next.admitted {
			return err
		}
		if next.at.After(wall(h.c.now())) {
			tries = 0
		} else { // the server is behind this clock, or did not answer
			next.at = wall(h.c.now()).Add(max(backOff(tries, longestNap), time.Second))
		}
		if err := h.napUntil(ctx, next.at, token); err != nil {
			return err
		}
	}
}

// napUntil waits until an instant of the wall clock, or until the store has another token.
func (h *Holder) napUntil(ctx context.Context, at time.Time, token mytoken.Secret) error {
	for {
		left := at.Sub(wall(h.c.now()))
		if left <= 0 {
			return nil
		}
		if err := sleep(ctx, h.c.cfg.Clock, min(left, longestNap)); err != nil {
			return &NetworkError{Operation: opWait, Err: err}
		}
		if now, err := h.load(ctx); err == nil && !now.Equal(token) {
			return nil
		}
	}
}

// opWait names the operation in errors.
const opWait = "wait until the mytoken is admitted"

// askAgain is how often to ask about a key of which nobody knows the instant.
const askAgain = time.Minute

// outlook says when a use is admitted.
type outlook struct {
	admitted bool
	at       time.Time // else: when to look again; the past: soon
}

// outlook looks when a use is admitted, by what the server tells and what the mytoken
// says.
func (h *Holder) outlook(ctx context.Context, token mytoken.Secret, req ExplainRequest) (outlook, error) {
	told, terr := h.c.Explain(ctx, token, req)
	if ctx.Err() != nil {
		return outlook{}, &NetworkError{Operation: opWait, Err: ctx.Err()}
	}
	early, retry := false, time.Duration(0)
	if refused, ok := errors.AsType[*Error](terr); ok {
		told, early, retry = refused.Explanation, notYetValid(refused), refused.RetryAfter
	}
	own, oerr := h.ownView(ctx, token, req, told == nil)
	now := wall(h.c.now())
	switch {
	case told != nil && told.Admitted:
		return outlook{admitted: true}, nil
	case terr != nil && told == nil && !early && !errors.Is(terr, ErrUnsupported) && !IsCode(terr, CodeInsufficientCapabilities) && !mayPass(terr):
		if own != nil && own.expired(now) {
			return outlook{}, &NeverAdmittedError{Keys: []string{restriction.KeyExpires}}
		}
		return outlook{}, terr
	case told == nil && own == nil && mayPass(terr):
		return outlook{}, nil // nobody knows anything yet
	case told == nil && own == nil && early:
		return outlook{at: now.Add(max(retry, askAgain))}, nil
	case told == nil && own == nil:
		return outlook{}, fmt.Errorf("client: %s: neither the mytoken nor the server says when: %w", opWait, errors.Join(terr, oerr))
	}
	at, keys := forecastOf(told, own, now)
	switch {
	case at.IsZero():
		return outlook{}, &NeverAdmittedError{Keys: keys, Explanation: told}
	case own != nil && own.expired(at):
		return outlook{}, &NeverAdmittedError{Keys: []string{restriction.KeyExpires}, Explanation: told}
	case told == nil && !at.After(now) && !early:
		return outlook{admitted: true}, nil
	}
	return outlook{at: at}, nil
}

// ownView is what the mytoken says about a use.
type ownView struct {
	*restriction.Explanation
	expires time.Time // of the mytoken; zero: never
}

func (v *ownView) expired(at time.Time) bool { return !v.expires.IsZero() && !at.Before(v.expires) }

// ownView reads the clauses of the mytoken, from itself or from introspection. count says
// to ask how many uses are gone. It returns nil, and maybe an error, if nobody can read
// them.
func (h *Holder) ownView(ctx context.Context, token mytoken.Secret, req ExplainRequest, count bool) (*ownView, error) {
	own, err := h.readClauses(ctx, token, func(c restriction.Clause) bool { return count && (c.UsagesAT != nil || c.UsagesOther != nil) })
	if own == nil {
		return nil, err
	}
	view := &ownView{expires: own.expires}
	ask := &restriction.Request{Now: h.c.now(), Kind: cmp.Or(req.Kind, restriction.AT), Scopes: req.Scopes, Audiences: req.Audiences, Used: own.used}
	var ok bool
	if view.Explanation, ok = explainLocally(own.list, ask); !ok {
		return nil, nil
	}
	return view, nil
}

// notYetValid reports whether the server refuses a mytoken whose time comes later.
func notYetValid(e *Error) bool {
	return e.Code == CodeInvalidToken && (e.Explanation != nil || strings.Contains(e.Description, notValidYet))
}

// forecastOf returns the earliest instant at which a use may be admitted, or the zero time
// if there is none, with the keys that refuse. One of the views may be missing.
func forecastOf(told *restriction.Explanation, own *ownView, now time.Time) (at time.Time, keys []string) {
	switch {
	case told == nil:
		return instant(own.Earliest, now), own.Keys()
	case !told.Earliest.IsUnknown():
		return instant(told.Earliest, now), told.Keys()
	case told.Objection != nil && own != nil: // the whole mytoken begins later
		return instant(own.Earliest, now), told.Keys()
	case told.Objection != nil:
		return now.Add(askAgain), told.Keys()
	}
	for _, c := range told.Clauses {
		next := instant(c.Earliest, now)
		for _, o := range c.Objections {
			if c.Earliest.IsUnknown() && o.IsFinal() {
				next = time.Time{}
			}
		}
		if c.Earliest.IsUnknown() && !next.IsZero() && own != nil && c.Clause >= 0 && c.Clause < len(own.Clauses) &&
			!slices.ContainsFunc(c.Objections, func(o restriction.Objection) bool {
				return o.Key != restriction.KeyNotBefore && o.Key != restriction.KeySchedule
			}) {
			next = instant(own.Clauses[c.Clause].Earliest, now)
		}
		if !next.IsZero() && (at.IsZero() || next.Before(at)) {
			at = next
		}
	}
	return at, told.Keys()
}

// instant returns an instant, the zero time for never, and soon if it is unknown.
func instant(e restriction.Earliest, now time.Time) time.Time {
	if t, known := e.Time(); known {
		return wall(t)
	}
	if e.IsNever() {
		return time.Time{}
	}
	return now.Add(askAgain)
}
