package plan

import (
	"slices"

	"github.com/mytoken-go/sdk/restriction"
)

// label is what access tokens may be asked for: scopes and audiences, sorted,
// nil being any.
type label struct{ scopes, audiences []string }

func newLabel(scopes, audiences []string) label { return label{sorted(scopes), sorted(audiences)} }

// within reports whether whoever may ask for other may ask for l.
func (l label) within(other label) bool {
	return subset(l.scopes, other.scopes) && subset(l.audiences, other.audiences)
}

func (l label) equal(other label) bool { return l.within(other) && other.within(l) }

// subset reports whether other has all of list; nil has everything.
func subset(list, other []string) bool {
	if other == nil {
		return true
	}
	return list != nil && !slices.ContainsFunc(list, func(s string) bool { return !slices.Contains(other, s) })
}

// sorted returns the entries once each, in order. Without entries it is nil.
func sorted(entries []string) []string {
	if len(entries) == 0 {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(entries)))
}

// anywhere is the column of all addresses.
const anywhere = ""

// covers reports whether a host entry is among those that the entries admit,
// whatever the answers of the DNS; nil admits all addresses.
func covers(entries []string, host string) bool {
	switch {
	case len(entries) == 0:
		return true
	case host == anywhere:
		return false
	}
	return restriction.Within(restriction.List{{Hosts: []string{host}}}, restriction.List{{Hosts: entries}}, nil)
}
