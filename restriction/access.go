package restriction

import (
	"errors"
	"slices"
	"strings"
)

// Access is what an access token is for. A nil list says nothing. A list without entries
// says "none".
type Access struct {
	Scopes, Audiences []string
}

var (
	// ErrNothingLeft reports that no clause of a restricted token remains. The token must
	// not be issued, because a list without clauses is no restriction.
	ErrNothingLeft = errors.New("restriction: no clause is left")
	// ErrBroader reports access that goes beyond a clause. The error is a
	// [*BroaderError].
	ErrBroader = errors.New("restriction: access beyond the clause")
)

// BroaderError says that a provider granted more than a clause allows. It is an
// [ErrBroader].
type BroaderError struct {
	Scopes, Audiences []string // what goes beyond the clause
	// Unstated are the keys that the clause limits, but neither the answer nor the
	// question states.
	Unstated []string
}

// Error lists what goes beyond the clause.
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

// Ask returns what to ask the provider for when c admitted a use (protocol section 2.7).
// For scopes and for audiences this is what was requested, or else what the clause has,
// or else the fallback. c is nil for a token without restrictions. The result shares no
// memory with the arguments.
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

// CheckAnswer compares what the provider granted with the clause that admitted the use. c
// is nil for a token without restrictions. If the answer does not state a list (nil), the
// provider granted the one that was asked for (RFC 6749, section 5.1). If nobody stated a
// list, the provider decided, and the clause is not met.
//
// CheckAnswer returns a [*BroaderError] for access beyond the clause. The caller must
// withhold the access token (protocol section 10.2, D14).
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

// beyond returns what the answer, or else the question, has and allowed lacks.
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
	for _, entry := range answer {
		if !slices.Contains(allowed, entry) {
			more = append(more, entry)
		}
	}
	return more
}

// ScopeUnion returns the scopes to request for a token with these restrictions, once
// each, in order. bounded is false if l has no clauses, or a clause without scopes: then
// every scope is to be requested (protocol section 10.2, D12).
func (l List) ScopeUnion() (scopes []string, bounded bool) {
	return l.union(func(c *Clause) []string { return c.Scopes })
}

// AudienceUnion is [List.ScopeUnion] for audiences.
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

// DroppedClause is a clause of which a provider's answer left nothing.
type DroppedClause struct {
	Clause int    // index in the list before
	Key    string // KeyScope or KeyAudience: the list of which nothing was granted
}

// Granted narrows the scopes and audiences of each clause to what the provider granted.
// nil means that its answer did not say. If nothing remains of a list, its clause is
// dropped, because a list without entries would be no restriction (protocol section 10.2,
// D11). If no clause remains, Granted returns [ErrNothingLeft]. A list without clauses
// stays one. The result shares no memory with the arguments.
func (l List) Granted(granted Access) (List, []DroppedClause, error) {
	var kept List
	var dropped []DroppedClause
	for i := range l {
		c := l[i].Clone()
		c.Scopes = intersect(c.Scopes, granted.Scopes)
		c.Audiences = intersect(c.Audiences, granted.Audiences)
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

// intersect keeps what was granted. Its result is nil only if list is.
func intersect(list, granted []string) []string {
	if list == nil || granted == nil {
		return list
	}
	return slices.DeleteFunc(list, func(entry string) bool { return !slices.Contains(granted, entry) })
}
