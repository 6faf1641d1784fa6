package restriction

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Factory makes the condition that a value of an extra key stands for. The
// value is JSON text that was checked for syntax, and must not be changed. An
// error means that the value makes no sense: it is refused when a token is
// issued, and a clause that has it admits nothing.
type Factory func(value []byte) (Condition, error)

// Options is what a deployment can evaluate. The zero value evaluates all keys
// of the protocol that need no look-up.
type Options struct {
	// Resolver looks up host names. Without one, an address satisfies no host
	// name, and clauses with host names are refused at issue time.
	Resolver Resolver

	// Locator finds the country of an address. Without one, every country but
	// PrivateCountry is unknown, and an unknown country satisfies no
	// key about countries.
	Locator Locator

	// PrivateCountry is the ISO 3166-1 alpha-2 code of the country in which
	// private, loopback and link-local addresses are. "" is unknown.
	PrivateCountry string

	// LookupTimeout bounds the look-ups for one request; 0 is
	// DefaultLookupTimeout.
	LookupTimeout time.Duration

	// Conditions are the embedding program's own keys. They must not be keys of
	// the protocol. The map must not be changed while it is in use.
	Conditions map[string]Factory

	// Disabled are keys of the protocol that the deployment does not support:
	// refused at issue time; a clause that has one admits nothing (protocol
	// section 10.2, D25 and D26). Any other key here is an error of [Compile].
	Disabled []string
}

// SupportedKeys returns the keys that may be used in a clause, for discovery
// documents: those of the protocol in its order, then the embedding program's,
// sorted.
func (o *Options) SupportedKeys() []string {
	var names []string
	for _, k := range keys {
		if o.supports(k) {
			names = append(names, k.name())
		}
	}
	own := make([]string, 0, len(o.Conditions))
	for key := range o.Conditions {
		own = append(own, key)
	}
	slices.Sort(own)
	return append(names, own...)
}

// supports reports whether a key of the protocol can be evaluated.
func (o *Options) supports(k key) bool {
	return k.supported(o) && !slices.Contains(o.Disabled, k.name())
}

// Check reports the first key of l that this deployment cannot evaluate, as a
// [ClauseError] with [ErrUnsupported], or the first value of an own key that
// its factory refuses, with [ErrInvalid]. An issuer calls it next to
// [List.Validate] before it issues a token: to leave out what cannot be
// evaluated would make the token more powerful than what was asked for.
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
	if factory == nil {
		return nil, ErrUnsupported
	}
	condition, err := factory(extra.Value)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if condition == nil {
		return nil, badValue(ErrInvalid, "its factory made no condition")
	}
	return condition, nil
}

// Elsewhere returns options for a forecast of what another deployment decides, if nobody
// knows its look-ups. Look-ups that o lacks get stand-ins that answer [ErrUndetermined],
// so keys that depend on them are supported and count as [Facts.Lookups].
func (o Options) Elsewhere() Options {
	if o.Resolver == nil {
		o.Resolver = elsewhere{}
	}
	if o.Locator == nil {
		o.Locator = elsewhere{}
	}
	return o
}

// elsewhere is a look-up that another deployment makes.
type elsewhere struct{}

func (elsewhere) LookupAddr(context.Context, string) ([]string, error) { return nil, ErrUndetermined }

func (elsewhere) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, ErrUndetermined
}

func (elsewhere) Country(context.Context, netip.Addr) (string, error) { return "", ErrUndetermined }
