package restriction

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/internal/rescue"
)

// Factory makes the [Condition] for a value of an extra key. value is JSON text whose
// syntax was checked. A Factory must not change it, and must be safe for concurrent use.
// An error means that the value makes no sense. An issuer then refuses the clause, and a
// token's clause with that value admits nothing.
type Factory func(value []byte) (Condition, error)

// Options says what a deployment can evaluate. The zero value evaluates all keys of the
// protocol that need no look-up.
type Options struct {
	// Resolver looks up host names. Without one, no address satisfies a host name, and
	// [Options.Check] refuses clauses with host names.
	Resolver Resolver

	// Locator finds the country of an address. Without one, every country is unknown,
	// except for PrivateCountry. An unknown country satisfies no key about countries. If
	// both Locator and PrivateCountry are missing, keys about countries are not
	// supported.
	Locator Locator

	// PrivateCountry is the ISO 3166-1 alpha-2 code of the country of private, loopback
	// and link-local addresses. "" means unknown.
	PrivateCountry string

	// LookupTimeout bounds the look-ups for one request, all together. 0 means
	// [DefaultLookupTimeout].
	LookupTimeout time.Duration

	// Conditions are the embedding program's own keys. They must not be keys of the
	// protocol. Do not change the map while it is in use.
	Conditions map[string]Factory

	// Disabled are keys of the protocol that the deployment does not support.
	// [Options.Check] refuses them, and a clause that has one admits nothing (protocol
	// section 10.2, D25 and D26). [Compile] returns [ErrInvalid] for any other key here.
	Disabled []string
}

// SupportedKeys returns the keys that a clause may have in this deployment, for discovery
// documents. The keys of the protocol come first, in its order. The embedding program's
// own keys follow, sorted.
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

// supports reports whether the deployment can evaluate a key of the protocol.
func (o *Options) supports(k key) bool {
	return k.supported(o) && !slices.Contains(o.Disabled, k.name())
}

// Check returns a [*ClauseError] for the first thing in l that this deployment cannot
// evaluate. It wraps [ErrUnsupported] for a key, or for a host name without a Resolver.
// It wraps [ErrInvalid] for a value that a factory refuses.
//
// An issuer calls Check and [List.Validate] before it issues a token. It must refuse a
// key that it cannot evaluate and must not drop it, because the token would then be more
// powerful than requested.
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
	condition, err := rescue.Call(func() (Condition, error) { return factory(extra.Value) })
	if err != nil {
		return nil, because(ErrInvalid, err)
	}
	if condition == nil {
		return nil, badValue(ErrInvalid, "its factory made no condition")
	}
	return condition, nil
}

// Elsewhere returns options for forecasts of the decisions of another deployment, whose
// look-ups are not known here. For each look-up that o lacks, it adds one that always
// returns [ErrUndetermined]. Keys that depend on look-ups then count as supported.
func (o Options) Elsewhere() Options {
	if o.Resolver == nil {
		o.Resolver = elsewhere{}
	}
	if o.Locator == nil {
		o.Locator = elsewhere{}
	}
	return o
}

// elsewhere is a look-up that never knows the answer.
type elsewhere struct{}

func (elsewhere) LookupAddr(context.Context, string) ([]string, error) { return nil, ErrUndetermined }

func (elsewhere) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, ErrUndetermined
}

func (elsewhere) Country(context.Context, netip.Addr) (string, error) { return "", ErrUndetermined }
