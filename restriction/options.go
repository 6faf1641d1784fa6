package restriction

import (
	"context"
	"net/netip"
	"slices"
	"time"
)

// Factory makes the condition that a value of an extra key stands for. The value is JSON
// text whose syntax was checked, and must not be changed. An error means that the value
// makes no sense: an issuer refuses it, and a clause that has it admits nothing.
type Factory func(value []byte) (Condition, error)

// Options is what a deployment can evaluate. The zero value evaluates all keys of the
// protocol that need no look-up.
type Options struct {
	// Resolver looks up host names. Without one, no address satisfies a host name, and
	// [Options.Check] refuses clauses with host names.
	Resolver Resolver

	// Locator finds the country of an address. Without one, every country but
	// PrivateCountry is unknown. An unknown country satisfies no key about countries.
	Locator Locator

	// PrivateCountry is the ISO 3166-1 alpha-2 code of the country of private, loopback
	// and link-local addresses. "" is unknown.
	PrivateCountry string

	// LookupTimeout bounds the look-ups for one request. 0 is [DefaultLookupTimeout].
	LookupTimeout time.Duration

	// Conditions are the embedding program's own keys. They must not be keys of the
	// protocol. The map must not be changed while it is in use.
	Conditions map[string]Factory

	// Disabled are keys of the protocol that the deployment does not support.
	// [Options.Check] refuses them, and a clause that has one admits nothing (protocol
	// section 10.2, D25 and D26). [Compile] returns [ErrInvalid] for any other key here.
	Disabled []string
}

// SupportedKeys returns the keys that a clause may have, for discovery documents: those
// of the protocol in its order, then the embedding program's, sorted.
func (o *Options) SupportedKeys() []string {
	var names []string
	for _, k := range keys {
		if o.supports(k) {
			names = append(names, k.name())
		}
	}
	own := make([]string, 0, len(o.Conditions))
	for name := range o.Conditions {
		own = append(own, name)
	}
	slices.Sort(own)
	return append(names, own...)
}

// supports reports whether a key of the protocol can be evaluated.
func (o *Options) supports(k key) bool {
	return k.supported(o) && !slices.Contains(o.Disabled, k.name())
}

// Check reports the first thing in l that this deployment cannot evaluate, as a
// [*ClauseError]. It is an [ErrUnsupported] for a key, and an [ErrInvalid] for a value
// that a factory refuses.
//
// An issuer calls Check and [List.Validate] before it issues a token. It must not leave
// out what it cannot evaluate: the token would be more powerful than what was asked for.
func (o *Options) Check(l List) error {
	for i := range l {
		if err := o.check(&l[i]); err != nil {
			return located(i, err)
		}
	}
	return nil
}

func (o *Options) check(c *Clause) error {
	for _, k := range keys {
		if !k.states(c) {
			continue
		}
		if !o.supports(k) {
			return &ClauseError{Key: k.name(), Err: ErrUnsupported}
		}
		if err := k.check(c, o); err != nil {
			return &ClauseError{Key: k.name(), Err: err}
		}
	}
	for i := range c.Extra {
		if _, err := o.condition(&c.Extra[i]); err != nil {
			return &ClauseError{Key: c.Extra[i].Key, Err: err}
		}
	}
	return nil
}

// condition makes the condition of an extra key.
func (o *Options) condition(extra *Extra) (Condition, error) {
	factory := o.Conditions[extra.Key]
	if factory == nil || isKnown(extra.Key) {
		return nil, ErrUnsupported
	}
	condition, err := factory(extra.Value)
	if err != nil {
		return nil, because(ErrInvalid, err)
	}
	if condition == nil {
		return nil, badValue(ErrInvalid, "its factory made no condition")
	}
	return condition, nil
}

// Elsewhere returns options for a forecast of what another deployment decides, if its
// look-ups are not known. A stand-in that returns [ErrUndetermined] takes the place of
// each look-up that o lacks, so keys that depend on look-ups are supported.
func (o Options) Elsewhere() Options {
	if o.Resolver == nil {
		o.Resolver = elsewhere{}
	}
	if o.Locator == nil {
		o.Locator = elsewhere{}
	}
	return o
}

// elsewhere stands in for a look-up of another deployment.
type elsewhere struct{}

func (elsewhere) LookupAddr(context.Context, string) ([]string, error) { return nil, ErrUndetermined }

func (elsewhere) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, ErrUndetermined
}

func (elsewhere) Country(context.Context, netip.Addr) (string, error) { return "", ErrUndetermined }
