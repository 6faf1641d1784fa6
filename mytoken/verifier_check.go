package mytoken

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// Use is what somebody wants to use a token for. The zero value is refused.
type Use struct {
	// Capability is what the token must have. Empty is refused unless SkipCapability is
	// set.
	Capability capability.Capability
	// SkipCapability accepts a token whatever its capabilities.
	SkipCapability bool
	// Kind says what the clauses judge. They always judge time, place and your own
	// conditions. For [restriction.AT] they also judge scopes, audiences and usages_AT,
	// and for [restriction.Other] usages_other.
	Kind restriction.Kind
	// Address is where the request comes from. If it is not valid, clauses that depend on
	// it refuse.
	Address netip.Addr
	// Scopes and Audiences are what a request of the kind [restriction.AT] needs. Name
	// all of them, because no clause objects to an empty list.
	Scopes, Audiences []string
	// Values are facts for the embedding program's own conditions.
	Values map[string]any
}

// ErrUse reports an incomplete use, or a missing token.
var ErrUse = errors.New("mytoken: incomplete use")

// complete refuses a use that leaves open what to check.
func (u *Use) complete() error {
	switch {
	case u.Capability == "" && !u.SkipCapability:
		return fmt.Errorf("%w: Capability is empty, and SkipCapability is not set", ErrUse)
	case u.Kind < restriction.AT || u.Kind > restriction.Uncounted:
		return fmt.Errorf("%w: Kind is not set to a known kind", ErrUse)
	}
	return nil
}

// Check returns nil if the token may be used, as far as a verifier can tell: this issuer
// issued it, it is valid now, it has the capability, and one of its clauses admits the
// use or it has no clauses. See [Verifier] for what Check cannot know. It spends nothing.
//
// Check does not check the signature again. Call [Verifier.Verify] for each request; the
// cache makes that cheap. Check may look up host names and countries, as configured,
// until ctx ends.
//
// Errors: [ErrUse]; [InvalidTokenError]; [CapabilityError]; [restriction.RefusedError],
// which explains the refusal.
func (v *Verifier) Check(ctx context.Context, t *Token, use Use) error {
	switch {
	case !v.usable():
		return ErrVerifierConfig
	case t == nil || t.claims.JTI.IsZero():
		return fmt.Errorf("%w: no token", ErrUse)
	case t.claims.Issuer != v.issuer:
		return &InvalidTokenError{ErrTokenIssuer}
	}
	if err := use.complete(); err != nil {
		return err
	}
	if err := v.checkTimes(t); err != nil {
		return err
	}
	if use.Capability != "" && !t.Allows(use.Capability) {
		return &CapabilityError{Needed: use.Capability}
	}
	request := &restriction.Request{
		Now: v.clock(), Kind: use.Kind, Address: use.Address,
		Scopes: use.Scopes, Audiences: use.Audiences, Values: use.Values,
	}
	if !v.assumeUsage {
		// A list without counts, unlike nil, makes every clause with a limit refuse.
		request.Used = []restriction.Usage{}
	}
	decision := t.compiled.Decide(ctx, request)
	return decision.Err()
}
