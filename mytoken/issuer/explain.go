package issuer

import (
	"context"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/store"
)

// ExplainRequest asks whether a use would be admitted.
type ExplainRequest struct {
	Token mytoken.Secret
	// Kind is the kind of the use. Zero: an access token.
	Kind restriction.Kind
	// At is the instant of the use. Zero: now.
	At time.Time
	// Scopes and Audiences have the limits of those of [AccessTokenRequest].
	Scopes    []string
	Audiences []string
	Client    Client
	// Introspect demands that the token also has tokeninfo:introspect. Set it where
	// anybody who holds the token can ask.
	Introspect bool
}

// Explain is a dry run. It returns, clause by clause, what restrictions and counters say
// about a use, and the earliest instant at which the same use would be admitted. It
// spends nothing and records no event.
//
// The counters are the present ones, whatever the instant of the use. They include those
// of ancestors, whose limits the token shares. A use of the kind AT needs the capability
// AT. Errors are [*RequestError], [*TokenError], [*mytoken.CapabilityError] and
// [*StoreError].
func (i *Issuer) Explain(ctx context.Context, req ExplainRequest) (*restriction.Explanation, error) {
	return again(ctx, req.Client, func() (*restriction.Explanation, error) { return i.explainOnce(ctx, req) })
}

func (i *Issuer) explainOnce(ctx context.Context, req ExplainRequest) (*restriction.Explanation, error) {
	if err := checkAccess(req.Scopes, req.Audiences); err != nil {
		return nil, err
	}
	p, err := i.present(ctx, req.Token, req.Client)
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

// explain returns what restrictions and spent counters say.
func explain(ctx context.Context, t *mytoken.Token, r *restriction.Request, spent []restriction.Spent) *restriction.Explanation {
	t.Policy().Prepare(ctx, r)
	return t.Policy().Explain(r, spent...)
}

// explainSpent explains a refusal by spent counters, and by whatever else objects. It
// returns nil if every counter has something left, and an error if the counters cannot be
// read.
func (i *Issuer) explainSpent(ctx context.Context, p *presented, op operation, state store.State) (*RefusedError, error) {
	spent, err := i.spentCounters(ctx, op.kind, state)
	if err != nil || len(spent) == 0 {
		return nil, err
	}
	return &RefusedError{Explanation: explain(ctx, p.token, i.restrictionRequest(op), spent)}, nil
}

// explainExhausted explains a refusal by the step that charges.
func (i *Issuer) explainExhausted(ctx context.Context, t *mytoken.Token, op operation, e *store.ExhaustedError) *RefusedError {
	spent := make([]restriction.Spent, len(e.Counters))
	for n, c := range e.Counters {
		spent[n] = restriction.Spent{
			Clause: c.Candidate, Kind: e.Kind, Used: c.Used, Limit: int64(c.Limit), Inherited: c.Token != t.ID(),
		}
	}
	return &RefusedError{Explanation: explain(ctx, t, i.restrictionRequest(op), spent)}
}

// ForecastToken describes a token of this issuer to the packages restriction/forecast and
// restriction/plan. They tell what the token admits over time, and whether it carries a
// job.
//
// Pass the counters of an [Introspection]. With nil the counters are not known, and
// forecasts say so. ForecastToken asks neither the store nor a provider.
func (i *Issuer) ForecastToken(t *mytoken.Token, counters []mytoken.Counter) forecast.Token {
	f := i.verifier.ForecastToken(t)
	f.Used, f.Left = forecastUses(f.Restrictions, counters)
	return f
}

// ForecastRestrictions is [Issuer.ForecastToken] for restrictions without their token,
// such as those of a request or of a [mytoken.Record]. Capabilities, rotation and times
// of the token are not known then.
func (i *Issuer) ForecastRestrictions(list restriction.List, counters []mytoken.Counter) forecast.Token {
	f := forecast.Token{Restrictions: list.Clone(), Options: i.RestrictionOptions()}
	f.Used, f.Left = forecastUses(list, counters)
	return f
}

// forecastUses returns nil, which means not known, unless each clause has a counter.
func forecastUses(list restriction.List, counters []mytoken.Counter) (used []restriction.Usage, left []forecast.Left) {
	if counters == nil || len(counters) != len(list) {
		return nil, nil
	}
	used, left = make([]restriction.Usage, len(counters)), make([]forecast.Left, len(counters))
	for n, c := range counters {
		used[n] = restriction.Usage{AT: c.ATUsed, Other: c.OtherUsed}
		left[n] = forecast.Left{AT: limited(c.ATLeft), Other: limited(c.OtherLeft)}
	}
	return used, left
}

// limited returns nil for no limit.
func limited(n mytoken.Limit) *int64 {
	if n == mytoken.Unlimited {
		return nil
	}
	return restriction.Usages(int64(n))
}
