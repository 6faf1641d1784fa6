package killtest_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// A server crashes again and again under an issuer. Its callers repeat calls that got no
// answer. In the end everything that the limits allow is delivered, and no more. Every
// login is usable, and each failure has a type.
//
// proves P3, P5, P8
func TestServerRestartsUnderAnIssuer(t *testing.T) {
	const callers, crashes, between = 6, 3, 40
	cluster := dbtest.NewCluster(t, func(string) {})
	w := newWorld(t, postgreSQLAt(cluster.DSN()))
	r := newRun(w, w.logins(12), nil, rand.Uint64())
	shared := &repeater{run: r, progress: make(chan struct{}, 1000), used: make(chan struct{})}
	var running, asking sync.WaitGroup
	for n := range callers {
		running.Go(func() { shared.useUp(n) })
	}
	asking.Go(shared.keepAsking)
	go func() {
		running.Wait()
		close(shared.progress)
		close(shared.used)
	}()
	for range crashes {
		for range between {
			<-shared.progress
		}
		cluster.Crash()
		// A caller that could not end its lease need not wait until it lapses.
		w.ahead.Add(int64(2 * patient.Lease))
	}
	for range shared.progress { // until all have ended
	}
	asking.Wait()
	require.NotZero(t, shared.failures.Load(), "the crashes hit nothing")
	require.Zero(t, w.op.Count(optest.Ended))
	r.nothingIsLostWithoutReason()
	r.balance()
	for _, g := range r.grants {
		info, err := w.store.Token(t.Context(), g.root().id)
		require.NoError(t, err)
		require.EqualValues(t, g.root().limit, info.Counters[0].ATUsed, g.subject)
	}
	t.Logf("%d calls failed and were repeated", shared.failures.Load())
}

// repeater uses tokens up and repeats each use until its outcome is known.
type repeater struct {
	*run
	failures atomic.Int64
	progress chan struct{} // one for each use that was delivered
	used     chan struct{} // closed when nothing is left
	mu       sync.Mutex
}

// useUp goes through all grants, beginning with one of its own, until nothing is left of
// any. It uses roots and their children in turn.
func (p *repeater) useUp(first int) {
	for i := range p.grants {
		g := p.grants[(first+i)%len(p.grants)]
		for n := 0; ; n++ {
			p.mu.Lock()
			u := p.add(g.tokens[n%2], usualScope, atRandom)
			p.mu.Unlock()
			u.Token = u.token.compact
			for p.try(u) {
			}
			if u.last == delivered {
				p.progress <- struct{}{}
			} else if n%2 == 0 {
				break
			}
		}
	}
}

// keepAsking makes unlimited uses, one after the other, as long as anybody makes others.
// So a crash always hits one.
func (p *repeater) keepAsking() {
	for n := 0; ; n++ {
		select {
		case <-p.used:
			return
		default:
		}
		p.mu.Lock()
		u := p.add(p.grants[n%len(p.grants)].root(), probeScope, atRandom)
		p.mu.Unlock()
		u.Token = u.token.compact
		for p.try(u) {
		}
	}
}

// try makes a use and reports whether it has to be repeated.
func (p *repeater) try(u *use) bool {
	_, err := p.issuer.AccessToken(p.t.Context(), u.request())
	u.last = outcomeOf(err)
	switch u.last {
	case delivered, exhausted:
		return false
	case doubtful, busy, charged:
		if p.failures.Add(1) < 100_000 {
			<-time.After(10 * time.Millisecond) // the server is starting
			return true
		}
	}
	p.t.Errorf("%s: %T: %v", u.last, err, err)
	return false
}

// The server is down when the provider has rotated, and the process dies at that moment.
// When both are back, the login is usable.
//
// proves P5
func TestSpillIsReplayedWhenTheServerIsBack(t *testing.T) {
	cluster := dbtest.NewCluster(t, func(string) {})
	w := newWorld(t, postgreSQLAt(cluster.DSN()))
	r := newRun(w, w.logins(1), nil, 0)
	answering, stopped := make(chan struct{}), make(chan struct{})
	w.onAnswer = func(ctx context.Context, _ string) {
		answering <- struct{}{}
		select {
		case <-stopped:
		case <-ctx.Done():
		}
	}
	setup := w.setup
	setup.Spill, setup.Timing = t.TempDir(), patient
	p := launch(t, 0, setup, r.events)
	root := r.grants[0].root()
	u := r.add(root, answerScope, atRandom)
	u.Token = root.compact
	require.Equal(t, ready, r.next().line.Kind)
	p.send(u.order)
	<-answering
	cluster.Stop()
	close(stopped)
	require.Equal(t, got, r.next().line.Kind)
	require.Equal(t, kept, r.next().line.Kind)
	require.Equal(t, stuck, r.next().line.Kind)
	p.kill()
	require.True(t, r.next().over)
	held := filepath.Join(setup.Spill, "*.refresh")
	files, err := filepath.Glob(held)
	require.NoError(t, err)
	require.Len(t, files, 1)

	cluster.Start()
	w.store = w.site.migrated(t)
	w.ahead.Add(int64(2 * patient.Lease))
	w.issuer = w.newIssuer(patient, setup.Spill)
	require.NoError(t, w.issuer.Recover(t.Context()))
	files, err = filepath.Glob(held)
	require.NoError(t, err)
	require.Empty(t, files)
	u.Scope = usualScope
	require.Equal(t, delivered, r.ask(u), "the same use again")
	require.Zero(t, w.op.Reuses())
	require.Zero(t, w.op.Count(optest.Ended))
	r.balance()
}
