package restriction

import (
	"errors"
	"slices"
	"strings"
)

// Access is the scopes and audiences of an access token. A nil list means "not stated". A
// list that is empty but not nil means "none".
type Access struct {
	Scopes, Audiences []string
}

var (
	// ErrNothingLeft reports that no clause of a restricted token remains. Do not issue
	// the token: with an empty list it would be unrestricted.
	ErrNothingLeft = errors.New("restriction: no clause is left")
	// ErrBroader reports that an access token reaches beyond a clause. The error is a
	// [*BroaderError].
	ErrBroader = errors.New("restriction: access beyond the clause")
)

// BroaderError says that a provider granted more than a clause allows. It is an
// [ErrBroader].
type BroaderError struct {
	Scopes, Audiences []string // granted, but not in the clause
	// Unstated are the wire names of keys that the clause limits, although neither the
	// request to the provider nor its answer stated a list.
	Unstated []string
}

// Error lists the scopes, audiences and keys.
func (e *BroaderError) Error() string {
	var parts []string
	for _, part := range []struct {
		what string
		list []string
	}{{"scopes", e.Scopes}, {"audiences", e.Audiences}, {"unstated", e.Unstated}} {
		if len(part.list) > 0 {
			parts = append(parts, part.what+" "+listed(part.list))
		}
	}
	return ErrBroader.Error() + ": " + strings.Join(parts, "; ")
}

// Is reports whether target is [ErrBroader].
func (e *BroaderError) Is(target error) bool { return target == ErrBroader }

// Ask returns the scopes and audiences to request from the provider after clause c
// admitted a use (protocol section 2.7). For each of the two it takes the first list that
// has entries: the requested one, the one in the clause, or the fallback. c is nil for a
// token without restrictions. The result shares no memory with the arguments.
func Ask(c *Clause, requested, fallback Access) Access {
	if c == nil {
		c = &Clause{}
	}
	return Access{
		Scopes:    firstStated(requested.Scopes, c.Scopes, fallback.Scopes),
		Audiences: firstStated(requested.Audiences, c.Audiences, fallback.Audiences),
	}
}

func firstStated(lists ...[]string) []string {
	for _, list := range lists {
		if len(list) > 0 {
			return slices.Clone(list)
		}
	}
	return nil
}

// CheckAnswer checks that the provider granted nothing beyond the clause that admitted
// the use. c is nil for a token without restrictions.
//
// If the answer does not state a list (nil), CheckAnswer assumes that the provider
// granted what was asked for (RFC 6749, section 5.1). If asked does not state the list
// either, the provider chose freely, which a clause with that key does not allow.
//
// CheckAnswer returns a [*BroaderError] for access beyond the clause. The caller must
// then withhold the access token (protocol section 10.2, D14).
func CheckAnswer(c *Clause, asked, answer Access) error {
	if c == nil {
		return nil
	}
	var broader BroaderError
	broader.Scopes = broader.beyond(KeyScope, c.Scopes, asked.Scopes, answer.Scopes)
	broader.Audiences = broader.beyond(KeyAudience, c.Audiences, asked.Audiences, answer.Audiences)
	if broader.Scopes != nil || broader.Audiences != nil || broader.Unstated != nil {
		return &broader
	}
	return nil
}

// beyond returns the granted entries that allowed lacks. Without an answer, the provider
// granted what was asked for.
func (e *BroaderError) beyond(key string, allowed, asked, answer []string) []string {
	if answer == nil {
		answer = asked
	}
	switch {
	case allowed == nil:
		return nil
	case answer == nil:
		e.Unstated = append(e.Unstated, key)
	}
	var more []string
	listed := membership(allowed)
	for _, entry := range answer {
		if !listed[entry] {
			more = append(more, entry)
		}
	}
	return more
}

// ScopeUnion returns the scopes that a login has to request for a token with these
// restrictions: those of all clauses, in order and without repetitions. If l is empty or
// has a clause without scopes, bounded is false, and the login has to request every scope
// (protocol section 10.2, D12).
func (l List) ScopeUnion() (scopes []string, bounded bool) {
	return l.union(func(c *Clause) []string { return c.Scopes })
}

// AudienceUnion does for audiences what [List.ScopeUnion] does for scopes.
func (l List) AudienceUnion() (audiences []string, bounded bool) {
	return l.union(func(c *Clause) []string { return c.Audiences })
}

func (l List) union(of func(*Clause) []string) (union []string, bounded bool) {
	seen := make(map[string]bool)
	for i := range l {
		list := of(&l[i])
		if list == nil {
			return nil, false
		}
		for _, entry := range list {
			if !seen[entry] {
				seen[entry] = true
				union = append(union, entry)
			}
		}
	}
	return union, len(l) > 0
}

// DroppedClause is a clause that was dropped because the provider granted none of its
// scopes or none of its audiences.
type DroppedClause struct {
	Clause int    // index in the original list
	Key    string // KeyScope or KeyAudience: the list that lost all entries
}

// Granted narrows the scopes and audiences of each clause to what the provider granted. A
// nil list in granted means that the provider's answer did not state it; Granted then
// keeps the lists of the clauses.
//
// Granted drops a clause if one of its lists would become empty, because an empty list
// reads as no restriction (protocol section 10.2, D11). If it drops every clause, it
// returns [ErrNothingLeft]. An empty l stays empty. The result shares no memory with the
// arguments.
func (l List) Granted(granted Access) (List, []DroppedClause, error) {
	var kept List
	var dropped []DroppedClause
	scopes, audiences := membership(granted.Scopes), membership(granted.Audiences)
	for i := range l {
		c := l[i].Clone()
		c.Scopes = intersect(c.Scopes, scopes)
		c.Audiences = intersect(c.Audiences, audiences)
		switch {
		case c.Scopes != nil && len(c.Scopes) == 0:
			dropped = append(dropped, DroppedClause{i, KeyScope})
		case c.Audiences != nil && len(c.Audiences) == 0:
			dropped = append(dropped, DroppedClause{i, KeyAudience})
		default:
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 && len(l) > 0 {
		return nil, dropped, ErrNothingLeft
	}
	return kept, dropped, nil
}

// intersect returns the entries of list that were granted. The result is nil only if list
// is nil.
func intersect(list []string, granted map[string]bool) []string {
	if list == nil || granted == nil {
		return list
	}
	return slices.DeleteFunc(list, func(entry string) bool { return !granted[entry] })
}

// membership serves to look up many entries in a list. It is nil only if list is nil.
func membership(list []string) map[string]bool {
	if list == nil {
		return nil
	}
	listed := make(map[string]bool, len(list))
	for _, entry := range list {
		listed[entry] = true
	}
	return listed
}
