package issuer

import (
	"context"
	"errors"
	"slices"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// admit makes the checks that need no store: capability, restrictions,
// provider. It returns the clauses that admit the operation.
func (i *Issuer) admit(ctx context.Context, p *presented, op operation) ([]int, *Provider, error) {
	if op.needs != "" && !p.token.Allows(op.needs) {
		return nil, nil, &mytoken.CapabilityError{Needed: op.needs}
	}
	candidates, err := i.evaluate(ctx, p.token, op)
	if err != nil {
		return nil, nil, err
	}
	provider, err := i.provider(p.token.OIDCIssuer())
	if err != nil {
		return nil, nil, err
	}
	if op.provider != "" && providerKey(op.provider) != providerKey(p.token.OIDCIssuer()) {
		return nil, nil, ErrWrongProvider
	}
	return candidates, provider, nil
}

// evaluate asks the restrictions. For uncounted operations the candidates are
// empty.
func (i *Issuer) evaluate(ctx context.Context, t *mytoken.Token, op operation) ([]int, error) {
	decision := t.Policy().Decide(ctx, i.restrictionRequest(op))
	if !decision.Admitted() {
		return nil, &RefusedError{Explanation: decision.Explanation()}
	}
	if op.kind == restriction.Uncounted {
		return nil, nil
	}
	return slices.Collect(decision.Candidates()), nil
}

// charge makes every check and spends the use: steps 1 and 2.
func (i *Issuer) charge(ctx context.Context, p *presented, op operation) (store.Spent, *Provider, error) {
	candidates, provider, err := i.admit(ctx, p, op)
	if err != nil {
		return store.Spent{}, nil, i.refusedUse(ctx, p, op, err)
	}
	for n := range maxAttempts {
		spent, err := i.spend(ctx, p, op, candidates)
		if !errors.Is(err, errCalledOff) {
			return spent, provider, err
		}
		// An earlier call with this id did not learn whether it had charged,
		// and called the use off.
		sum := derived("mytoken: use of a request that was called off", op.id, n)
		op.id = store.UseID(sum[:len(op.id)])
	}
	i.notify(ctx, Notice{Kind: NoticeRefused, Token: p.id.ID, Client: op.client, Err: ErrRepeatedID})
	return store.Spent{}, nil, ErrRepeatedID
}

// spend charges a use that was admitted. It fails with errCalledOff if a use
// with this id was refunded.
func (i *Issuer) spend(ctx context.Context, p *presented, op operation, candidates []int) (store.Spent, error) {
	spent, err := i.ledger.spend(ctx, p.id, i.use(op, candidates))
	if errors.Is(err, store.ErrRefunded) {
		return store.Spent{}, errCalledOff
	} else if err != nil {
		return store.Spent{}, i.useFailed(ctx, p, op, err)
	}
	return spent, nil
}

// refused reports a refusal that came before the store was asked. A token that
// is not live says so, whatever else would object.
func (i *Issuer) refused(ctx context.Context, p *presented, client Client, err error) error {
	return i.refusedUse(ctx, p, operation{kind: restriction.Uncounted, client: client}, err)
}

// refusedUse is refused for a use that would have been counted: its
// explanation promises no clause whose counters are spent already.
func (i *Issuer) refusedUse(ctx context.Context, p *presented, op operation, err error) error {
	state, lerr := i.lookup(ctx, p)
	_, restricted := errors.AsType[*RefusedError](err)
	switch {
	case isTokenError(lerr):
		err = lerr
	case lerr == nil && restricted && op.kind != restriction.Uncounted:
		if counted, cerr := i.explainSpent(ctx, p, op, state); counted != nil && cerr == nil {
			err = counted // where counters cannot be read, the explanation stays as it is
		}
	}
	i.notify(ctx, Notice{Kind: NoticeRefused, Token: p.id.ID, Client: op.client, Err: err})
	return err
}

// useFailed translates the error of a step that charges. If the store left it
// open whether it charged, the use is called off, unless it may have stored an
// answer that a repetition will find.
func (i *Issuer) useFailed(ctx context.Context, p *presented, op operation, err error) error {
	if !store.IsDefinite(err) {
		if !op.verdict.ID.IsZero() || !slices.ContainsFunc(op.tickets.Put, isReply) {
			i.callOff(ctx, p, op)
		}
		return err
	}
	out := i.tokenError(ctx, p, err)
	var exhausted *store.ExhaustedError
	switch {
	case errors.As(err, &exhausted):
		out = i.explainExhausted(ctx, p.token, op, exhausted)
	case errors.Is(err, store.ErrRefunded), errors.Is(err, store.ErrExists):
		out = ErrRepeatedID
	}
	i.notify(ctx, Notice{Kind: NoticeRefused, Token: p.id.ID, Client: op.client, Err: out})
	return out
}

func isReply(t store.Ticket) bool { return t.Kind == store.TicketReply }

// refund gives a use back, whether or not the client still waits.
func (i *Issuer) refund(ctx context.Context, p *presented, id store.UseID) {
	if err := i.ledger.refund(ctx, id); err != nil {
		i.notify(ctx, Notice{Kind: NoticeRefundFailed, Token: p.id.ID, Err: err})
	}
}
