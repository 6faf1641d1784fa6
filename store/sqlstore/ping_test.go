package sqlstore_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// pinged opens a store whose commits are counted, and whose clock the test sets.
func pinged(t *testing.T, s site) (st *sqlstore.Store, sp *spy, commits *atomic.Int64, clock *atomic.Int64) {
	s.migrate(t)
	sp, commits, clock = &spy{Connector: s.connector}, new(atomic.Int64), new(atomic.Int64)
	st = s.on(t, s.connectBy(t, sp))
	st.PingClock(func() time.Time { return time.Unix(0, clock.Load()) })
	sp.hook(func(_ context.Context, said statement) error {
		if said.is("COMMIT") {
			commits.Add(1)
		}
		return nil
	}, nil)
	return st, sp, commits, clock
}

// Any number of health checks at once cost one transaction a second, which leaves nothing
// behind.
func TestPingIsShared(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st, _, commits, clock := pinged(t, s)
		for second := range 3 {
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() { assert.NoError(t, st.Ping(t.Context())) })
			}
			wg.Wait()
			assert.Equal(t, int64(second+1), commits.Load(), "transactions")
			clock.Add(int64(time.Second))
		}
		assert.Zero(t, s.count(t, s.connect(t), "history"), "rows left behind")
	})
}

// Ping finds that a file was removed, or replaced by another one such as a backup. SQLite
// goes on without an error then.
//
// proves P3
func TestPingMissesTheFile(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"removed": os.Remove,
		"renamed": func(path string) error { return os.Rename(path, path+".old") },
		"replaced": func(path string) error {
			data, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path+".new", data, 0o600), os.Rename(path+".new", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSQLite(t)
			st, _, _, clock := pinged(t, s)
			require.NoError(t, st.Ping(t.Context()))
			require.NoError(t, change(s.address))
			clock.Add(int64(time.Second))
			require.ErrorContains(t, st.Ping(t.Context()), "the file of the database was removed or replaced")
		})
	}
}

// Ping finds a database that reads but does not commit. It shares that result, too, and
// notices when the database works again.
//
// proves P3
func TestPingFails(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st, sp, _, clock := pinged(t, s)
		broken := errors.New("the disk does not answer")
		sp.hook(func(_ context.Context, said statement) error {
			if said.is("COMMIT") {
				return broken
			}
			return nil
		}, nil)
		require.ErrorIs(t, st.Ping(t.Context()), broken)
		sp.hook(nil, nil)
		require.ErrorIs(t, st.Ping(t.Context()), broken, "within the second")
		clock.Add(int64(time.Second))
		require.NoError(t, st.Ping(t.Context()))
	})
}

// A health check that gives up says nothing about the database: others ask themselves. It
// does not wait for a check that is stuck.
func TestPingGivesUp(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st, sp, _, _ := pinged(t, s)
		held := make(chan struct{})
		sp.hook(func(ctx context.Context, said statement) error {
			if !said.is("BEGIN") {
				return nil
			}
			held <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error, 1)
		go func() { first <- st.Ping(ctx) }()
		<-held
		gone, stop := context.WithCancel(t.Context())
		stop()
		require.ErrorIs(t, st.Ping(gone), context.Canceled, "while another check is stuck")
		cancel()
		err := <-first
		require.ErrorIs(t, err, context.Canceled)
		assert.ErrorIs(t, err, store.ErrUnavailable)
		sp.hook(nil, nil)
		require.NoError(t, st.Ping(t.Context()))
	})
}

// Ping ends by itself if the database hangs.
func TestPingIsBounded(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.opts.BatchTimeout = 50 * time.Millisecond
		s.migrate(t)
		sp := &spy{Connector: s.connector}
		st := s.on(t, s.connectBy(t, sp))
		sp.hook(func(ctx context.Context, _ statement) error { <-ctx.Done(); return ctx.Err() }, nil)
		require.ErrorIs(t, st.Ping(t.Context()), context.DeadlineExceeded)
	})
}
