package sqlstore_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
)

// cluster is a PostgreSQL server of a test's own, which the test may crash.
type cluster struct {
	*dbtest.Cluster
	site
}

// newCluster starts a server. prepare sets up the directory for its data.
func newCluster(t *testing.T, prepare func(dir string)) *cluster {
	t.Helper()
	c := dbtest.NewCluster(t, prepare)
	return &cluster{Cluster: c, site: postgreSQLAt(t, c.DSN(), nil)}
}

// A server crashes again and again under load. Repeating a failed call gives a definite
// answer, every use is charged exactly once, and no refresh token is lost.
//
// proves P3, P5, P8
func TestServerCrashesUnderLoad(t *testing.T) {
	c := newCluster(t, func(string) {})
	st := c.on(t, c.migrate(t))
	const callers, crashes = 8, 3
	p, err := newRoot(t.Context(), st, 1_000_000)
	require.NoError(t, err)
	info, err := st.Token(t.Context(), p.ID)
	require.NoError(t, err)
	var granted, commits, failures atomic.Int64
	progress := make(chan struct{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for {
				u := newUse()
				settle(t, &failures, func() error { _, err := st.Spend(t.Context(), p, u); return err })
				granted.Add(1)
				select {
				case progress <- struct{}{}:
				case <-stop:
					return
				}
			}
		})
	}
	wg.Go(func() {
		for generation := uint64(1); ; generation++ {
			lease := store.LeaseID{byte(generation), byte(generation >> 8), 1}
			settle(t, &failures, func() error {
				_, err := st.BeginRefresh(t.Context(), store.Begin{Grant: info.Grant, Lease: lease, Now: lifeNow, TTL: time.Second})
				return err
			})
			settle(t, &failures, func() error {
				return st.CommitRefresh(t.Context(), store.Commit{Grant: info.Grant, Lease: lease, Generation: generation, Token: store.Sealed(fmt.Sprintf("refresh token %d", generation)), Now: lifeNow})
			})
			settle(t, &failures, func() error {
				return st.EndRefresh(t.Context(), store.End{Grant: info.Grant, Lease: lease, Generation: generation + 1, Outcome: store.RefreshDone, Now: lifeNow})
			})
			commits.Add(1)
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for range crashes {
		for range 200 {
			<-progress
		}
		c.Crash()
	}
	close(stop)
	wg.Wait()
	if failures.Load() == 0 {
		t.Error("no call failed: the crashes hit nothing")
	}
	info, err = st.Token(t.Context(), p.ID)
	require.NoError(t, err)
	events, _, err := st.Events(t.Context(), []store.TokenID{p.ID}, store.Page{Limit: 1_000_000})
	require.NoError(t, err)
	if n := granted.Load(); info.Counters[0].ATUsed != n || int64(len(events)) != n {
		t.Errorf("%d uses were granted, %d are counted, %d are in the history", n, info.Counters[0].ATUsed, len(events))
	}
	state, err := st.Grant(t.Context(), info.Grant)
	if want := fmt.Sprintf("refresh token %d", commits.Load()); err != nil || string(state.Token) != want || len(state.Spares) > 0 {
		t.Errorf("the grant holds %q with %d spares, want %q: %v", state.Token, len(state.Spares), want, err)
	}
	t.Logf("%d uses, %d refreshes, %d calls that failed and were repeated", granted.Load(), commits.Load(), failures.Load())
}

// settle repeats a call until its answer is definite. The answer must be a success.
func settle(t *testing.T, failures *atomic.Int64, call func() error) {
	for {
		err := call()
		if err == nil {
			return
		}
		if store.IsDefinite(err) {
			t.Errorf("a repeated call: %v", err)
			return
		}
		if failures.Add(1) > 100_000 {
			t.Errorf("repeated too often: %v", err)
			return
		}
		<-time.After(10 * time.Millisecond) // the server is starting
	}
}

// A server with a full disk refuses a whole step that it cannot store.
//
// proves P3
func TestServerWithFullDisk(t *testing.T) {
	c := newCluster(t, func(dir string) {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
			t.Skipf("SKIPPED: no small file system can be mounted here: %v", err)
		}
		t.Cleanup(func() {
			// A process of the server may still be ending.
			assert.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH))
		})
	})
	c.migrate(t)
	c.testFull(t, nil)
}
