package sqlstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

// A relaxed end on PostgreSQL does not wait for the log, and only it does not: the
// connection keeps its setting, and a batch that also has a use waits.
//
// proves P3
func TestRelaxedEndRelaxesNothingElse(t *testing.T) {
	s := newPostgreSQL(t)
	s.conns = 2
	st := newStage(t, s, 1000)
	st.db.SetMaxOpenConns(2)
	relaxed := func(said []statement) (n int) {
		for _, one := range said {
			if strings.Contains(one.text, "synchronous_commit") {
				n++
			}
		}
		return n
	}
	held := st.leased(t)
	st.spy.taken()
	granted(t, st.ending(t.Context(), relaxedEnd(held)))
	said := st.spy.taken()
	require.Equal(t, 1, relaxed(said))
	require.Len(t, said, 1, "one round trip")
	for range 2 { // on each connection
		conn, err := st.db.Conn(t.Context())
		require.NoError(t, err)
		defer conn.Close()
		var setting string
		require.NoError(t, conn.QueryRowContext(t.Context(), "SHOW synchronous_commit").Scan(&setting))
		assert.Equal(t, "on", setting)
	}
	st.db.SetMaxOpenConns(5)
	held = st.leased(t)
	first := st.occupy(t, s)
	end := st.waiting(t, func() *call { return st.ending(t.Context(), relaxedEnd(held)) })
	next := st.startWaiting(t, t.Context(), newUse())
	st.spy.taken()
	for range first {
		st.release <- nil
	}
	granted(t, append(first, end, next)...)
	assert.Zero(t, relaxed(st.spy.taken()), "the use that goes with the end is durable")
}

// A crash of the server may undo a relaxed end. Then the lease lapses and leaves a doubt.
// The process that held the lease finds the doubt and resolves it. The crash undoes no use,
// neither one before the end nor one after it on the same connection. A use after the end
// makes the end durable, too.
//
// proves P3, P5
func TestCrashAfterRelaxedEnd(t *testing.T) {
	c := newCluster(t, func(string) {})
	c.conns = 1
	db := c.migrate(t)
	for _, text := range []string{"ALTER SYSTEM SET wal_writer_delay = '10s'", "SELECT pg_reload_conf()"} {
		_, err := db.Exec(text)
		require.NoError(t, err)
	}
	st := c.on(t, db)
	holder := store.Process{ID: store.ProcessID{1}, Node: store.NodeID{1}}
	require.NoError(t, st.Beat(t.Context(), holder, lifeNow.Add(1000*time.Hour)))
	crash := func() {
		t.Helper()
		c.Crash()
		for range 10 { // the pool finds out that its connections are dead
			if db.PingContext(t.Context()) == nil {
				return
			}
		}
		t.Fatal("the server is back, and no connection works")
	}
	lost := 0
	for attempt := 0; attempt < 6 && lost == 0; attempt++ {
		p, err := newRoot(t.Context(), st, 10)
		require.NoError(t, err)
		u := leasing()
		u.Lease.Process = holder.ID
		spent, err := st.Spend(t.Context(), p, u)
		require.NoError(t, err)
		require.NotNil(t, spent.Refresh)
		end := relaxedEnd(&call{use: u, spent: spent})
		require.NoError(t, st.EndRefresh(t.Context(), end))
		crash()
		info, err := st.Token(t.Context(), p.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1, info.Counters[0].ATUsed, "the use was committed before")

		next := store.Begin{Grant: spent.Grant, Lease: store.LeaseID{1}, Now: u.Now, TTL: 1000}
		r, err := st.BeginRefresh(t.Context(), next)
		if busy, is := errors.AsType[*store.BusyError](err); is {
			lost++
			require.Equal(t, spent.Refresh.Until, busy.Until)
			next.Now = busy.Until + 1
			r, err = st.BeginRefresh(t.Context(), next)
			require.NoError(t, err)
			require.Len(t, r.Doubts, 1)
			require.Equal(t, u.Lease.ID, r.Doubts[0].Lease)
			left, err := st.Doubts(t.Context(), holder.ID, 10)
			require.NoError(t, err)
			require.Equal(t, []store.DoubtRef{{Grant: spent.Grant, Lease: u.Lease.ID}}, left)
			late := end
			late.Relaxed, late.Outcome, late.Worked = false, store.RefreshUnknown, ""
			require.NoError(t, st.EndRefresh(t.Context(), late))
			r, err = st.BeginRefresh(t.Context(), next)
			require.NoError(t, err)
			require.Empty(t, r.Doubts)
		} else {
			require.NoError(t, err)
			require.Empty(t, r.Doubts)
		}
		require.Equal(t, spent.Refresh.RefreshState.Token, r.Token, "the same refresh token")
		end.Lease, end.Relaxed = next.Lease, false
		require.NoError(t, st.EndRefresh(t.Context(), end))
		again := leasing()
		again.Now = next.Now
		spent, err = st.Spend(t.Context(), p, again)
		require.NoError(t, err)
		require.NotNil(t, spent.Refresh, "nothing is in the way any more")
	}
	require.NotZero(t, lost, "no crash undid a relaxed end: it waits for the log")

	p, err := newRoot(t.Context(), st, 10)
	require.NoError(t, err)
	u := leasing()
	spent, err := st.Spend(t.Context(), p, u)
	require.NoError(t, err)
	require.NoError(t, st.EndRefresh(t.Context(), relaxedEnd(&call{use: u, spent: spent})))
	require.NoError(t, spend(t.Context(), st, p))
	crash()
	info, err := st.Token(t.Context(), p.ID)
	require.NoError(t, err)
	require.EqualValues(t, 2, info.Counters[0].ATUsed, "the use after the end was committed")
	spent, err = st.Spend(t.Context(), p, leasing())
	require.NoError(t, err)
	require.NotNil(t, spent.Refresh, "the end was written before the use")
}
