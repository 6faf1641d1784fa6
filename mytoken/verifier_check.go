package mytoken

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// Use is what a token is to be used for. The zero value is refused.
type Use struct {
	// Capability is what the token must have. Empty is refused unless SkipCapability is
	// set.
	Capability capability.Capability
	// SkipCapability accepts a token whatever its capabilities.
	SkipCapability bool
	// Kind is the kind of the use. With restriction.AT the clauses judge scopes,
	// audiences and usages_AT, with restriction.Other usages_other, and with
	// restriction.Uncounted only time and place.
	Kind restriction.Kind
	// Address is where the request comes from. If it is not valid, clauses that depend on
	// it refuse.
	Address netip.Addr
	// Scopes and Audiences are what the request needs, for restriction.AT. No clause
	// objects to an empty list, so name everything that the request needs.
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
		return fmt.Errorf("%w: no capability", ErrUse)
	case u.Kind < restriction.AT || u.Kind > restriction.Uncounted:
		return fmt.Errorf("%w: no kind", ErrUse)
	}
	return nil
}

// Check returns nil if the token may be used, as far as a verifier can tell: it is this
// issuer's, it is still valid, it has the capability, and one of its clauses admits the
// use. Check spends nothing; see [Verifier] for what it cannot know. It does not check
// the signature again: call [Verifier.Verify] for each request, which costs little.
//
// Check may look up host names and countries, as configured, within ctx.
//
// Errors: [ErrUse]; [InvalidTokenError]; [CapabilityError]; [restriction.RefusedError],
// which explains itself.
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
		// Not nil, and without any clause: no limited clause has a count.
		request.Used = []restriction.Usage{}
	}
	decision := t.compiled.Decide(ctx, request)
	return decision.Err()
}
