package restriction

import (
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// The key about hosts (protocol sections 2.1 and 2.3).
const (
	// KeyHosts lists the hosts from which uses may come.
	KeyHosts = "hosts"
	// KeyIP is an older name of KeyHosts. This package reads it and never writes it.
	KeyIP = "ip"
)

var keyHosts = &hosts{listKey{
	anyKey{KeyHosts}, func(c *Clause) *[]string { return &c.Hosts }, checkHost, "hosts",
}}

type hosts struct{ listKey }

func (k *hosts) alias() string       { return KeyIP }
func (k *hosts) remote(*Clause) bool { return true }

func checkHost(entry string) error {
	_, err := parseHost(entry)
	return err
}

// check refuses host names if the deployment does not look them up.
func (k *hosts) check(c *Clause, o *Options) error {
	if o.Resolver != nil {
		return nil
	}
	for _, entry := range c.Hosts {
		if h, err := parseHost(entry); err == nil && h.isName() {
			return errNamesOff
		}
	}
	return nil
}

func (k *hosts) compile(c *Clause, to *clause) part {
	p := &to.hosts
	p.limited = true
	p.blocks = make([]block, 0, len(c.Hosts))
	for _, entry := range c.Hosts {
		h, err := parseHost(entry)
		switch {
		case err != nil:
			p.malformed = append(p.malformed, entry)
		case h.isName():
			p.names = append(p.names, h)
		default:
			p.blocks = append(p.blocks, newBlock(h.block))
		}
	}
	if p.names != nil {
		to.looksUp(KeyHosts)
	}
	return nil
}

func (k *hosts) part(c *clause) part { return &c.hosts }

func (k *hosts) index(parents []part) keyIndex {
	return newListIndex(parents, func(p part) ([]host, bool) {
		hosts := p.(*places)
		return hosts.entries(), hosts.limited
	}, func(p part) (needs iter.Seq[[]host], has bool) {
		hosts := p.(*places)
		return func(yield func([]host) bool) {
			var covers []host // an IPv6 address has 129
			for _, h := range hosts.entries() {
				if covers = h.appendCoverers(covers[:0]); !yield(covers) {
					return
				}
			}
		}, hosts.limited
	})
}

// places is the part for hosts. The zero places limit nothing.
type places struct {
	limited   bool
	blocks    []block
	names     []host
	malformed []string // entries that no address matches
}

func (p *places) admits(q query) bool { return p.allows(&q) }

func (p *places) allows(q *query) bool {
	return p.hasAddress(q.from) || p.names != nil && p.hasName(q)
}

// hasAddress reports whether a block contains the address, or hosts are not limited.
func (p *places) hasAddress(from point) bool {
	for i := range p.blocks {
		if p.blocks[i].contains(from) {
			return true
		}
	}
	return !p.limited
}

// hasName reports whether a name that Prepare found for the address matches.
func (p *places) hasName(q *query) bool {
	return q.place.named && q.place.from == q.from && slices.ContainsFunc(q.place.names, p.wantsName)
}

// wantsName reports whether an entry matches the name.
func (p *places) wantsName(name string) bool {
	return slices.ContainsFunc(p.names, func(h host) bool { return h.matchesName(name) })
}

func (p *places) object(q query) Objection {
	o := Objection{Key: KeyHosts, Need: "an address among " + listed(p.texts()), Err: p.err(&q)}
	if q.from == (point{}) {
		o.Need += ", the request has none"
	} else {
		o.Need += ", not " + normalAddr(q.Address).String()
	}
	return o
}

// err says why Prepare may not have found all names of the address. It returns nil if
// names make no difference.
func (p *places) err(q *query) error {
	switch {
	case len(p.names) == 0 || q.from == (point{}):
		return nil
	case !q.place.named || q.place.from != q.from:
		return errNotPrepared
	}
	return q.place.namesErr
}

func (p *places) first(q query, t time.Time) Earliest {
	return lasting(p.allows(&q), p.err(&q), t)
}

// narrow leaves names to the part: they are not known before a request is prepared.
func (p *places) narrow(policy *Policy, g *gate) asks {
	switch {
	case !p.limited:
		return askNever
	case p.names != nil:
		return askAlways
	}
	var listed marks
	for i := range p.blocks {
		listed |= policy.hosts.add(p.blocks[i].span)
	}
	g.hosts &= listed
	if listed&sharedMarks != 0 {
		return askShared
	}
	return askNever
}

// within reports whether an entry of the parent covers each entry. Only an equal entry
// covers a malformed one.
func (p *places) within(parent part) bool {
	other := parent.(*places)
	if !p.limited || !other.limited {
		return !other.limited
	}
	for i := range p.blocks {
		if !p.blocks[i].withinAny(other.blocks) {
			return false
		}
	}
	return !slices.ContainsFunc(p.names, func(h host) bool { return !other.coversName(h) }) &&
		!slices.ContainsFunc(p.malformed, func(entry string) bool { return !slices.Contains(other.malformed, entry) })
}

func (p *places) excess(parent part) string {
	other := parent.(*places)
	var beyond []string
	for i := range p.blocks {
		if !p.blocks[i].withinAny(other.blocks) {
			beyond = append(beyond, blockTexts(p.blocks[i:i+1])...)
		}
	}
	for _, h := range p.names {
		if !other.coversName(h) {
			beyond = append(beyond, h.String())
		}
	}
	for _, entry := range p.malformed {
		if !slices.Contains(other.malformed, entry) {
			beyond = append(beyond, entry)
		}
	}
	return "the parent allows " + listed(other.texts()) + ", not " + listed(beyond)
}

// texts returns the entries that an address may match.
func (p *places) texts() []string {
	all := blockTexts(p.blocks)
	for _, h := range p.names {
		all = append(all, h.String())
	}
	return all
}

// common takes the smaller ones of two blocks or names of which one covers the other. A
// name and an address have nothing in common: no list could say it.
func (k *hosts) common(child, parent part) (entries []string) {
	one, other := child.(*places), parent.(*places)
	for _, pair := range [2][2]*places{{one, other}, {other, one}} {
		for i := range pair[0].blocks {
			if b := &pair[0].blocks[i]; b.withinAny(pair[1].blocks) {
				entries = withEntry(entries, blockTexts(pair[0].blocks[i : i+1])[0])
			}
		}
		for _, h := range pair[0].names {
			if pair[1].coversName(h) {
				entries = withEntry(entries, h.String())
			}
		}
	}
	return entries
}

// entries returns all entries. A malformed one becomes a name that no host has.
func (p *places) entries() []host {
	all := slices.Clone(p.names)
	for i := range p.blocks {
		all = append(all, host{block: p.blocks[i].prefix})
	}
	for _, entry := range p.malformed {
		all = append(all, host{name: malformedName + entry})
	}
	return all
}

func (p *places) coversName(name host) bool {
	return slices.ContainsFunc(p.names, func(h host) bool { return h.coversName(name) })
}

func (p *places) hopeless(o *Options) *ClauseError {
	if !p.limited || len(p.blocks) > 0 || len(p.names) > 0 && o.Resolver != nil {
		return nil
	}
	return &ClauseError{Key: KeyHosts, Err: badValue(ErrInvalid, "no entry that an address can match")}
}

// match implements [Facts.MatchHost]. named reports whether the deployment looks names
// up.
func (p *places) match(entry string, named bool) Match {
	if !p.limited {
		return Matches
	}
	h, err := parseHost(entry)
	if err != nil {
		return NoMatch
	}
	b := newBlock(h.block)
	switch {
	case h.isName() && named && p.coversName(h), !h.isName() && b.withinAny(p.blocks):
		return Matches
	case h.isName() && len(p.blocks) > 0, !h.isName() && named && len(p.names) > 0:
		return MayMatch
	}
	return NoMatch
}

// this is the host that stands for the requester's own address. Only requests may use it.
const this = "this"

// ReplaceThis returns a copy of l in which addr replaces the host "this", in upper or
// lower case. Of the entries that stand for addr in such a clause, it keeps the first. If a
// clause uses "this" and addr is not valid, it returns a [*ClauseError] that wraps
// [ErrInvalid].
func (l List) ReplaceThis(addr netip.Addr) (List, error) {
	isThis := func(entry string) bool { return strings.EqualFold(entry, this) }
	replaced := l.Clone()
	for i := range replaced {
		c := &replaced[i]
		if !slices.ContainsFunc(c.Hosts, isThis) {
			continue
		}
		if !addr.IsValid() {
			return nil, &ClauseError{i, KeyHosts, badValue(ErrInvalid, "the address of the requester is not known; replace %q by an address", this)}
		}
		own := host{block: netip.PrefixFrom(normalAddr(addr), normalAddr(addr).BitLen())}
		var entries []string
		has := false
		for _, entry := range c.Hosts {
			if isThis(entry) {
				entry = own.block.Addr().String()
			}
			if h, err := parseHost(entry); err != nil || h != own {
				entries = append(entries, entry)
			} else if !has {
				entries, has = append(entries, entry), true
			}
		}
		c.Hosts = entries
	}
	return replaced, nil
}

// Hosts allows uses only from these addresses, CIDR blocks, host names and "*." patterns.
func (p Phase) Hosts(hosts ...string) Phase {
	p.clause.Hosts = stated(hosts)
	return p
}
