package rules

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/store"
)

// counters are chains of a token with three clauses: one is exhausted, one draws on an
// exhausted clause, and one has something left.
func counters(clause int) []Counter {
	full := Counter{Token: store.TokenID{1}, Clause: 0, Limit: 2, Used: 2}
	return map[int][]Counter{
		store.NoClause: {{Clause: store.NoClause, Limit: store.Unlimited}},
		0:              {full},
		1:              {{Token: store.TokenID{2}, Clause: 1, Limit: store.Unlimited, Used: 7}, full},
		2:              {{Token: store.TokenID{2}, Clause: 2, Limit: 5, Used: 4}, {Token: store.TokenID{1}, Clause: 2, Limit: 9, Used: 4}},
	}[clause]
}

func choose(candidates ...int) (Choice[Counter], error) {
	u := &store.Use{Kind: store.UseAT, Candidates: candidates}
	return Choose(u, counters, func(c Counter) Counter { return c })
}

func TestChoose(t *testing.T) {
	full := counters(0)[0]
	got, err := choose(0, 1, 2)
	assert.NoError(t, err)
	assert.Equal(t, Choice[Counter]{Clause: 2, Charged: counters(2), Full: []Counter{full, full}}, got)

	got, err = choose(2)
	assert.NoError(t, err)
	assert.Equal(t, Choice[Counter]{Clause: 2, Charged: counters(2)}, got)

	got, err = choose()
	assert.NoError(t, err)
	assert.Equal(t, Choice[Counter]{Clause: store.NoClause, Charged: counters(store.NoClause)}, got)

	got, err = choose(0, 1)
	assert.Equal(t, []Counter{full, full}, got.Full)
	assert.Empty(t, got.Charged)
	assert.Equal(t, &store.ExhaustedError{Kind: store.UseAT, Counters: []store.Exhausted{
		{Candidate: 0, Token: store.TokenID{1}, Clause: 0, Limit: 2, Used: 2},
		{Candidate: 1, Token: store.TokenID{1}, Clause: 0, Limit: 2, Used: 2},
	}}, err)
}

func TestCounter(t *testing.T) {
	for _, c := range []struct {
		limit         store.Limit
		used          int64
		full          bool
		least, ofFour store.Limit
	}{
		{store.Unlimited, 9, false, store.Unlimited, 4},
		{0, 0, true, 0, 0},
		{5, 3, false, 2, 2},
		{9, 3, false, 6, 4},
		{5, 6, true, 0, 0},
	} {
		n := Counter{Limit: c.limit, Used: c.used}
		assert.Equal(t, c.full, n.Full(), "%+v", n)
		assert.Equal(t, c.least, n.Least(store.Unlimited), "%+v", n)
		assert.Equal(t, c.ofFour, n.Least(4), "%+v", n)
	}
}

func TestRepeat(t *testing.T) {
	child := store.TokenID{7}
	plain, creation := Use[int]{Token: 1}, Use[int]{Token: 1, Child: child}
	refunded, unknown := Use[int]{Token: 1, Refunded: true}, Use[int]{Refunded: true}
	for name, c := range map[string]struct {
		use   Use[int]
		token int
		child store.TokenID
		want  error
	}{
		"the same":                     {plain, 1, store.TokenID{}, nil},
		"another token":                {plain, 2, store.TokenID{}, store.ErrExists},
		"the same child":               {creation, 1, child, nil},
		"another child":                {creation, 1, store.TokenID{8}, store.ErrExists},
		"a child of a plain use":       {plain, 1, child, store.ErrExists},
		"without the child":            {creation, 1, store.TokenID{}, nil},
		"refunded":                     {refunded, 1, store.TokenID{}, store.ErrRefunded},
		"refunded before it was known": {unknown, 1, store.TokenID{}, store.ErrRefunded},
		"refunded, of another token":   {refunded, 2, store.TokenID{}, store.ErrRefunded},
	} {
		assert.Equal(t, c.want, c.use.Repeat(c.token, c.child), name)
	}
}
