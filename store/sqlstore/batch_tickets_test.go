package sqlstore_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// consuming returns a use that takes a ticket.
func consuming(ref store.TicketRef) store.Use {
	u := newUse()
	u.Tickets = store.TicketChanges{By: u.ID, Consume: []store.TicketRef{ref}}
	return u
}

// heldTickets starts a use that takes a ticket and keeps it under way, so that others
// wait behind it.
func (st *stage) heldTickets(t *testing.T) *call {
	t.Helper()
	code := newTicket(st.token.ID)
	require.NoError(t, st.ChangeTickets(t.Context(), store.TicketChanges{Put: []store.Ticket{code}}, 1))
	u := consuming(code.TicketRef)
	return st.underWay(func() *call { return st.start(t.Context(), u) })
}

// Uses with tickets that wait together form one batch. If two of them take the same
// ticket, one succeeds and the other one charges nothing.
//
// proves P3
func TestBatchOfTickets(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000) // one is spent
		code := newTicket(st.token.ID)
		require.NoError(t, st.ChangeTickets(t.Context(), store.TicketChanges{Put: []store.Ticket{code}}, 1))
		first := st.heldTickets(t)
		one := st.startWaiting(t, t.Context(), consuming(code.TicketRef))
		two := st.startWaiting(t, t.Context(), consuming(code.TicketRef))
		unknown := st.startWaiting(t, t.Context(), consuming(newTicket(st.token.ID).TicketRef))
		child := newChild(t, st, st.token.ID, 5)
		creating := newUse()
		short := newTicket(child.ID)
		creating.Tickets.Put = []store.Ticket{short}
		creation := st.waiting(t, func() *call { return st.derive(t.Context(), creating, child) })
		st.spy.taken()
		st.release <- nil
		granted(t, first, one, creation)
		<-two.done
		<-unknown.done
		assert.Equal(t, store.ErrTicketTaken, two.err)
		assert.Equal(t, store.ErrTicketNotFound, unknown.err)
		charges := 0
		for _, said := range st.spy.taken() {
			if isCharge(said) {
				charges++
			}
		}
		want := 1
		if s.dialect == sqlstore.PostgreSQL {
			want = 2 // the creation at once, and then those that take tickets
		}
		assert.Equal(t, want, charges, "statements that charge the uses that waited")
		st.mustHaveUsed(t, 4)
		found, err := st.ResolveTicket(t.Context(), short.Kind, []store.TicketID{short.ID}, 1)
		require.NoError(t, err)
		assert.Equal(t, child.ID, found.Token)
		again, err := st.Spend(t.Context(), st.token, one.use)
		require.NoError(t, err)
		assert.True(t, again.Repeated, "a use that is known is answered whatever became of its ticket")
	})
}

// A caller that has given up may change its slices. The batch still writes the original
// contents.
//
// proves P8
func TestBatchKeepsTicketsOfCancelledCaller(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		first := st.startHeld(t)
		leader := newUse()
		leader.Tickets.Put = []store.Ticket{newTicket(st.token.ID)}
		leading := st.startWaiting(t, t.Context(), leader)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		put := newTicket(st.token.ID)
		u := newUse()
		u.Tickets.Put = []store.Ticket{put}
		gone := st.startWaiting(t, ctx, u)
		st.hold.Store(true)
		st.release <- nil
		<-st.held
		cancel()
		<-gone.done
		assert.ErrorIs(t, gone.err, context.Canceled)
		u.Tickets.Put[0].ID[0]++
		put.Payload[0], put.Key[0] = 'x', 'x'
		st.release <- nil
		granted(t, first, leading)
		found, err := st.ResolveTicket(t.Context(), put.Kind, []store.TicketID{put.ID}, 1)
		require.NoError(t, err)
		assert.Equal(t, "key", string(found.Key))
		assert.Equal(t, "payload", string(found.Payload))
	})
}

// A use of a token without clauses drops a ticket of the token and puts another one. Both
// write the token's counter for no clause. The instant of the use is recorded all the same.
func TestTicketsOfUsesWithoutClause(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := s.on(t, s.migrate(t))
		root := store.Token{Key: make(store.Sealed, 92), Created: 1}
		fresh(root.ID[:])
		fresh(root.Grant[:])
		fresh(root.Owner[:])
		fresh(root.Sum[:])
		old := newTicket(root.ID)
		grant := store.Grant{ID: root.Grant, Owner: root.Owner, Refresh: make(store.Sealed, 300), Created: 1}
		require.NoError(t, st.CreateRoot(t.Context(), grant, root, store.TicketChanges{Put: []store.Ticket{old}}))
		u := newUse()
		u.Candidates, u.Now = nil, 100_000_000
		u.Tickets = store.TicketChanges{Drop: []store.TicketRef{old.TicketRef}, Put: []store.Ticket{newTicket(root.ID)}}
		_, err := st.Spend(t.Context(), presented(root), u)
		require.NoError(t, err)
		info, err := st.Token(t.Context(), root.ID)
		require.NoError(t, err)
		assert.Equal(t, u.Now, info.LastUsed)
	})
}

// A revocation has taken effect, but has not erased the tickets of the descendants yet. A
// use returns none of them.
//
// proves P6
func TestUseReturnsNoTicketOfADeadToken(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		parent, child := lineage(t, st)
		code := newTicket(child.ID)
		require.NoError(t, st.ChangeTickets(t.Context(), store.TicketChanges{Put: []store.Ticket{code}}, 1))
		fetch := func() *store.Ticket {
			u := newUse()
			u.Fetch = code.TicketRef
			got, err := st.Spend(t.Context(), st.token, u)
			require.NoError(t, err)
			return got.Ticket
		}
		require.NotNil(t, fetch())
		var committed atomic.Bool
		stops := errors.New("the process stops")
		st.spy.hook(func(context.Context, statement) error {
			if committed.Load() {
				return stops
			}
			return nil
		}, func(_ context.Context, said statement) error {
			committed.Store(committed.Load() || said.is("COMMIT"))
			return nil
		})
		_, err := st.Revoke(t.Context(), store.Revocation{Token: parent.ID, Recursive: true, Now: 5})
		require.ErrorIs(t, err, stops)
		st.spy.hook(nil, nil)
		info, err := st.Token(t.Context(), child.ID)
		require.NoError(t, err)
		require.False(t, info.Live)
		require.True(t, s.holds(t, st.db, "tickets", "LENGTH(payload) > 0"), "the ticket is left")
		assert.Nil(t, fetch())
	})
}
