package sqlstore_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// Who waits for a connection to prepare a statement holds up nobody who has
// one: otherwise a small pool would be the end of both.
func TestPreparingWithoutConnection(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.migrate(t)
		s.conns = 1
		sp := &spy{Connector: s.connector}
		db := s.connectBy(t, sp)
		st := s.on(t, db)
		root, err := newRoot(t.Context(), st, 10)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		alone := func(u store.Use) error { // in a transaction of its own
			u.Tickets.Drop = []store.TicketRef{{Kind: store.TicketTransfer, ID: store.TicketID{1}}}
			_, err := st.Spend(ctx, root, u)
			return err
		}
		meanwhile := make(chan error, 1)
		var begun atomic.Bool
		sp.hook(nil, func(_ context.Context, said statement) error {
			if said.text != "BEGIN" || begun.Swap(true) {
				return nil
			}
			before := db.Stats().WaitCount
			go func() {
				// What it reads with has not been prepared yet.
				meanwhile <- alone(store.Use{ID: newUse().ID, Kind: store.UseUncounted, Now: 2})
			}()
			for db.Stats().WaitCount == before && ctx.Err() == nil {
				runtime.Gosched()
			}
			return nil
		})
		if err := alone(newUse()); err != nil {
			t.Errorf("Spend: %v", err)
		}
		if err := <-meanwhile; err != nil {
			t.Errorf("Spend, meanwhile: %v", err)
		}
	})
}

// However many sizes batches have, there is room for what most requests need; and
// what is not prepared is done all the same.
func TestBatchesLeaveRoomForOthers(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.migrate(t)
		st := s.open(t)
		var grant store.GrantID
		for n := range 2 * sqlstore.MaxPrepared {
			g, root := store.Grant{Refresh: store.Sealed("rt"), Created: 1}, store.Token{Key: make(store.Sealed, 92), Created: 1}
			for _, id := range [][]byte{g.ID[:], g.Owner[:], root.ID[:], root.Sum[:]} {
				fresh(id)
			}
			root.Grant, root.Owner = g.ID, g.Owner
			for range n { // as many rows of the history as a batch has
				root.Events = append(root.Events, store.Event{Name: "created", Time: 1})
			}
			if err := st.CreateRoot(t.Context(), g, root, store.TicketChanges{}); err != nil {
				t.Fatal(err)
			}
			events, _, err := st.Events(t.Context(), []store.TokenID{root.ID}, store.Page{Limit: 1000})
			if err != nil || len(events) != n {
				t.Fatalf("%d events, want %d: %v", len(events), n, err)
			}
			grant = g.ID
		}
		if _, err := st.Grant(t.Context(), grant); err != nil {
			t.Fatal(err)
		}
		if s.dialect != sqlstore.PostgreSQL && !st.Prepared(s.table("grants")) {
			t.Error("batches of many sizes have taken all the room")
		}
	})
}
