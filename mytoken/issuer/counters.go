package issuer

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// tally is one counter of a clause.
type tally struct {
	limit, left mytoken.Limit
	used        int64
}

// tallyOf returns the counter that a kind of use spends. ok is false for a use that
// spends nothing.
func tallyOf(kind restriction.Kind, c mytoken.Counter) (t tally, ok bool) {
	switch kind {
	case restriction.AT:
		return tally{c.AT, c.ATLeft, c.ATUsed}, true
	case restriction.Other:
		return tally{c.Other, c.OtherLeft, c.OtherUsed}, true
	}
	return tally{}, false
}

func (t tally) exhausted() bool { return t.limit != mytoken.Unlimited && t.used >= int64(t.limit) }

// taken is the part of the limit that cannot be spent any more, because it was used or
// because an ancestor's limit is lower.
func (t tally) taken() int64 {
	if t.limit == mytoken.Unlimited || t.left == mytoken.Unlimited {
		return 0
	}
	return int64(t.limit - t.left)
}

// usages returns what was taken of each clause.
func usages(counters []mytoken.Counter) []restriction.Usage {
	out := make([]restriction.Usage, len(counters))
	for n, c := range counters {
		at, _ := tallyOf(restriction.AT, c)
		other, _ := tallyOf(restriction.Other, c)
		out[n] = restriction.Usage{AT: at.taken(), Other: other.taken()}
	}
	return out
}

// checkBudget refuses a use if no candidate clause has anything left. The step that
// charges checks that again. checkBudget is for operations that can be refused for other
// reasons in between (protocol section 5.3).
func (i *Issuer) checkBudget(ctx context.Context, p *presented, op operation, candidates []int, state store.State) error {
	for _, n := range candidates {
		if t, counted := tallyOf(op.kind, state.Counters[n]); !counted || t.left != 0 {
			return nil
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	refused, err := i.explainSpent(ctx, p, op, state)
	if err != nil {
		return err
	}
	i.notify(ctx, Notice{Kind: NoticeRefused, Token: p.id.ID, Grant: state.Grant, Client: op.client, Err: refused})
	return refused
}

// spentCounters returns, clause by clause, the counters that have nothing left: the
// clause's own, and those of the ancestors' clauses that it draws on.
//
// It follows the descriptions of the tokens. They say the same as the chains that the
// store charges.
func (i *Issuer) spentCounters(ctx context.Context, kind restriction.Kind, state store.State) ([]restriction.Spent, error) {
	var out []restriction.Spent
	line := lineage{i: i, token: &state.TokenInfo}
	for n, c := range state.Counters {
		if t, counted := tallyOf(kind, c); !counted || t.left != 0 {
			continue
		}
		found := false
		for up, clause := 0, n; clause != restriction.NoClause; up++ {
			at, err := line.at(ctx, up)
			if err != nil {
				return nil, err
			}
			if at.info == nil || clause >= len(at.info.Counters) {
				break // the token was deleted, its counter was not
			}
			if t, _ := tallyOf(kind, at.info.Counters[clause]); t.exhausted() {
				found = true
				out = append(out, restriction.Spent{
					Clause: n, Kind: kind, Used: t.used, Limit: int64(t.limit), Inherited: up > 0,
				})
			}
			if clause >= len(at.draws) {
				break
			}
			clause = at.draws[clause]
		}
		if !found {
			out = append(out, restriction.Spent{Clause: n, Kind: kind, Inherited: true})
		}
	}
	return out, nil
}

// lineage is a token and its ancestors. They are looked up when they are needed.
type lineage struct {
	i      *Issuer
	token  *store.TokenInfo
	levels []level
}

// level is a token and the parent's clauses that its clauses draw on. Its info is nil if
// the token was deleted.
type level struct {
	info  *store.TokenInfo
	draws []int
}

// at returns the token that is n steps up.
func (l *lineage) at(ctx context.Context, n int) (level, error) {
	for len(l.levels) <= n {
		info := l.token
		if up := len(l.levels); up > len(l.token.Ancestors) {
			return level{}, nil
		} else if up > 0 {
			ancestor, err := l.i.ledger.Token(ctx, l.token.Ancestors[up-1])
			if errors.Is(err, store.ErrNotFound) {
				l.levels = append(l.levels, level{})
				continue
			} else if err != nil {
				return level{}, err
			}
			info = &ancestor
		}
		a, err := l.i.openAbout(info)
		if err != nil {
			return level{}, err
		}
		l.levels = append(l.levels, level{info, a.Draws})
	}
	return l.levels[n], nil
}

// openAbout opens the description of a token. Without one, it returns an empty
// description.
func (i *Issuer) openAbout(info *store.TokenInfo) (a about, err error) {
	text, err := i.openDescription(info)
	if err != nil {
		return about{}, err
	}
	return a, readDescription(text, &a)
}

// openDescription returns the text of a description, which is empty if there is none.
func (i *Issuer) openDescription(info *store.TokenInfo) ([]byte, error) {
	if len(info.About) == 0 {
		return nil, nil
	}
	text, err := i.cfg.Seal.Open(store.AboutPlace(info.ID), info.About)
	if err != nil {
		return nil, unreadable(err)
	}
	return text, nil
}

// readDescription reads the members of a description that to has. An empty text leaves it
// as it is.
func readDescription(text []byte, to any) error {
	if len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, to); err != nil {
		return unreadable(err)
	}
	return nil
}

func unreadable(err error) error {
	return fmt.Errorf("issuer: the stored description of a token cannot be opened: %w", err)
}
