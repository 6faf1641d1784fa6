package memstore

import (
	"context"
	"time"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// Sweep implements [store.Records].
func (s *Store) Sweep(ctx context.Context, c store.Cleaning) (store.Cleaned, error) {
	if err := c.Check(); err != nil {
		return store.Cleaned{}, err
	}
	if err := s.lock(ctx); err != nil {
		return store.Cleaned{}, err
	}
	defer s.mu.Unlock()

	w := &sweeper{s: s, Cleaning: c}
	w.expiredTickets()
	w.keys()
	w.generations()
	w.tokens()
	w.tickets()
	w.grants()
	w.uses()
	w.processes()
	w.strayLinks()
	w.done.Others += w.links
	return w.done, nil
}

// sweeper is one call of Sweep.
type sweeper struct {
	s *Store
	store.Cleaning
	done  store.Cleaned
	links int // deleted; done counts them in the end
}

// take counts one row. It reports false if the limit is reached.
func (w *sweeper) take(n *int) bool {
	if *n == w.Limit {
		w.done.More = true
		return false
	}
	*n++
	return true
}

// past reports whether an instant is longer ago than d. It reports false for the zero
// instant.
func (w *sweeper) past(at store.Micros, d time.Duration) bool {
	return at != 0 && at < w.Now.Add(-d)
}

// deletable reports whether the retention of a token is over. The retention begins when
// the token is revoked or expires, or when an ancestor is revoked recursively.
func (w *sweeper) deletable(t *token) bool {
	if w.past(t.grave.revoked, w.Retention) || w.past(t.expires, w.Retention) {
		return true
	}
	for _, g := range t.above {
		if w.past(g.recursive, w.Retention) {
			return true
		}
	}
	return false
}

// tokens deletes each history and the links that nobody needs any more before the token,
// so that nothing is left behind.
func (w *sweeper) tokens() {
	for _, t := range w.s.tokens {
		if !w.deletable(t) {
			continue
		}
		for len(t.history) > 0 && w.take(&w.done.Events) {
			t.history = t.history[1:]
		}
		if len(t.history) == 0 && w.unlink(t) && w.take(&w.done.Tokens) {
			w.s.remove(t)
		}
	}
}

// unlink deletes the links that nobody needs without a token, and reports whether none is
// left.
func (w *sweeper) unlink(t *token) bool {
	for _, at := range w.s.unneeded(t) {
		if !w.take(&w.links) {
			return false
		}
		delete(w.s.links, at)
	}
	return true
}

// expiredTickets erases the contents of tickets that have expired.
func (w *sweeper) expiredTickets() {
	for _, t := range w.s.tickets {
		if t.Expired(w.Now) && len(t.Key)+len(t.Payload) > 0 && w.take(&w.done.Tickets) {
			t.Erase()
		}
	}
}

// keys erases what expired tokens open, and the keys that Revoke has kept too long.
func (w *sweeper) keys() {
	erased := 0
	for _, t := range w.s.tokens {
		due := t.expires
		if t.keptUntil != 0 {
			due = t.keptUntil
		}
		if len(t.Key) > 0 && w.past(due, 0) && w.take(&erased) {
			t.erase()
		}
	}
	w.done.Others += erased
}

func (w *sweeper) tickets() {
	for ref, t := range w.s.tickets {
		if (w.s.orphaned(t) || w.past(t.Expires, rules.ExpiredTicketsKept)) && w.take(&w.done.Tickets) {
			delete(w.s.tickets, ref)
		}
	}
}

func (w *sweeper) grants() {
	for id := range w.s.grants {
		if len(w.s.byGrant[id]) == 0 && w.take(&w.done.Grants) {
			delete(w.s.grants, id)
		}
	}
}

func (w *sweeper) uses() {
	for id, u := range w.s.uses {
		if w.past(u.at, store.Remembered) && w.take(&w.done.Uses) {
			delete(w.s.uses, id)
		}
	}
	for _, g := range w.s.grants {
		for c, at := range g.commits {
			if w.past(at, store.Remembered) && w.take(&w.done.Uses) {
				delete(g.commits, c)
			}
		}
	}
}

func (w *sweeper) generations() {
	deleted := 0
	for _, t := range w.s.tokens {
		for seq, g := range t.outdated {
			if g.Until < w.Now && w.take(&deleted) {
				delete(t.outdated, seq)
			}
		}
	}
	w.done.Others += deleted
}

// processes deletes processes that ended long ago, unless a lease or a doubt names them.
func (w *sweeper) processes() {
	named := make(map[store.ProcessID]bool)
	for _, g := range w.s.grants {
		named[g.Lease.Process] = true
		for _, d := range g.Doubts {
			named[d.Process] = true
		}
	}
	deleted := 0
	for id, p := range w.s.processes {
		if w.past(rules.Ended(p), rules.ProcessesKept) && !named[id] && w.take(&deleted) {
			delete(w.s.processes, id)
		}
	}
	w.done.Others += deleted
}

// strayLinks deletes links whose tokens were not created in time.
func (w *sweeper) strayLinks() {
	needed := make(map[store.TokenID]bool)
	if len(w.s.links) > 0 {
		for _, t := range w.s.tokens {
			needed[t.ID] = true
			for _, above := range t.Ancestors {
				needed[above] = true
			}
		}
	}
	for at, l := range w.s.links {
		if !needed[at.token] && w.past(l.made, store.Remembered) && w.take(&w.links) {
			delete(w.s.links, at)
		}
	}
}
