package killtest_test

import (
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/store"
)

// balance compares, for each counter, the delivered uses, the charged uses, and those in
// the history.
func (r *run) balance() {
	charged := r.history()
	uses := make(map[*token][]*use)
	var total struct{ delivered, unknown int }
	for _, u := range r.uses {
		if u.Revoke {
			continue
		}
		least, most := u.events()
		if n := charged[u.N]; n < least || n > most {
			r.t.Errorf("use %d (%s, unsettled %t) is charged %d times", u.N, u.last, u.unsettled, n)
		}
		if u.Scope == probeScope {
			continue
		}
		for _, above := range u.token.grant.tokens[:u.token.depth+1] {
			uses[above] = append(uses[above], u)
		}
		if u.last == delivered {
			total.delivered++
		} else if charged[u.N] > 0 {
			total.unknown++
		}
	}
	for _, g := range r.grants {
		for _, t := range g.tokens {
			r.balanceOf(t, uses[t], charged)
		}
	}
	r.t.Logf("%d uses: %d delivered, %d charged with an outcome that is not known", len(r.uses), total.delivered, total.unknown)
}

// balanceOf does the same for one token and its descendants.
func (r *run) balanceOf(t *token, uses []*use, charged map[int]int) {
	info, err := r.store.Token(r.t.Context(), t.id)
	require.NoError(r.t, err)
	counted := int(info.Counters[0].ATUsed)
	handedOut, unknown := 0, 0
	for _, u := range uses {
		switch {
		case u.last == delivered:
			handedOut++
		case charged[u.N] > 0:
			unknown++
		}
	}
	if handedOut > t.limit || counted > t.limit || counted != handedOut+unknown {
		r.t.Errorf("%s, depth %d: %d delivered and %d unknown, %d charged, the limit is %d", t.grant.subject, t.depth, handedOut, unknown, counted, t.limit)
	}
}

// history returns how often each use was charged.
func (r *run) history() map[int]int {
	out := make(map[int]int)
	for _, g := range r.grants {
		var ids []store.TokenID
		for _, t := range g.tokens {
			ids = append(ids, t.id)
		}
		events, next, err := r.store.Events(r.t.Context(), ids, store.Page{Limit: 10_000})
		require.NoError(r.t, err)
		require.Empty(r.t, next)
		for _, e := range events {
			if e.Name != issuer.EventATCreated {
				continue
			}
			n, err := strconv.Atoi(e.Comment[strings.LastIndex(e.Comment, " ")+1:])
			require.NoError(r.t, err)
			out[n]++
		}
	}
	return out
}
