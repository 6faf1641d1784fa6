package sqlstore_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// No step needs a second connection, not even to prepare a statement. Otherwise steps on
// a small pool could wait for each other forever.
func TestStepsNeedOneConnection(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.migrate(t)
		s.conns = 1
		st := s.open(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		const callers = 8
		errs := make([]error, 3*callers)
		var wg sync.WaitGroup
		for i := range callers {
			root, err := newRoot(ctx, st, 10)
			require.NoError(t, err)
			wg.Go(func() { errs[3*i] = spend(ctx, st, root) })
			wg.Go(func() {
				u := newUse()
				u.Tickets.Drop = []store.TicketRef{{Kind: store.TicketTransfer, ID: store.TicketID{1}}}
				_, errs[3*i+1] = st.Spend(ctx, root, u)
			})
			wg.Go(func() {
				_, errs[3*i+2] = st.Spend(ctx, root, store.Use{ID: newUse().ID, Kind: store.UseUncounted, Now: 2})
			})
		}
		wg.Wait()
		for _, err := range errs {
			assert.NoError(t, err)
		}
	})
}

// The list of prepared statements is fixed: uses, batches and histories of any size add
// none. Statements outside the list work all the same.
func TestPreparedStatementsAreFixed(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.migrate(t)
		s.conns = 1
		sp := &spy{Connector: s.connector}
		st := s.on(t, s.connectBy(t, sp))
		before := sp.prepared.Load()
		for n := range 2 * 64 {
			g, root := store.Grant{Refresh: store.Sealed("rt"), Created: 1}, store.Token{Key: make(store.Sealed, 92), Created: 1}
			for _, id := range [][]byte{g.ID[:], g.Owner[:], root.ID[:], root.Sum[:]} {
				fresh(id)
			}
			root.Grant, root.Owner = g.ID, g.Owner
			for range n { // as many rows of the history as a batch has
				root.Events = append(root.Events, store.Event{Name: "created", Time: 1})
			}
			for range n % 9 {
				root.Clauses = append(root.Clauses, store.Clause{AT: 5, Other: 5, Draws: store.NoClause})
			}
			require.NoError(t, st.CreateRoot(t.Context(), g, root, store.TicketChanges{}))
			events, _, err := st.Events(t.Context(), []store.TokenID{root.ID}, store.Page{Limit: 1000})
			require.NoError(t, err)
			require.Len(t, events, n)
			_, err = st.Grant(t.Context(), g.ID)
			require.NoError(t, err)
		}
		assert.Equal(t, before, sp.prepared.Load(), "statements were prepared later")
		switch s.dialect {
		case sqlstore.PostgreSQL:
			assert.Zero(t, before)
		default:
			assert.Greater(t, before, int64(20))
			assert.LessOrEqual(t, before, int64(85), "the package documentation says how many there are")
		}
		used := false
		for _, said := range sp.taken() {
			used = used || said.prepared && strings.Contains(said.text, s.table("grants"))
		}
		assert.Equal(t, s.dialect != sqlstore.PostgreSQL, used, "a grant is read by a prepared statement")
	})
}

// Everything that usual requests for access tokens send is prepared where that gains
// something: uses, leases and their ends, alone and in batches.
func TestUsualStepsArePrepared(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		if s.dialect == sqlstore.PostgreSQL {
			t.Skip("the driver keeps statements prepared itself")
		}
		st := newStage(t, s, 1000)
		prepared := func(name string, do func()) {
			t.Helper()
			st.spy.taken()
			do()
			for _, said := range st.spy.taken() {
				if !said.prepared && said.text != "BEGIN" && said.text != "COMMIT" {
					t.Errorf("%s: not prepared: %s", name, strings.Join(strings.Fields(said.text), " "))
				}
			}
		}
		prepared("a use", func() { granted(t, st.start(t.Context(), newUse())) })
		var c *call
		prepared("a use with the lease", func() { c = st.leased(t) })
		prepared("a relaxed end", func() { require.NoError(t, st.EndRefresh(t.Context(), relaxedEnd(c))) })
		c = st.leased(t)
		e := relaxedEnd(c)
		e.Relaxed = false
		prepared("an end", func() { require.NoError(t, st.EndRefresh(t.Context(), e)) })
		c = st.leased(t)
		commit := store.Commit{Grant: e.Grant, Lease: c.use.Lease.ID, Generation: 1, Token: store.Sealed("rt"), Ends: true, Now: e.Now}
		prepared("a commit that ends", func() { require.NoError(t, st.CommitRefresh(t.Context(), commit)) })
		c = st.leased(t)
		first := st.occupy(t, s)
		ended := st.waiting(t, func() *call { return st.ending(t.Context(), relaxedEnd(c)) })
		next := st.startWaiting(t, t.Context(), leasing())
		prepared("a use that takes the lease that is just ended", func() {
			for range first {
				st.release <- nil
			}
			granted(t, append(first, ended, next)...)
		})
		require.NotNil(t, next.spent.Refresh)
		for _, n := range []int{2, 3, 8} { // access tokens of several tokens
			var tokens []store.Presented
			for range n {
				p, err := newRoot(t.Context(), st, 1000)
				require.NoError(t, err)
				tokens = append(tokens, p)
			}
			var ends []store.End
			for round := range 2 {
				var uses []store.Use
				for range n {
					uses = append(uses, leasing())
				}
				prepared(fmt.Sprintf("%d uses with leases, and %d ends of others", n, len(ends)), func() {
					all, err := st.SpendTogether(t.Context(), tokens, uses, ends...)
					require.NoError(t, err)
					ends = nil
					for i, spent := range all {
						require.NotNil(t, spent.Refresh, "round %d, use %d", round, i)
						ends = append(ends, relaxedEnd(&call{use: uses[i], spent: spent}))
					}
				})
				prepared("as many ends alone", func() { require.NoError(t, st.EndTogether(t.Context(), ends...)) })
				if round == 0 {
					ends = nil
					other, err := newRoot(t.Context(), st, 1000)
					require.NoError(t, err)
					mine := st.token
					st.token = other
					ends = append(ends, relaxedEnd(st.leased(t)))
					st.token = mine
				}
			}
		}
	})
}
