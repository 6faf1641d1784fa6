package rules

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

func ref(n byte) store.TicketRef {
	return store.TicketRef{Kind: store.TicketTransfer, ID: store.TicketID{n}}
}

func pending(n byte) store.Ticket {
	return store.Ticket{TicketRef: ref(n), Status: store.TicketPending, Key: store.Sealed("key"), Payload: store.Sealed("payload"), Expires: now}
}

// shelf holds a pending ticket 1 and nothing else.
func shelf() *TicketPlan {
	stored := NewTicket(pending(1))
	return &TicketPlan{Read: func(r store.TicketRef) *Ticket {
		if r == ref(1) {
			return stored
		}
		return nil
	}}
}

func consume(by byte, refs ...store.TicketRef) *store.TicketChanges {
	return &store.TicketChanges{By: store.UseID{by}, Consume: refs}
}

func complete(n byte, payload string) *store.TicketChanges {
	return &store.TicketChanges{Complete: []store.Completion{{TicketRef: ref(n), Status: store.TicketReady, Payload: store.Sealed(payload)}}}
}

func TestPlanAddsUp(t *testing.T) {
	p := shelf()
	require.NoError(t, p.Add(complete(1, "answer"), now))
	require.NoError(t, p.Add(complete(1, "answer"), now), "the same again")
	require.Equal(t, store.ErrTicketTaken, p.Add(complete(1, "another"), now))
	require.NoError(t, p.Add(consume(1, ref(1)), now))
	require.NoError(t, p.Add(consume(1, ref(1)), now), "the same consumer again")
	require.Equal(t, store.ErrTicketTaken, p.Add(consume(2, ref(1)), now))
	assert.Empty(t, p.Rows[ref(1)].Payload, "what was consumed is erased")
	require.NoError(t, p.Add(&store.TicketChanges{Put: []store.Ticket{pending(1)}}, now), "put with the same contents before")
	require.NoError(t, p.Add(&store.TicketChanges{Drop: []store.TicketRef{ref(1)}, Put: []store.Ticket{pending(2)}}, now))
	assert.Nil(t, p.Rows[ref(1)])
	require.Equal(t, store.ErrTicketNotFound, p.Add(consume(3, ref(1)), now))
}

// Changes that cannot be made leave the plan as it was, even if some of them could be.
func TestPlanIsAllOrNothing(t *testing.T) {
	p := shelf()
	require.Equal(t, store.ErrTicketNotFound, p.Add(consume(1, ref(1), ref(9)), now))
	require.Empty(t, p.Rows)
	require.NoError(t, p.Add(&store.TicketChanges{Put: []store.Ticket{pending(2)}}, now))
	other := pending(1)
	other.Payload = store.Sealed("other")
	c := consume(1, ref(2))
	c.Put = []store.Ticket{other}
	require.Equal(t, store.ErrExists, p.Add(c, now))
	require.Len(t, p.Rows, 1)
	require.Zero(t, p.Rows[ref(2)].Taker)
	require.ErrorAs(t, p.Add(&store.TicketChanges{Consume: []store.TicketRef{ref(1)}}, now), new(*store.ArgumentError))
	require.NoError(t, p.Add(&store.TicketChanges{}, now))
}

func TestPlanOfExpiredTickets(t *testing.T) {
	require.Equal(t, store.ErrTicketExpired, shelf().Add(consume(1, ref(1)), now+1))
	require.Equal(t, store.ErrTicketExpired, shelf().Add(complete(1, "answer"), now+1))
	require.NoError(t, shelf().Add(consume(1, ref(1)), now), "the last instant is valid")
}

func TestTaken(t *testing.T) {
	ready := NewTicket(pending(1))
	ready.Status = store.TicketReady
	taken, err := ready.Taken(store.UseID{1}, now)
	require.NoError(t, err)
	assert.Empty(t, taken.Key)
	assert.NotEmpty(t, ready.Key, "Taken changes a copy")
	again, err := taken.Taken(store.UseID{1}, now+1)
	require.NoError(t, err)
	assert.Nil(t, again)
	orphan, still := *ready, *ready
	orphan.Orphaned, still.Status = true, store.TicketPending
	for name, c := range map[string]struct {
		ticket *Ticket
		now    store.Micros
		want   error
	}{
		"unknown":         {nil, now, store.ErrTicketNotFound},
		"of a dead token": {&orphan, now, store.ErrTicketNotFound},
		"taken":           {taken, now, store.ErrTicketTaken},
		"expired":         {ready, now + 1, store.ErrTicketExpired},
		"pending":         {&still, now, store.ErrConflict},
	} {
		_, err := c.ticket.Taken(store.UseID{2}, c.now)
		assert.Equal(t, c.want, err, name)
	}
	assert.Equal(t, store.ErrTicketTaken, taken.Resolvable(now))
	assert.Equal(t, store.ErrTicketExpired, ready.Resolvable(now+1))
	assert.NoError(t, still.Resolvable(now))
}

// The digest of a ticket covers each part of its contents.
func TestPutSum(t *testing.T) {
	sums := make(map[store.Sum]string)
	for name, change := range map[string]func(*store.Ticket){
		"as it is": func(*store.Ticket) {},
		"status":   func(n *store.Ticket) { n.Status = store.TicketReady },
		"token":    func(n *store.Ticket) { n.Token[0]++ },
		"owner":    func(n *store.Ticket) { n.OwnsToken = true },
		"expiry":   func(n *store.Ticket) { n.Expires++ },
		"border":   func(n *store.Ticket) { n.Key, n.Payload = store.Sealed("keyp"), store.Sealed("ayload") },
	} {
		n := pending(1)
		change(&n)
		sum := NewTicket(n).Put
		assert.Empty(t, sums[sum], name)
		sums[sum] = name
	}
}

// A use gets a ticket that ResolveTicket would return, and a copy of it.
func TestFetched(t *testing.T) {
	stored := NewTicket(store.Ticket{Status: store.TicketPending, Key: store.Sealed("key"), Payload: store.Sealed("payload"), Expires: now})
	got := stored.Fetched(now)
	assert.Equal(t, stored.Contents(), got)
	got.Key[0], got.Payload[0] = 'x', 'x'
	assert.Equal(t, stored.Contents(), stored.Fetched(now))
	for name, spoil := range map[string]func(*Ticket){
		"expired":     func(k *Ticket) { k.Expires = now - 1 },
		"taken":       func(k *Ticket) { k.Taker[0]++ },
		"of no token": func(k *Ticket) { k.Orphaned = true },
	} {
		k := *stored
		spoil(&k)
		assert.Nil(t, k.Fetched(now), name)
	}
	assert.Nil(t, (*Ticket)(nil).Fetched(now))
}
