package issuer

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
)

// Policy may narrow or refuse a token that is about to be issued. An error refuses it,
// and the text of the error reaches the client. A panic refuses it, too, and the client
// learns nothing of it. A policy may be called concurrently, and more than once for a
// token.
//
// A login asks the policy twice. [PolicyConsent] comes before the user logs in, so that
// the consent page shows what will be issued, and the user can correct what is refused.
// [PolicyLogin] comes afterwards and decides.
type Policy func(context.Context, *Issuance) error

// Issuance is a token that is about to be issued. A policy may change Properties.
//
// The properties of a child must still be within its parent afterwards. A policy that
// removes the last clause or the last capability refuses the token: a token without
// clauses would be one without restrictions. If the user has seen the properties on a
// page, the policy must leave capabilities and restrictions that are within them.
type Issuance struct {
	Kind     PolicyKind
	Provider *oidcupstream.Provider
	// Subject is the user at the provider. It is empty for PolicyConsent.
	Subject string
	// Tokens is the answer of the provider to the login. It is set for PolicyLogin alone.
	Tokens *oidcupstream.Tokens
	// Parent is the parent of a child, else nil.
	Parent     *mytoken.Token
	Properties *mytoken.Properties
	// CountFrom is when lifetimes begin to count, by the issuer's clock. Both calls for a
	// login with a consent page get the same time, so that the token expires when the page
	// said: s.Properties.Restrictions.LimitLifetime(s.CountFrom, 7*24*time.Hour).
	CountFrom time.Time
	// Client makes the request. For PolicyConsent it is who started the login, as far as
	// that is known.
	Client Client
}

// PolicyKind says why a token is about to be issued.
type PolicyKind uint8

// The kinds of an [Issuance].
const (
	PolicyLogin  PolicyKind = 1 // a first token, after a login
	PolicyAdopt  PolicyKind = 2 // a first token, for an adopted refresh token
	PolicyDerive PolicyKind = 3 // a child
	// PolicyConsent: a first token, before the user logs in. Let a request pass if the
	// decision needs Subject or Tokens. A change narrows what a consent page shows.
	PolicyConsent PolicyKind = 4
)

// String returns "login", "adopt", "derive" or "consent".
func (k PolicyKind) String() string {
	switch k {
	case PolicyLogin:
		return "login"
	case PolicyAdopt:
		return "adopt"
	case PolicyDerive:
		return "derive"
	case PolicyConsent:
		return "consent"
	}
	return "PolicyKind(" + strconv.Itoa(int(k)) + ")"
}

// policyRefused reports an error of the policy. It reports nothing else, and returns
// whether it reported. What merely looks ahead does not call it.
func (i *Issuer) policyRefused(ctx context.Context, kind PolicyKind, token mytoken.TokenID, client Client, err error) bool {
	if !isA[*PolicyError](err) {
		return false
	}
	i.notify(ctx, Notice{Kind: NoticePolicyRefused, Reason: kind.String(), Token: token, Client: client, Err: err})
	return true
}

// review asks the policy about the checked properties of s, and returns what it left,
// checked again. The policy gets a copy, so that nothing it keeps or changes later has an
// effect.
//
// A list that the policy emptied is refused. It must not turn into nil, which means no
// restrictions, or all of the parent's.
func (i *Issuer) review(ctx context.Context, s Issuance) (mytoken.Properties, error) {
	before := *s.Properties
	if i.cfg.Policy == nil {
		return before.Clone(), nil
	}
	given := before.Clone()
	s.Properties = &given
	_, err := rescue.Call(func() (struct{}, error) { return struct{}{}, i.cfg.Policy(ctx, &s) })
	if err != nil {
		rescue.Log(ctx, i.cfg.Logger, "the policy", err)
		return mytoken.Properties{}, &PolicyError{cause: err}
	}
	if s.Properties == nil {
		return mytoken.Properties{}, &PolicyError{cause: errors.New("the policy left no properties")}
	}
	after := s.Properties.Clone()
	if !after.Restrictions.Equal(before.Restrictions) {
		after.Restrictions = after.Restrictions.Normalize(s.CountFrom)
	}
	checked := after
	switch {
	case len(after.Capabilities) == 0:
		return mytoken.Properties{}, &PolicyError{cause: errors.New("the policy left no capability")}
	case len(after.Restrictions) == 0 && len(before.Restrictions) > 0:
		return mytoken.Properties{}, &PolicyError{cause: errors.New("the policy left no clause")}
	case after.Restrictions.Equal(before.Restrictions):
		// A child may inherit restrictions that this issuer cannot evaluate.
		after.Restrictions = before.Restrictions.Clone() // nil stays nil
		checked.Restrictions = nil
	}
	if err := i.checkProperties(&checked, i.Now()); err != nil {
		return mytoken.Properties{}, &PolicyError{cause: err}
	}
	return after, nil
}

// reviewFirst is review for a first token. It also applies the maximum lifetime of the
// provider (protocol section 2.8), which no policy can prolong.
func (i *Issuer) reviewFirst(ctx context.Context, p *Provider, s Issuance) (mytoken.Properties, error) {
	s.Provider = p.Upstream
	props, err := i.review(ctx, s)
	if err != nil {
		return props, err
	}
	if err := checkKnown(&props); err != nil {
		return props, &PolicyError{cause: err}
	}
	if props.Restrictions, _, err = props.Restrictions.LimitLifetime(s.CountFrom, p.MaxLifetime); err != nil {
		return props, requestError("restrictions", err)
	}
	props.Restrictions = restriction.Merge(props.Restrictions) // equal clauses share one budget
	return props, checkTimes(&props, i.Now())
}

// reviewShown is reviewFirst for properties that the user sees on a page. What comes out
// of it allows nothing else (P1).
func (i *Issuer) reviewShown(ctx context.Context, p *Provider, s Issuance) (mytoken.Properties, error) {
	shown := *s.Properties
	props, err := i.reviewFirst(ctx, p, s)
	if err == nil && !i.isWithin(&props, &shown) {
		err = &PolicyError{cause: errBeyondShown}
	}
	return props, err
}

// This text reaches the user.
var errBeyondShown = errors.New("you may not have a token within these restrictions and capabilities; ask for others")

// isWithin reports whether a token with the properties allows nothing that one with the
// others refuses, and no more uses.
func (i *Issuer) isWithin(props, others *mytoken.Properties) bool {
	return props.Capabilities.Within(others.Capabilities) &&
		restriction.WithinBudgets(props.Restrictions, others.Restrictions, i.cfg.Restrictions.Conditions)
}
