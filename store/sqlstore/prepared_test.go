package sqlstore_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/store"
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
