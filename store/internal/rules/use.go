package rules

import "github.com/mytoken-go/sdk/store"

// Counter counts the uses of one kind that one clause was charged.
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

// Least returns the smaller one of left and of what the counter has left.
// [store.Unlimited] is greater than every other limit.
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

// Choice is the clause to charge for a use. C is how a store represents a counter.
type Choice[C any] struct {
	Clause  int
	Charged []C // the counters to spend: the chain of the clause
	// Full are the exhausted counters of the candidates before Clause. The choice is
	// right only as long as they stay exhausted.
	Full []C
}

// Choose takes the first candidate that has something left on its whole chain of
// counters. chain returns the counters that a use of a clause spends, and counter reads
// one of them. A use without candidates takes [store.NoClause]. If there is no such
// candidate, Choose returns an [*store.ExhaustedError], and Full holds every exhausted
// counter.
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

// Use is what a store remembers about a use. Token is the type with which the store names
// tokens. A zero Token says that the use was refunded before the store knew it.
type Use[Token comparable] struct {
	Token    Token
	Clause   int
	Child    store.TokenID // the token that the use created, or zero
	Refunded bool
}

// Repeat returns nil if a call repeats this use of the token. child is the token that the
// call wants to create, or zero. Repeat returns [store.ErrRefunded] if the use was
// refunded, and [store.ErrExists] if its id belongs to another token or child.
func (u *Use[Token]) Repeat(token Token, child store.TokenID) error {
	switch {
	case u.Refunded:
		return store.ErrRefunded
	case u.Token != token, !child.IsZero() && u.Child != child:
		return store.ErrExists
	}
	return nil
}
