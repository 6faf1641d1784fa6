package sqlstore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

// readStage is a store with two queries for tokens under way, so that further calls wait.
type readStage struct {
	*stage
	first   []*reading
	reads   atomic.Int64 // queries for tokens that have begun
	fail    atomic.Bool  // the next one fails
	panics  bool         // the one that fails panics
	release chan struct{}
}

// reading is a call of Token under way.
type reading struct {
	info store.TokenInfo
	err  error
	done chan struct{}
}

func (st *readStage) read(ctx context.Context, id store.TokenID) *reading {
	r := &reading{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.info, r.err = st.Token(ctx, id)
	}()
	return r
}

var errReadFails = errors.New("the query fails")

func newReadStage(t *testing.T, s site) *readStage {
	t.Helper()
	st := &readStage{stage: newStage(t, s, 1000), release: make(chan struct{})}
	held := make(chan struct{})
	st.spy.hook(func(_ context.Context, said statement) error {
		if !strings.Contains(said.text, "t.about") {
			return nil
		}
		if st.reads.Add(1) <= 2 {
			held <- struct{}{}
			<-st.release
		}
		if st.fail.Swap(false) {
			if st.panics {
				panic(errReadFails)
			}
			return errReadFails
		}
		return nil
	}, nil)
	for range 2 {
		st.first = append(st.first, st.read(t.Context(), st.token.ID))
		<-held
	}
	return st
}

// waiting starts calls and returns when they wait.
func (st *readStage) waiting(ctx context.Context, ids ...store.TokenID) (all []*reading) {
	var wait sync.WaitGroup
	wait.Add(len(ids))
	st.OnReadWait(wait.Done)
	defer st.OnReadWait(nil)
	for _, id := range ids {
		all = append(all, st.read(ctx, id))
	}
	wait.Wait()
	return all
}

// roots creates tokens.
func (st *readStage) roots(t *testing.T, n int) (ids []store.TokenID) {
	t.Helper()
	for range n {
		root, err := newRoot(t.Context(), st, 5)
		require.NoError(t, err)
		ids = append(ids, root.ID)
	}
	return ids
}

// Calls that wait at the same time share queries, and each gets the state of its own token
// after everything that was committed before the call. Nobody gets memory of others.
//
// proves P6
func TestReadsShareAQuery(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newReadStage(t, s)
		ids := st.roots(t, 20)
		all := st.waiting(t.Context(), append(ids, ids[19], store.TokenID{1})...)
		_, err := st.Revoke(t.Context(), store.Revocation{Token: ids[5], Recursive: true, Now: 2})
		require.NoError(t, err)
		close(st.release)
		for _, r := range append(all, st.first...) {
			<-r.done
		}
		for n, id := range ids {
			require.NoError(t, all[n].err)
			assert.Equal(t, id, all[n].info.ID)
			assert.Equal(t, n != 5, all[n].info.Live)
		}
		require.ErrorIs(t, all[21].err, store.ErrNotFound)
		require.EqualValues(t, 2+2, st.reads.Load(), "21 tokens are two queries")
		alone, err := st.Token(t.Context(), ids[19])
		require.NoError(t, err)
		require.Equal(t, alone, all[20].info)
		all[20].info.About[0]++
		require.Equal(t, alone, all[19].info, "two calls for one token")
	})
}

// A call that leaves does not end the query of the others. If all have left, nobody runs
// it.
func TestCallLeavesASharedQuery(t *testing.T) {
	for name, others := range map[string]int{"others stay": 2, "alone": 0} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, s site) {
				st := newReadStage(t, s)
				ids := st.roots(t, 1+others)
				ctx, cancel := context.WithCancel(t.Context())
				gone := st.waiting(ctx, ids[0])[0]
				all := append(st.waiting(t.Context(), ids[1:]...), st.first...)
				cancel()
				<-gone.done
				require.ErrorIs(t, gone.err, context.Canceled)
				require.ErrorIs(t, gone.err, store.ErrUnavailable, "it has changed nothing")
				close(st.release)
				for _, r := range all {
					<-r.done
					require.NoError(t, r.err)
				}
				require.EqualValues(t, 2+min(others, 1), st.reads.Load())
			})
		})
	}
}

// If a shared query fails, each call reads alone. The same holds if the driver panics:
// nobody else would recover.
func TestSharedQueryFails(t *testing.T) {
	for name, panics := range map[string]bool{"with an error": false, "with a panic": true} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, s site) { testSharedQueryFails(t, s, panics) })
		})
	}
}

func testSharedQueryFails(t *testing.T, s site, panics bool) {
	st := newReadStage(t, s)
	st.panics = panics
	all := st.waiting(t.Context(), st.roots(t, 3)...)
	st.spy.mu.Lock()
	before := st.spy.before
	st.spy.before = func(ctx context.Context, said statement) error {
		if strings.Contains(said.text, "t.about") && st.reads.Load() == 2 { // the shared one is next
			st.fail.Store(true)
		}
		return before(ctx, said)
	}
	st.spy.mu.Unlock()
	close(st.release)
	for _, r := range append(all, st.first...) {
		<-r.done
		require.NoError(t, r.err)
	}
	require.EqualValues(t, 2+1+3, st.reads.Load())
}

// A call waits only so long for queries that may never end.
func TestCallWaitsTooLongForASharedQuery(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newReadStage(t, s)
		st.WaitForReads(0)
		_, err := st.Token(t.Context(), st.token.ID)
		require.NoError(t, err)
		st.WaitForReads(time.Hour)
		close(st.release)
		for _, r := range st.first {
			<-r.done
			require.NoError(t, r.err)
		}
	})
}
