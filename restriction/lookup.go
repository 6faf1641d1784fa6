package restriction

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/internal/rescue"
)

// Resolver looks up the names of an address and the addresses of a name, for host names
// in clauses. [*net.Resolver] implements it. [NewResolverCache] puts a cache in front of
// one. A Resolver must be safe for concurrent use.
type Resolver interface {
	// LookupAddr returns the names of an address.
	LookupAddr(ctx context.Context, addr string) ([]string, error)
	// LookupNetIP returns the addresses of a name. network is "ip", and the name ends
	// with a dot.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Locator says in which country an address is. It must be safe for concurrent use.
type Locator interface {
	// Country returns the ISO 3166-1 alpha-2 code of the country, in upper or lower case.
	// It returns "" if the country is not known.
	Country(ctx context.Context, addr netip.Addr) (string, error)
}

// DefaultLookupTimeout bounds the look-ups of one [Policy.Prepare] if
// [Options.LookupTimeout] is zero.
const DefaultLookupTimeout = 2 * time.Second

// mostNames bounds how many names of one address Prepare confirms.
const mostNames = 16

// place is what Prepare found out about an address.
type place struct {
	from point // the address; the place says nothing about another one

	named    bool
	names    []string // confirmed, in normal form
	namesErr error    // why names may be missing

	located    bool
	country    country
	countryErr error // why the country is unknown
}

var (
	errNotPrepared = fmt.Errorf("%w: it was not looked up", ErrUndetermined)
	errNoResolver  = errors.New("host names are not looked up here")
	errNoLocator   = errors.New("countries are not looked up here")
	errNoCountry   = errors.New("the country is unknown")
)

// errNamesOff refuses a host name in a deployment that looks up none. Discovery lists the
// key hosts there, because addresses work. So "unsupported key" would mislead.
var errNamesOff error = namesOff{}

type namesOff struct{}

func (namesOff) Error() string {
	return "host names are switched off here; use addresses or networks such as 192.0.2.0/24"
}

// Is reports whether target is [ErrUnsupported].
func (namesOff) Is(target error) bool { return target == ErrUnsupported }

// Prepare looks up what the policy needs to know about the address of r: its names if a
// clause has host names, and its country if a clause has countries. It stores the results
// in r. It does nothing for other policies. Call it before [Policy.Evaluate] if
// [Policy.NeedsLookup] is true. Without it, clauses with countries do not admit, and host
// names match nothing.
//
// All look-ups together take at most [Options.LookupTimeout]. Prepare returns no error.
// If a look-up fails, panics or takes too long, the clauses that depend on it object.
//
// Prepare confirms names: an address has a name only if its reverse entry states the name
// and the name resolves to the address.
func (p *Policy) Prepare(ctx context.Context, r *Request) {
	if !p.NeedsLookup() {
		return
	}
	addr := normalAddr(r.Address)
	r.place = place{from: newPoint(addr)}
	if !addr.IsValid() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.options.LookupTimeout)
	defer cancel()
	if p.countries {
		r.place.located = true
		r.place.country, r.place.countryErr = p.locate(ctx, addr)
	}
	if p.names && p.dependsOnName(r.place.from) {
		r.place.named = true
		r.place.names, r.place.namesErr = p.confirmedNames(ctx, addr)
	}
}

// NeedsLookup reports whether [Policy.Prepare] has anything to do.
func (p *Policy) NeedsLookup() bool {
	return p != nil && (p.names || p.countries)
}

// Decide calls [Policy.Prepare] and then [Policy.Evaluate].
func (p *Policy) Decide(ctx context.Context, r *Request) Decision {
	p.Prepare(ctx, r)
	return p.Evaluate(r)
}

// locate returns the country of an address. Private, loopback and link-local addresses
// are in [Options.PrivateCountry].
func (p *Policy) locate(ctx context.Context, addr netip.Addr) (country, error) {
	if addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() {
		if p.home == (country{}) {
			return country{}, errNoCountry
		}
		return p.home, nil
	}
	if p.options.Locator == nil {
		return country{}, errNoLocator
	}
	code, err := rescue.Call(func() (string, error) { return p.options.Locator.Country(ctx, addr) })
	if err != nil {
		return country{}, fmt.Errorf("%w: %w", ErrUndetermined, err)
	}
	if found, err := parseCountry(code); err == nil {
		return found, nil
	}
	return country{}, errNoCountry
}

// dependsOnName reports whether some clause has host names but no block with the address.
// Only then do the names of the address make a difference.
func (p *Policy) dependsOnName(from point) bool {
	for i := range p.clauses {
		if hosts := &p.clauses[i].hosts; len(hosts.names) > 0 && !hosts.hasAddress(from) {
			return true
		}
	}
	return false
}

// wantsName reports whether an entry of some clause matches the name.
func (p *Policy) wantsName(name string) bool {
	for i := range p.clauses {
		if p.clauses[i].hosts.wantsName(name) {
			return true
		}
	}
	return false
}

// confirmedNames returns the names of the address that match an entry of some clause and
// resolve to the address. The error says why names may be missing.
func (p *Policy) confirmedNames(ctx context.Context, addr netip.Addr) ([]string, error) {
	resolver := p.options.Resolver
	if resolver == nil {
		return nil, errNoResolver
	}
	claimed, err := rescue.Call(func() ([]string, error) { return resolver.LookupAddr(ctx, addr.String()) })
	if len(claimed) == 0 {
		return nil, undetermined(err)
	}
	var confirmed []string
	var unsure error
	if len(claimed) > mostNames {
		claimed, unsure = claimed[:mostNames], fmt.Errorf("%w: the address has too many names", ErrUndetermined)
	}
	for _, name := range claimed {
		name, ok := normalName(name)
		if !ok || !p.wantsName(name) {
			continue
		}
		found, err := rescue.Call(func() ([]netip.Addr, error) { return resolver.LookupNetIP(ctx, "ip", name+".") })
		if slices.ContainsFunc(found, func(a netip.Addr) bool { return normalAddr(a) == addr }) {
			confirmed = append(confirmed, name)
		} else if err := undetermined(err); err != nil {
			unsure = err
		}
	}
	return confirmed, unsure
}

// undetermined returns nil if the DNS answered that there is no such entry. It wraps
// every other error in [ErrUndetermined].
func undetermined(err error) error {
	if err == nil {
		return nil
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUndetermined, err)
}
