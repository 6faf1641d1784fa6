package plan

import (
	"slices"

	"github.com/mytoken-go/sdk/restriction"
)

// source is a clause from which phases spend uses.
type source struct {
	limits    restriction.Clause
	at, other int64  // uses left; AnyNumber is no limit
	open      []open // when it admits
	unsure    bool   // it depends on a look-up of a country
}

// open is a time at which a source admits, for sure or perhaps.
type open struct {
	seconds
	sure bool
}

// sources are the clauses of a list of which nothing was spent.
func sources(list restriction.List) []source {
	all := make([]source, len(list))
	for i := range list {
		c := &list[i]
		all[i] = source{limits: *c, at: uses(c.UsagesAT), other: uses(c.UsagesOther), unsure: c.GeoIPAllow != nil || c.GeoIPDisallow != nil}
		if t, ok := times(c); ok {
			all[i].open = []open{{t, len(c.Extra) == 0}}
		}
	}
	return all
}

// times is from nbf to exp, or false if that is never.
func times(c *restriction.Clause) (seconds, bool) {
	t := always
	if c.NotBefore != 0 {
		t.first = c.NotBefore
	}
	if c.Expires != 0 {
		t.last = c.Expires
	}
	return t, t.first <= t.last
}

// uses is a limit in the form of a plan.
func uses(limit *int64) int64 {
	if limit == nil {
		return AnyNumber
	}
	return max(*limit, 0)
}

// left is how many uses of a kind the source has.
func (s *source) left(kind restriction.Kind) int64 {
	if kind == restriction.AT {
		return s.at
	}
	return s.other
}

// fit is whether a use fits a source.
type fit uint8

const (
	misfit  fit = iota
	takes       // some uses of the phase may be spent from it, others do not fit
	perhaps     // it is not known
	fits
)

// fit compares what a phase asks for from a host with the source, apart from
// time and counters.
func (s *source) fit(p *Phase, kind restriction.Kind, host string) fit {
	f := fitHost(s.limits.Hosts, host)
	if s.unsure {
		f = min(f, perhaps)
	}
	if kind == restriction.AT {
		f = min(f, s.fitAccess(p))
	}
	return f
}

// fitAccess compares scopes and audiences. A phase without audiences may ask for
// those of the clause, or for others.
func (s *source) fitAccess(p *Phase) fit {
	switch asked := newLabel(p.Scopes, p.Audiences); {
	case asked.within(label{s.limits.Scopes, s.limits.Audiences}):
		return fits
	case asked.audiences == nil && asked.within(label{s.limits.Scopes, nil}) && len(s.limits.Audiences) > 0:
		return takes
	}
	return misfit
}

// fitHost compares a host of a phase with the hosts of a clause. Whether a name
// and an address are the same is up to the DNS.
func fitHost(entries []string, host string) fit {
	switch {
	case entries == nil || len(entries) > 0 && covers(entries, host):
		return fits
	case host == anywhere:
		return misfit
	case slices.ContainsFunc(entries, func(entry string) bool { return isHost(entry) && isName(entry) != isName(host) }):
		return perhaps
	}
	return misfit
}

// isHost reports whether an entry can match at all.
func isHost(entry string) bool {
	return restriction.List{{Hosts: []string{entry}}}.Validate() == nil
}

// isName reports whether an entry is a host name or a pattern, for which a look-up
// is needed.
func isName(entry string) bool {
	var withoutResolver restriction.Options
	return withoutResolver.Check(restriction.List{{Hosts: []string{entry}}}) != nil
}

// openAt returns whether the source is open at a second, and whether for sure.
func (s *source) openAt(second int64) fit {
	for _, o := range s.open {
		switch {
		case second < o.first || second > o.last:
		case o.sure:
			return fits
		default:
			return perhaps
		}
	}
	return misfit
}
