package issuer

import (
	"context"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// ExplainRequest asks what would become of a use.
type ExplainRequest struct {
	Token mytoken.Secret
	// Kind is the kind of the use; zero: an access token.
	Kind restriction.Kind
	// At is the instant of the use; zero: now.
	At        time.Time
	Scopes    []string
	Audiences []string
	Client    Client
	// Introspect says that the token also needs tokeninfo:introspect to ask, as
	// it should where anybody can ask.
	Introspect bool
}

// Explain is a dry run: it tells, clause by clause, what the restrictions and
// counters say to a use, and when the same use would be admitted at the
// earliest. Counters are those of now, whatever the instant of the use; the
// ancestors' that the token draws on count too. It spends nothing, leaves no
// trace, and needs no capability beyond AT for an access token, and what the
// request says. It fails with *TokenError, *CapabilityError or *StoreError.
func (i *Issuer) Explain(ctx context.Context, req ExplainRequest) (*restriction.Explanation, error) {
	p, err := i.present(ctx, req.Token.Reveal())
	if err != nil {
		return nil, err
	}
	if req.Kind == 0 {
		req.Kind = restriction.AT
	}
	if req.Introspect && !p.token.Allows(capability.TokeninfoIntrospect) {
		return nil, i.refused(ctx, p, req.Client, &mytoken.CapabilityError{Needed: capability.TokeninfoIntrospect})
	}
	if req.Kind == restriction.AT && !p.token.Allows(capability.AT) {
		return nil, i.refused(ctx, p, req.Client, &mytoken.CapabilityError{Needed: capability.AT})
	}
	state, err := i.lookup(ctx, p)
	if err != nil {
		return nil, err
	}
	r := i.restrictionRequest(operation{kind: req.Kind, client: req.Client, scopes: dedup(req.Scopes), audiences: dedup(req.Audiences)})
	if !req.At.IsZero() {
		r.Now = req.At
	}
	spent, err := i.spentCounters(ctx, req.Kind, state)
	if err != nil {
		return nil, err
	}
	return explain(ctx, p.token, r, spent), nil
}

// explain says what the restrictions have to say, counters included.
func explain(ctx context.Context, t *mytoken.Token, r *restriction.Request, spent []restriction.Spent) *restriction.Explanation {
	t.Policy().Prepare(ctx, r)
	return t.Policy().Explain(r, spent...)
}

// explainSpent explains the refusal of a use by the counters of a token, and by
// whatever else objects. It returns nil if all counters have something left, and
// fails if they cannot be read.
func (i *Issuer) explainSpent(ctx context.Context, p *presented, op operation, state store.State) (*RefusedError, error) {
	spent, err := i.spentCounters(ctx, op.kind, state)
	if err != nil || len(spent) == 0 {
		return nil, err
	}
	return &RefusedError{Explanation: explain(ctx, p.token, i.restrictionRequest(op), spent)}, nil
}

// explainExhausted explains the refusal of a use by the step that charges.
func (i *Issuer) explainExhausted(ctx context.Context, t *mytoken.Token, op operation, e *store.ExhaustedError) *RefusedError {
	spent := make([]restriction.Spent, len(e.Counters))
	for n, c := range e.Counters {
		spent[n] = restriction.Spent{
			Clause: c.Candidate, Kind: e.Kind, Used: c.Used, Limit: int64(c.Limit), Inherited: c.Token != t.ID(),
		}
	}
	return &RefusedError{Explanation: explain(ctx, t, i.restrictionRequest(op), spent)}
}
