package client

import (
	"context"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
)

// clauses are the restrictions of a mytoken, and what is known beside them.
type clauses struct {
	list    restriction.List
	used    []restriction.Usage // of each clause, as far as the server tells
	counted bool                // the server was asked how many uses are gone
	expires time.Time           // of the mytoken; zero: never
}

// readClauses reads the clauses in a mytoken. It asks the server by introspection if it
// cannot read them, or if one of them is such that its uses are to be counted. It returns
// nil, and maybe an error, if nobody can read them.
func (h *Holder) readClauses(ctx context.Context, token mytoken.Secret, count func(restriction.Clause) bool) (*clauses, error) {
	own := new(clauses)
	var readable bool
	if own.list, readable = peekRestrictions(token.Reveal()); readable {
		own.expires, _ = peekExpiry(token.Reveal())
		if !slices.ContainsFunc(own.list, count) {
			return own, nil
		}
	}
	info, err := h.c.Introspect(ctx, token)
	switch {
	case err == nil && info.Valid:
		return &clauses{info.Claims.Restrictions, info.Used, true, unix(info.Claims.ExpiresAt)}, nil
	case !readable:
		return nil, err
	}
	return own, nil
}

// explainLocally judges a use by what this program knows: the time, the words of the
// request, and the counters in it. It takes for granted what only the server knows: the
// address, its country, and keys that package restriction does not define.
func explainLocally(list restriction.List, req *restriction.Request) (*restriction.Explanation, bool) {
	policy, err := restriction.Compile(list.HolderView(), restriction.Options{})
	if err != nil {
		return nil, false
	}
	return policy.Explain(req), true
}
