package restriction

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Keys returns the wire names of the keys that objected, each once, in the order of the
// clauses.
func (e *Explanation) Keys() []string {
	var keys []string
	seen := make(map[string]bool)
	add := func(key string) {
		if !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	if e.Objection != nil {
		add(e.Objection.Key)
	}
	for i := range e.Clauses {
		for _, objection := range e.Clauses[i].Objections {
			add(objection.Key)
		}
	}
	return keys
}

// Closest returns the clause that will admit the request first. If that time is known for
// no clause, it returns the clause with the fewest objections. The lower index wins a
// tie. Closest returns nil if there are no clauses.
func (e *Explanation) Closest() *ClauseExplanation {
	var closest *ClauseExplanation
	for i := range e.Clauses {
		if c := &e.Clauses[i]; closest == nil || c.closer(closest) {
			closest = c
		}
	}
	return closest
}

func (c *ClauseExplanation) closer(than *ClauseExplanation) bool {
	at, known := c.Earliest.Time()
	thanAt, thanKnown := than.Earliest.Time()
	switch {
	case known && thanKnown:
		return at.Before(thanAt)
	case known != thanKnown:
		return known
	}
	return len(c.Objections) < len(than.Objections)
}

// Untrusted returns a copy for a reader who may hold a stolen token. It names the keys
// that objected, but no values and no times.
func (e *Explanation) Untrusted() *Explanation {
	u := e.with(func(o Objection) Objection { return Objection{Key: o.Key} })
	u.Earliest = Unknown()
	for i := range u.Clauses {
		u.Clauses[i].Earliest = Unknown()
	}
	return u
}

// Readable returns a copy for the holder of the token. They can read its clauses anyway,
// because tokens are signed and not encrypted. The copy leaves out everything that is not
// in the clauses: the counters of ancestors, and the words of look-ups and of the
// embedding program's conditions. It keeps every time, because the holder could find it
// out by trying again.
func (e *Explanation) Readable() *Explanation {
	return e.with(func(o Objection) Objection {
		if o.Err = nil; o.Beyond {
			o.Need = ""
		}
		return o
	})
}

// with returns a copy in which change was applied to each objection.
func (e *Explanation) with(change func(Objection) Objection) *Explanation {
	u := &Explanation{Admitted: e.Admitted, Earliest: e.Earliest, Clauses: slices.Clone(e.Clauses)}
	for i := range u.Clauses {
		c := &u.Clauses[i]
		c.Objections = slices.Clone(c.Objections)
		for j := range c.Objections {
			c.Objections[j] = change(c.Objections[j])
		}
	}
	if e.Objection != nil {
		o := change(*e.Objection)
		u.Objection = &o
	}
	return u
}

// String returns one line for the decision and one for each objection:
//
//	refused, earliest 2026-03-02T08:00:00Z
//	  clause 0: exp: needs a time until 2026-03-01T09:00:00Z
//	  clause 1: nbf: needs a time from 2026-03-02T08:00:00Z
func (e *Explanation) String() string {
	var text strings.Builder
	if e.Admitted {
		text.WriteString("admitted")
	} else {
		text.WriteString("refused")
		if !e.Earliest.IsUnknown() {
			text.WriteString(", earliest " + e.Earliest.String())
		}
	}
	if e.Objection != nil {
		text.WriteString("\n  " + e.Objection.String())
	}
	for i := range e.Clauses {
		c := &e.Clauses[i]
		prefix := "\n  clause " + strconv.Itoa(c.Clause) + ": "
		if len(c.Objections) == 0 {
			text.WriteString(prefix + "admits")
		}
		for _, objection := range c.Objections {
			text.WriteString(prefix + objection.String())
		}
	}
	return text.String()
}

// String returns the key, what it needs, and the error if there is one.
func (o Objection) String() string {
	if o.Need == "" {
		return oneLine(o.Key)
	}
	switch said := o.Err != nil && o.Err.Error() == o.Need; {
	case said && errors.Is(o.Err, ErrUndetermined):
		return oneLine(o.Key) + ": " + o.Need
	case said || o.Err == nil:
		return oneLine(o.Key) + ": needs " + o.Need
	}
	return oneLine(o.Key) + ": needs " + o.Need + " (" + o.Err.Error() + ")"
}
