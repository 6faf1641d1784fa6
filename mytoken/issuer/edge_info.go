package issuer

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// Now returns the time by the issuer's clock. An edge reads relative times of
// requests by it, and tells clients how long something is still valid.
func (i *Issuer) Now() time.Time { return i.now() }

// RestrictionKeys returns the keys that the clauses of a request may use here,
// in the order of protocol section 2.1, the embedding program's own behind them.
func (i *Issuer) RestrictionKeys() []string { return i.cfg.Restrictions.SupportedKeys() }

// RestrictionOptions returns what this issuer can evaluate, to forecast and to
// compare restrictions with.
func (i *Issuer) RestrictionOptions() restriction.Options {
	o := i.cfg.Restrictions
	o.Conditions, o.Disabled = maps.Clone(o.Conditions), slices.Clone(o.Disabled)
	return o
}

// PendingLogin is a login that waits for the browser to come back.
type PendingLogin struct {
	// Polled says that the token goes to whoever started the login; otherwise
	// it goes to the browser that finishes it.
	Polled      bool
	Application string
	ReturnTo    string
}

// PendingLogin tells about the login with a state, before [Issuer.FinishLogin]
// uses it up. It changes nothing. It fails with ErrState.
func (i *Issuer) PendingLogin(ctx context.Context, state mytoken.Secret) (*PendingLogin, error) {
	_, _, p, err := i.resolveLogin(ctx, store.TicketState, state.Reveal())
	var unusable *CodeError
	if errors.As(err, &unusable) {
		return nil, ErrState
	} else if err != nil {
		return nil, err
	}
	_, polled := p.polling()
	return &PendingLogin{Polled: polled, Application: p.Application, ReturnTo: p.ReturnTo}, nil
}
