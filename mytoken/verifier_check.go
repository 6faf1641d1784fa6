package mytoken

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// Use is what a token shall be used for. The zero value is refused.
type Use struct {
	// Capability is what the token must have. Empty is refused, unless
	// SkipCapability is set.
	Capability capability.Capability
	// SkipCapability accepts a token whatever it is capable of.
	SkipCapability bool
	// Kind is the kind of the use: restriction.AT judges scopes, audiences and
	// usages_AT; restriction.Other judges usages_other; restriction.Uncounted
	// judges time and place only.
	Kind restriction.Kind
	// Address is where the request comes from. If it is not valid, clauses that
	// depend on it do not admit.
	Address netip.Addr
	// Scopes and Audiences are what is asked for, for restriction.AT. Where one is
	// empty nothing of its kind was asked for, and no clause objects on its account:
	// name what the request needs.
	Scopes, Audiences []string
	// Values are facts for the embedding program's own conditions.
	Values map[string]any
}

// ErrUse reports a use that does not say what it is, or no token.
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

// Check says whether a token may be used, as far as a verifier can tell: it is of
// this issuer, still valid, has the capability, and one of its clauses admits the
// use. It spends nothing; see [Verifier] for what it cannot know. The signature is
// not checked again: verify the string anew for each request, which costs little.
//
// It may look up host names and countries, as configured, within ctx.
//
// Errors: [ErrUse]; [InvalidTokenError]; [CapabilityError];
// [restriction.RefusedError], which explains itself.
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
