package issuer

import (
	"context"
	"errors"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// review lets the configured policy narrow or refuse the properties of s, which
// were checked. It returns what the policy left, checked again. The policy gets
// a copy and leaves one: whatever it changes or keeps, the argument stays, and
// so does the result.
//
// A list that the policy emptied refuses. It must not come out as "nil", which
// would be no restrictions at all, or all of the parent's.
func (i *Issuer) review(ctx context.Context, s Issuance) (mytoken.Properties, error) {
	before := *s.Properties
	if i.cfg.Policy == nil {
		return before.Clone(), nil
	}
	given := before.Clone()
	s.Properties = &given
	if err := i.cfg.Policy(ctx, &s); err != nil {
		return mytoken.Properties{}, &PolicyError{cause: err}
	}
	if s.Properties == nil {
		return mytoken.Properties{}, &PolicyError{cause: errors.New("the policy left no properties")}
	}
	after := s.Properties.Clone()
	switch {
	case len(after.Capabilities) == 0:
		return mytoken.Properties{}, &PolicyError{cause: errors.New("the policy left no capability")}
	case len(after.Restrictions) == 0 && len(before.Restrictions) > 0:
		return mytoken.Properties{}, &PolicyError{cause: errors.New("the policy left no clause")}
	case after.Restrictions.Equal(before.Restrictions):
		// What a parent has may be inherited even if it cannot be evaluated here.
		after.Restrictions = before.Restrictions.Clone() // nil stays nil
		unchanged := after
		unchanged.Restrictions = nil
		if err := i.checkProperties(&unchanged, i.now()); err != nil {
			return mytoken.Properties{}, &PolicyError{cause: err}
		}
		return after, nil
	}
	if err := i.checkProperties(&after, i.now()); err != nil {
		return mytoken.Properties{}, &PolicyError{cause: err}
	}
	return after, nil
}

// reviewFirst is review for a first token, together with the maximum lifetime
// of its provider (protocol section 2.8), which no policy prolongs.
func (i *Issuer) reviewFirst(ctx context.Context, p *Provider, s Issuance) (mytoken.Properties, error) {
	props, err := i.review(ctx, s)
	if err != nil {
		return props, err
	}
	if err := checkKnown(&props); err != nil {
		return props, &PolicyError{cause: err}
	}
	if props.Restrictions, _, err = props.Restrictions.LimitLifetime(i.now(), p.MaxLifetime); err != nil {
		return props, requestError("restrictions", err)
	}
	// Clauses that became equal share one budget.
	props.Restrictions = restriction.Merge(props.Restrictions)
	return props, checkTimes(&props, i.now())
}
