package restriction

import (
	"container/list"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/fresh"
)

// CacheOptions bounds a [ResolverCache].
type CacheOptions struct {
	Size        int              // answers kept; 0 = 4096
	TTL         time.Duration    // how long answers are kept; 0 = one minute
	NegativeTTL time.Duration    // how long "there is none" is kept; 0 = ten seconds
	Now         func() time.Time // the clock; nil = time.Now
}

// mostAnswers bounds the entries of one answer that the cache keeps.
const mostAnswers = 64

// ResolverCache is a [Resolver] that remembers a bounded number of answers. It forgets
// the least recently used one first. It also remembers that there is no entry, but no
// other failure. It is safe for concurrent use.
type ResolverCache struct {
	resolver Resolver
	options  CacheOptions

	mu      sync.Mutex
	answers map[question]*list.Element // of *answer
	recent  *list.List                 // most recent first
}

type question struct{ network, subject string } // the network is "" for the names of an address

type answer struct {
	question question
	since    time.Time
	ttl      time.Duration
	names    []string
	addrs    []netip.Addr
	err      error
}

// NewResolverCache returns a cache in front of r.
func NewResolverCache(r Resolver, o CacheOptions) *ResolverCache {
	if o.Size <= 0 {
		o.Size = 4096
	}
	if o.TTL <= 0 {
		o.TTL = time.Minute
	}
	if o.NegativeTTL <= 0 {
		o.NegativeTTL = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &ResolverCache{resolver: r, options: o, answers: make(map[question]*list.Element), recent: list.New()}
}

// LookupAddr returns the names of an address, from the cache if possible. It returns at
// most 64 names, and the errors of the resolver.
func (c *ResolverCache) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	a := c.ask(question{subject: addr}, func(a *answer) {
		a.names, a.err = c.resolver.LookupAddr(ctx, addr)
	})
	return slices.Clone(a.names), a.err
}

// LookupNetIP returns the addresses of a name, from the cache if possible. It returns at
// most 64 addresses, and the errors of the resolver.
func (c *ResolverCache) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	a := c.ask(question{network, host}, func(a *answer) {
		a.addrs, a.err = c.resolver.LookupNetIP(ctx, network, host)
	})
	return slices.Clone(a.addrs), a.err
}

// ask returns the remembered answer, or gets one without holding the lock. If several
// callers miss the same answer at the same time, each asks the resolver.
func (c *ResolverCache) ask(q question, lookup func(*answer)) *answer {
	if a := c.remembered(q); a != nil {
		return a
	}
	a := &answer{question: q}
	lookup(a)
	a.names = slices.Clip(a.names[:min(len(a.names), mostAnswers)])
	a.addrs = slices.Clip(a.addrs[:min(len(a.addrs), mostAnswers)])
	ttl := c.options.TTL
	if a.err != nil {
		if dns, ok := errors.AsType[*net.DNSError](a.err); !ok || !dns.IsNotFound {
			return a
		}
		ttl = c.options.NegativeTTL
	}
	a.since, a.ttl = c.options.Now(), ttl
	c.remember(a)
	return a
}

func (c *ResolverCache) remembered(q question) *answer {
	now := c.options.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.answers[q]
	if !ok {
		return nil
	}
	a := element.Value.(*answer)
	if !fresh.Within(a.since, a.ttl, now) {
		c.forget(element)
		return nil
	}
	c.recent.MoveToFront(element)
	return a
}

func (c *ResolverCache) remember(a *answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.answers[a.question]; ok {
		c.forget(element)
	}
	c.answers[a.question] = c.recent.PushFront(a)
	for c.recent.Len() > c.options.Size {
		c.forget(c.recent.Back())
	}
}

func (c *ResolverCache) forget(element *list.Element) {
	delete(c.answers, element.Value.(*answer).question)
	c.recent.Remove(element)
}
