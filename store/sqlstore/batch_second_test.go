package sqlstore_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// While a batch is under way, other uses wait for it and form one batch. They get a batch
// beside it only if half of a full one waits, or if the database takes long.
func TestSecondBatch(t *testing.T) {
	const many = 32
	for name, c := range map[string]struct {
		uses    int
		longest time.Duration
		beside  bool
	}{
		"few wait":              {many - 1, time.Hour, false},
		"many wait":             {many, time.Hour, true},
		"the first takes long":  {1, 0, true},
		"few wait, but so long": {many - 1, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, s site) {
				if s.dialect == sqlstore.SQLite {
					t.Skip("it commits one batch at a time")
				}
				st := newStage(t, s, 1000)
				st.WaitForBatches(c.longest)
				var others []store.Presented // whose uses do not wait for a use of the same token
				for range c.uses {
					root, err := newRoot(t.Context(), st, 5)
					require.NoError(t, err)
					others = append(others, root)
				}
				first := st.startHeld(t)
				st.spy.taken()
				var calls []*call
				for _, other := range others {
					use := newUse()
					calls = append(calls, st.waiting(t, func() *call {
						return begin(use, func() (store.Spent, error) { return st.Spend(t.Context(), other, use) })
					}))
				}
				if c.beside {
					granted(t, calls...)
				}
				st.release <- nil
				granted(t, append(calls, first)...)
				charges := 0
				for _, said := range st.spy.taken() {
					if isCharge(said) {
						charges++
					}
				}
				if !c.beside || c.uses == many {
					require.Equal(t, 1, charges, "the uses that wait are one batch")
				}
			})
		})
	}
}

// The end of a lease is under way, for which nobody waits. A use starts beside it, and
// another end does not.
func TestUseStartsBesideAnEnd(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		if s.dialect == sqlstore.SQLite {
			t.Skip("it commits one batch at a time")
		}
		st := newStage(t, s, 1000)
		st.WaitForBatches(time.Hour)
		leased := st.leased(t)
		held, release := make(chan struct{}), make(chan struct{})
		var begun atomic.Bool
		st.spy.hook(func(_ context.Context, said statement) error {
			if isCharge(said) {
				return nil
			}
			if !begun.Swap(true) {
				close(held)
			}
			<-release
			return nil
		}, nil)
		first := st.ending(t.Context(), relaxedEnd(leased))
		<-held
		second := st.waiting(t, func() *call { return st.ending(t.Context(), relaxedEnd(leased)) })
		granted(t, st.start(t.Context(), newUse()))
		close(release)
		granted(t, first, second)
	})
}
