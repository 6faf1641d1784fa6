package issuer_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// twoNodes is a world on a node that dies with an answer of the provider in its spill
// directory, and another node with a directory of its own. restarted is the first node
// again.
func twoNodes(t *testing.T, opts worldOptions, rotation optest.Rotation) (w *world, other, restarted *issuer.Issuer, node string) {
	t.Helper()
	dir := t.TempDir()
	more := opts.config
	opts.config = func(c *issuer.Config) {
		c.SpillDir = dir
		if more != nil {
			more(c)
		}
	}
	w = newWorld(t, rotation, opts)
	restarted = w.crashAtCommit(t)
	other, err := w.node(func(c *issuer.Config) { c.SpillDir = t.TempDir() })
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close(context.Background())) })
	text, err := os.ReadFile(filepath.Join(dir, "node"))
	require.NoError(t, err)
	return w, other, restarted, strings.TrimSpace(string(text))
}

// requireInDoubt checks that a request has to wait for another node, and costs nothing.
func requireInDoubt(t *testing.T, w *world, i *issuer.Issuer) {
	t.Helper()
	calls := len(w.events(optest.Refreshed))
	before, err := w.charged(t.Context())
	require.NoError(t, err)
	_, err = w.request(t.Context(), i, issuer.NewUseID())
	busy := errAs[*issuer.BusyError](t, err)
	require.Equal(t, 10*time.Second, busy.RetryAfter)
	require.ErrorContains(t, busy.Unwrap(), "Issuer.Abandon")
	require.Len(t, w.events(optest.Refreshed), calls, "the provider is not asked")
	w.requireCharged(t, before)
}

// A node dies with the answer of the provider in its own spill directory. The other node
// does not present the old refresh token, whatever time passes. It goes on as soon as the
// first one has restarted.
//
// proves P3, P5
func TestDoubtWaitsForItsNode(t *testing.T) {
	w, other, restarted, node := twoNodes(t, worldOptions{limit: 9}, optest.RotateStrict)
	var detail []string
	w.onNotice(func(n issuer.Notice) {
		if n.Kind == issuer.NoticeInDoubt {
			detail = append(detail, n.Detail)
		}
	})
	for range 3 {
		w.lapse()
		requireInDoubt(t, w, other)
	}
	require.Len(t, detail, 1, "told once")
	require.Contains(t, detail[0], "node "+node)
	require.NoError(t, restarted.Recover(t.Context()))
	for _, i := range []*issuer.Issuer{other, restarted, other} {
		_, err := w.request(t.Context(), i, issuer.NewUseID())
		require.NoError(t, err)
	}
	require.Zero(t, w.reuses())
	require.Zero(t, w.told(issuer.NoticeGrantSuspect))
}

// The store does not take what the spill holds. Then Recover does not say that the node
// has nothing any more.
//
// proves P5
func TestRecoverSettlesNobodyAfterAnError(t *testing.T) {
	w, other, restarted, _ := twoNodes(t, worldOptions{limit: 9}, optest.RotateStrict)
	w.lapse()
	w.store.Reset(failFirst("CommitRefresh", 1, true))
	require.ErrorIs(t, restarted.Recover(t.Context()), storetest.ErrFault)
	requireInDoubt(t, w, other)
	require.NoError(t, restarted.Recover(t.Context()))
	_, err := w.request(t.Context(), other, issuer.NewUseID())
	require.NoError(t, err)
	require.Zero(t, w.reuses())
}

// A request meets the doubt on the node that it is about, which nobody has recovered. It
// recovers the node itself.
//
// proves P5
func TestDoubtOfTheOwnNode(t *testing.T) {
	w, other, restarted, _ := twoNodes(t, worldOptions{limit: 9}, optest.RotateStrict) // the lease is in force
	for _, i := range []*issuer.Issuer{restarted, other} {
		_, err := w.request(t.Context(), i, issuer.NewUseID())
		require.NoError(t, err)
	}
	require.Zero(t, w.reuses())
}

// An operator gives a node up that does not come back: not while it has a heartbeat, and
// not one that nobody knows.
//
// proves P5
func TestAbandon(t *testing.T) {
	w, other, _, node := twoNodes(t, worldOptions{limit: 9}, optest.RotateGrace)
	for _, unknown := range []string{"", "node", strings.Repeat("0", 32), strings.Repeat("ab", 16), node + "00", strings.Repeat("x", 1000)} {
		_, err := other.Abandon(t.Context(), unknown)
		require.Equal(t, unknown, errAs[*issuer.UnknownNodeError](t, err).Node)
		require.Less(t, len(err.Error()), 250)
	}
	host, err := os.Hostname()
	require.NoError(t, err)
	got, err := other.Abandon(t.Context(), node)
	require.NoError(t, err)
	require.Equal(t, issuer.Abandoned{Living: []string{host}}, got)
	w.clock.Advance(13 * time.Second)
	requireInDoubt(t, w, other)

	w.lapse()
	got, err = other.Abandon(t.Context(), node)
	require.NoError(t, err)
	require.Equal(t, issuer.Abandoned{Settled: []string{host}}, got)
	_, err = w.request(t.Context(), other, issuer.NewUseID())
	require.NoError(t, err)
	got, err = other.Abandon(t.Context(), node)
	require.NoError(t, err)
	require.Equal(t, issuer.Abandoned{}, got, "once")
}

// Nobody gives the node up. After Config.AbandonAfter the provider is asked all the same.
//
// proves P5
func TestAbandonAfter(t *testing.T) {
	w, other, _, _ := twoNodes(t, worldOptions{limit: 9}, optest.RotateGrace)
	w.clock.Advance(50 * time.Minute)
	requireInDoubt(t, w, other)
	w.clock.Advance(11 * time.Minute)
	_, err := w.request(t.Context(), other, issuer.NewUseID())
	require.NoError(t, err)
}

// The operator states that the provider tolerates an old refresh token. Then a doubt delays
// a request only by Config.InDoubtWait.
//
// proves P5
func TestToleratedReuseIsTried(t *testing.T) {
	w, other, _, _ := twoNodes(t, worldOptions{limit: 9, upstream: func(c *oidcupstream.Config) { c.Reuse = oidcupstream.ReuseTolerates }}, optest.RotateGrace)
	w.lapse()
	_, err := w.request(t.Context(), other, issuer.NewUseID())
	require.NoError(t, err)
}

// A process dies with a lease that lasts for minutes. The next process of the same
// directory takes it over at once.
//
// proves P5
func TestRestartDoesNotWaitForTheLease(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, config: func(c *issuer.Config) {
		c.SpillDir, c.Lease, c.InDoubtWait = t.TempDir(), 10*time.Minute, soon
	}})
	w.store.Reset(storetest.FailFrom(storetest.After("Spend", 1), storetest.ErrFault))
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.Error(t, err)
	require.NoError(t, w.close(t.Context()))
	w.store.Reset(nil)
	next, err := w.node(func(c *issuer.Config) { c.WaitLimit = time.Second })
	require.NoError(t, err)
	require.NoError(t, next.Recover(t.Context()))
	_, err = w.request(t.Context(), next, issuer.NewUseID())
	require.NoError(t, err)
	require.Equal(t, 1, w.store.Calls("BeginRefresh"), "it did not try twice")
	require.NoError(t, next.Close(t.Context()))
}

// The store takes no end of a lease, so that the lease lapses and leaves a doubt. The
// process that held it ends it later, and does not wait for itself.
//
// proves P5
func TestUnendedLeaseIsEndedLater(t *testing.T) {
	for _, settles := range []bool{false, true} {
		w := newWorld(t, optest.RotateOff, worldOptions{limit: 9, config: func(c *issuer.Config) { c.SpillDir = t.TempDir() }})
		w.store.Reset(failFirst("EndRefresh", 3, true))
		_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
		require.NoError(t, err)
		waitUntil(t, "the store has refused it", func() bool { return w.store.Calls("EndRefresh") == 3 && w.issuer.Ends() == 0 })
		w.clock.Advance(13 * time.Second)
		other, err := w.node(func(c *issuer.Config) { c.SpillDir = t.TempDir() })
		require.NoError(t, err)
		requireInDoubt(t, w, other)
		if settles {
			require.NoError(t, w.close(t.Context()))
		} else {
			_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
			require.NoError(t, err)
		}
		_, err = w.request(t.Context(), other, issuer.NewUseID())
		require.NoError(t, err)
		require.Zero(t, w.reuses())
		require.NoError(t, other.Close(t.Context()))
	}
}

// Somebody took this process for dead and settled it. It goes on under another id.
//
// proves P5
func TestSettledProcessTakesANewID(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, config: func(c *issuer.Config) { c.SpillDir = t.TempDir() }})
	for n := range 3 {
		_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
		require.NoError(t, err)
		all, _, err := w.inner.Processes(t.Context(), store.Page{Limit: 10})
		require.NoError(t, err)
		require.Len(t, all, n+1)
		var living []store.ProcessID
		for _, p := range all {
			if p.Settled == 0 {
				living = append(living, p.ID)
			}
		}
		require.Len(t, living, 1)
		require.NoError(t, w.inner.Settle(t.Context(), living, store.At(w.clock.Now())))
	}
	require.Zero(t, w.reuses())
}

// A process that ends in order leaves nothing: neither files nor somebody to wait for.
func TestCloseSettlesTheProcess(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, config: func(c *issuer.Config) { c.SpillDir = dir }})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	require.NoError(t, w.close(t.Context()))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "the name of the node")
	all, _, err := w.inner.Processes(t.Context(), store.Page{Limit: 10})
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.NotZero(t, all[0].Settled)
}
