package rules

import "github.com/mytoken-go/sdk/store"

// Counter counts the uses of one kind of one clause.
type Counter struct {
	Token  store.TokenID
	Clause int
	Limit  store.Limit
	Used   int64
}

// Limited reports whether the counter has a limit.
func (c Counter) Limited() bool { return c.Limit != store.Unlimited }

// Full reports whether the counter has nothing left.
func (c Counter) Full() bool { return c.Limited() && c.Used >= int64(c.Limit) }

// Least returns the smaller of left and what the counter has left.
func (c Counter) Least(left store.Limit) store.Limit {
	if !c.Limited() {
		return left
	}
	own := max(0, c.Limit-store.Limit(c.Used))
	if left == store.Unlimited {
		return own
	}
	return min(left, own)
}

// Choice is the clause that a use is charged to. C is how a store holds a counter.
type Choice[C any] struct {
	Clause  int
	Charged []C // the counters to spend: the chain of the clause
	// Full are the exhausted counters of the candidates that were passed over. The choice
	// is right only as long as they stay exhausted.
	Full []C
}

// Choose takes the first candidate whose whole chain has something left. chain returns
// the counters that a use of a clause spends, and counter reads one of them. A use
// without candidates takes [store.NoClause]. If no candidate is left, Choose returns an
// [*store.ExhaustedError], and Full holds every exhausted counter.
func Choose[C any](u *store.Use, chain func(clause int) []C, counter func(C) Counter) (Choice[C], error) {
	if len(u.Candidates) == 0 {
		return Choice[C]{Clause: store.NoClause, Charged: chain(store.NoClause)}, nil
	}
	var full []C
	var exhausted []store.Exhausted
	for _, candidate := range u.Candidates {
		charged := chain(candidate)
		before := len(full)
		for _, c := range charged {
			if n := counter(c); n.Full() {
				full = append(full, c)
				exhausted = append(exhausted, store.Exhausted{
					Candidate: candidate, Token: n.Token, Clause: n.Clause, Limit: n.Limit, Used: n.Used,
				})
			}
		}
		if len(full) == before {
			return Choice[C]{Clause: candidate, Charged: charged, Full: full}, nil
		}
	}
	return Choice[C]{Clause: store.NoClause, Full: full}, &store.ExhaustedError{Kind: u.Kind, Counters: exhausted}
}

// Use is what a store remembers of a use. Token is how the store names tokens; its zero
// value says that the use was refunded before the store knew it.
type Use[Token comparable] struct {
	Token    Token
	Clause   int
	Child    store.TokenID // the token that the use created, or zero
	Refunded bool
}

// Repeat decides whether a known use may be answered again for a token. child is the
// token that the call wants to create, or zero. Repeat returns [store.ErrRefunded] or, if
// the id belongs to something else, [store.ErrExists].
func (u *Use[Token]) Repeat(token Token, child store.TokenID) error {
	switch {
	case u.Refunded:
		return store.ErrRefunded
	case u.Token != token, !child.IsZero() && u.Child != child:
		return store.ErrExists
	}
	return nil
}
