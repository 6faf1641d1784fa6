package memstore

import (
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// counter counts the uses of one kind that one clause was charged. Its token and the
// descendants that draw on it share the counter, so it outlives the row of the token.
type counter struct{ rules.Counter }

// chain is what a use of one kind of one clause spends: the clause's own counter first,
// then the limited ones of its ancestors.
type chain []*counter

// clause holds the two chains of a clause.
type clause struct{ at, other chain }

func newClause(id store.TokenID, index int, c store.Clause, parent *token) *clause {
	n := &clause{
		at:    chain{{rules.Counter{Token: id, Clause: index, Limit: c.AT}}},
		other: chain{{rules.Counter{Token: id, Clause: index, Limit: c.Other}}},
	}
	if parent != nil && c.Draws != store.NoClause {
		above := parent.clauses[c.Draws]
		n.at = n.at.below(above.at)
		n.other = n.other.below(above.other)
	}
	return n
}

func (c chain) below(parent chain) chain {
	for _, p := range parent {
		if p.Limited() {
			c = append(c, p)
		}
	}
	return c
}

// left returns the least that any counter of the chain has left.
func (c chain) left() store.Limit {
	least := store.Unlimited
	for _, n := range c {
		least = n.Least(least)
	}
	return least
}

func (c *clause) of(k store.Kind) chain {
	if k == store.UseAT {
		return c.at
	}
	return c.other
}

func (c *clause) info() store.Counter {
	return store.Counter{
		AT: c.at[0].Limit, Other: c.other[0].Limit,
		ATUsed: c.at[0].Used, OtherUsed: c.other[0].Used,
		ATLeft: c.at.left(), OtherLeft: c.other.left(),
	}
}
