package sqlstore_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// silent makes a process hold the lease {1} on a new grant and fall silent after now.
func silent(t *testing.T, st *sqlstore.Store, p store.Process, now store.Micros) store.GrantID {
	t.Helper()
	root, err := newRoot(t.Context(), st, 1)
	require.NoError(t, err)
	info, err := st.Token(t.Context(), root.ID)
	require.NoError(t, err)
	require.NoError(t, st.Beat(t.Context(), p, now))
	b := store.Begin{Grant: info.Grant, Lease: store.LeaseID{1}, Process: p.ID, Now: now, TTL: time.Minute}
	_, err = st.BeginRefresh(t.Context(), b)
	require.NoError(t, err)
	return info.Grant
}

// A heartbeat that arrives while somebody takes the lease over saves it. Without the
// check, two processes would hold it, each sure of its right.
//
// proves P5
func TestHeartbeatSavesTheLease(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		const now = store.Micros(1e9)
		s.migrate(t)
		sp := &spy{Connector: s.connector}
		alive, taker := s.open(t), s.on(t, s.connectBy(t, sp))
		p := store.Process{ID: store.ProcessID{1}, Node: store.NodeID{1}}
		g := silent(t, alive, p, now)
		var beaten atomic.Bool
		sp.hook(func(_ context.Context, said statement) error {
			if isWrite(said) && !beaten.Swap(true) {
				return alive.Beat(t.Context(), p, now+30e6)
			}
			return nil
		}, nil)
		b := store.Begin{Grant: g, Lease: store.LeaseID{2}, Now: now + 1, TTL: time.Second}
		_, err := taker.BeginRefresh(t.Context(), b)
		assert.Equal(t, &store.BusyError{Until: now.Add(time.Minute)}, err)
		assert.True(t, beaten.Load(), "the heartbeat came in between")
		_, err = taker.BeginRefresh(t.Context(), b)
		assert.Equal(t, &store.BusyError{Until: now.Add(time.Minute)}, err)
		sp.hook(nil, nil)
		b.Now = now + 30e6 + 1
		r, err := taker.BeginRefresh(t.Context(), b)
		require.NoError(t, err)
		assert.Equal(t, []store.Doubt{{Lease: store.LeaseID{1}, Process: p.ID, Node: p.Node, Lapsed: b.Now}}, r.Doubts)
	})
}

// isWrite reports whether a statement begins a transaction, or is one as a whole.
func isWrite(said statement) bool { return said.is("BEGIN") || said.is("WITH") }

// A process dies with many leases. Several others take them over at once, each one at the
// first attempt.
//
// proves P5
func TestManyLeasesOfOneProcess(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		const now = store.Micros(1e9)
		s.migrate(t)
		sp := &spy{Connector: s.connector}
		handles := []*sqlstore.Store{s.on(t, s.connectBy(t, sp)), s.on(t, s.connectBy(t, sp))}
		p := store.Process{ID: store.ProcessID{1}, Node: store.NodeID{1}}
		grants := make([]store.GrantID, 32)
		for i := range grants {
			grants[i] = silent(t, handles[0], p, now)
		}
		errs := make([]error, len(grants))
		sp.taken()
		var wg sync.WaitGroup
		for i, g := range grants {
			wg.Go(func() {
				_, errs[i] = handles[i%2].BeginRefresh(t.Context(), store.Begin{Grant: g, Lease: store.LeaseID{2}, Now: now + 1, TTL: time.Second})
			})
		}
		wg.Wait()
		for i, err := range errs {
			assert.NoError(t, err, fmt.Sprint(i))
		}
		if s.dialect == sqlstore.SQLite {
			return // one writer at a time
		}
		begun := 0
		for _, said := range sp.taken() {
			if isWrite(said) {
				begun++
			}
		}
		assert.Equal(t, len(grants), begun, "transactions")
	})
}
