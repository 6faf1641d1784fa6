package restriction

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mytoken-go/sdk/internal/plain"
)

// ChildError says why a child cannot get the clauses that were wanted; see [Intersect] and
// [Narrowed.Err].
type ChildError struct {
	// Clauses has an entry for each key in the way, in the order of the wanted clauses.
	// Clause is the index in the wanted list, and Err says what the parent has.
	Clauses []*ClauseError
}

// Error names the clauses and keys, what was wanted, and what the parent has. It shows no
// value of a key that this package does not define.
func (e *ChildError) Error() string { return "restriction: " + joined(e.Clauses) }

func (e *ChildError) reason() string { return joined(e.Clauses) }

// joined returns the texts of the first errors.
func joined(clauses []*ClauseError) string {
	return plain.Few(len(clauses), 4, "; ", func(i int) string { return strings.TrimPrefix(clauses[i].Error(), "restriction: ") })
}

// Unwrap returns the entries. So errors.As finds the first one as a [*ClauseError].
func (e *ChildError) Unwrap() []error {
	errs := make([]error, len(e.Clauses))
	for i, c := range e.Clauses {
		errs[i] = c
	}
	return errs
}

// add records that a key keeps a wanted clause from the child.
func (e *ChildError) add(clause int, key, reason string) {
	e.Clauses = append(e.Clauses, &ClauseError{clause, key, errors.New(reason)})
}

// addAmbiguous records that a limit would have to count in two clauses of the parent.
func (e *ChildError) addAmbiguous(clause int, key string, a, b int) {
	e.add(clause, key, fmt.Sprintf(
		"one limit cannot count for several clauses of the parent, such as %d and %d; ask for a clause for each, with a limit of its own", min(a, b), max(a, b)))
}

// addMisfits records the keys in which w goes beyond p, a clause of the parent.
func (e *ChildError) addMisfits(clause int, w, p *fitting) {
	for _, name := range w.misfits(p) {
		reason := beyondUnknown
		n, known := keyNames[name]
		switch _, extra := w.source.extra(name); {
		case known && !keys[n].states(p.source): // an extra key with this name, which no JSON has
		case known && keys[n].states(w.source):
			reason = w.partOf(keys[n]).excess(p.partOf(keys[n])) + "; ask for no more, or leave the key out"
		case known:
			reason = "it is missing, and the parent has " + keys[n].show(p.source) + "; state it"
		case !extra:
			reason = "it is missing, and the parent has it; state it"
		}
		e.add(clause, name, reason)
	}
}

// misfit is a wanted clause and the parent's clause that it comes closest to.
type misfit struct {
	clause    int
	w, parent fitting
}

// Err returns nil if the child got everything that was wanted. Otherwise it returns a
// [*ChildError] about the clauses in Dropped.
func (n *Narrowed) Err() error {
	if n.OK() {
		return nil
	}
	var e ChildError
	for i := range n.misfits {
		m := &n.misfits[i]
		e.addMisfits(m.clause, &m.w, &m.parent)
	}
	return &e
}
