package refresh

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
)

// memLedger is a ledger on a store in memory.
type memLedger struct{ *memstore.Store }

func (l memLedger) BeginRefresh(ctx context.Context, b store.Begin) (store.Refresh, error) {
	b.Now = store.At(time.Now())
	return l.Store.BeginRefresh(ctx, b)
}

func (l memLedger) Settle(ctx context.Context, ids []store.ProcessID) error {
	return l.Store.Settle(ctx, ids, store.At(time.Now()))
}

// lossyLedger is a ledger whose store crashes after each relaxed end, which gets lost.
type lossyLedger struct{ memLedger }

func (l lossyLedger) EndRefresh(ctx context.Context, e store.End) error {
	if e.Relaxed {
		return nil
	}
	return l.memLedger.EndRefresh(ctx, e)
}

// strictProvider is a provider that takes an old refresh token for a stolen one.
func strictProvider(t *testing.T) *oidcupstream.Provider {
	p, err := oidcupstream.New(oidcupstream.Config{
		Issuer: "https://op.example", ClientID: "client", RedirectURL: "https://portal.example/redirect", Auth: oidcupstream.PublicClient(), Timeout: 10 * time.Second,
	})
	require.NoError(t, err)
	return p
}

// pair is a refresher, and another one of another node that wants the same grant.
type pair struct {
	inner  *memstore.Store
	grant  store.GrantID
	token  store.TokenID
	holder *Refresher
	other  *Refresher
	req    Request // of the other one
}

func newPair(t *testing.T, ledger func(memLedger) Ledger) *pair {
	p := &pair{inner: memstore.New(), grant: store.GrantID{1}, token: store.TokenID{1}}
	owner := store.OwnerID{1}
	require.NoError(t, p.inner.CreateRoot(t.Context(),
		store.Grant{ID: p.grant, Owner: owner, Refresh: store.Sealed("rt"), Created: 1},
		store.Token{ID: p.token, Grant: p.grant, Owner: owner, Sum: store.Sum{1}, Key: store.Sealed("key"), Created: 1}, store.TicketChanges{}))
	for _, r := range []**Refresher{&p.holder, &p.other} {
		var err error
		*r, err = New(Config{
			Ledger: ledger(memLedger{p.inner}), Clock: time.Now, Logger: slog.New(slog.DiscardHandler), SpillDir: t.TempDir(),
			StepTimeout: time.Second, WaitLimit: time.Minute, AbandonAfter: time.Hour,
			Notify: func(context.Context, Event) {},
		})
		require.NoError(t, err)
	}
	p.req = Request{Token: p.token, Grant: p.grant, Provider: strictProvider(t)}
	return p
}

func (p *pair) close(t *testing.T) {
	require.NoError(t, p.holder.Close(t.Context()))
	require.NoError(t, p.other.Close(t.Context()))
}

// begin takes the lease for the other node, and gives it back.
func (p *pair) begin(t *testing.T) error {
	l, _, err := p.other.begin(t.Context(), p.req)
	if err == nil {
		l.end(t.Context(), store.End{Outcome: store.RefreshNotSent})
		p.other.deactivate(l.id)
	}
	return err
}

// spend makes a use of the token, which asks for the lease as the wish says.
func (p *pair) spend(t *testing.T, w *Wish) store.Spent {
	t.Helper()
	use := store.Use{ID: store.UseID(w.request.ID), Kind: store.UseUncounted, Lease: w.Lease(), Now: store.At(time.Now())}
	spent, err := p.inner.Spend(t.Context(), store.Presented{ID: p.token, Seq: 1, Sum: store.Sum{1}}, use)
	require.NoError(t, err)
	return spent
}

// awaitBeat lets each process of the bubble have one heartbeat.
func awaitBeat() {
	time.Sleep(beatInterval)
	synctest.Wait()
}

// requireWaits checks that the other node waits for the holder.
func (p *pair) requireWaits(t *testing.T) {
	t.Helper()
	err := p.begin(t)
	require.ErrorIs(t, err, errInDoubt)
}

// A crash of the store undoes the end of a lease that nobody waited for, and the process
// that ended it lives on without a request for this grant. The doubt that another node
// finds is resolved with the next heartbeat of that process.
//
// proves P5
func TestLostEndIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, func(l memLedger) Ledger { return lossyLedger{l} })
		l, _, err := p.holder.begin(t.Context(), Request{Token: p.token, Grant: p.grant, Provider: p.req.Provider})
		require.NoError(t, err)
		l.endLater(t.Context(), store.End{Outcome: store.RefreshDone})
		require.True(t, p.holder.inForce(l.owner))
		time.Sleep(time.Hour) // nobody has asked, so there is no doubt
		p.requireWaits(t)
		awaitBeat()
		require.NoError(t, p.begin(t))
		p.close(t)
	})
}

// A use takes effect after its request has given up, and takes a lease that nobody knows
// of. It holds nobody up for longer than it lasts, and a heartbeat.
//
// proves P5
func TestLateLeaseIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, func(l memLedger) Ledger { return l })
		w := p.holder.Wish(t.Context(), p.token, p.req.Provider)
		w.Lost(t.Context())
		w.Close(t.Context())
		spent := p.spend(t, w)
		require.NotNil(t, spent.Refresh, "the use is late")
		require.Equal(t, store.At(time.Now().Add(12*time.Second)), spent.Refresh.Until)
		time.Sleep(12*time.Second + time.Millisecond)
		p.requireWaits(t)
		awaitBeat()
		require.NoError(t, p.begin(t))
		p.close(t)
	})
}

// A process does not end a lease under which it still works, or from which it has a
// refresh token that the store lacks. If the store is away, it tries again.
//
// proves P5
func TestOwnDoubtsThatStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		p := newPair(t, func(l memLedger) Ledger { return silentLedger{l, &away} })
		l, _, err := p.holder.begin(t.Context(), Request{Token: p.token, Grant: p.grant, Provider: p.req.Provider})
		require.NoError(t, err)
		time.Sleep(13 * time.Second)
		for range 3 {
			p.requireWaits(t) // it is active
			awaitBeat()
		}
		require.NoError(t, p.holder.spill.put(store.Commit{Grant: p.grant, Lease: l.id, Generation: 1, Token: store.Sealed("rt 2"), Now: 1}))
		p.holder.deactivate(l.id)
		awaitBeat()
		p.requireWaits(t) // its answer has not arrived
		p.holder.spill.done(l.id)

		away.Store(true)
		awaitBeat()
		p.requireWaits(t)
		away.Store(false)
		awaitBeat()
		require.NoError(t, p.begin(t))
		p.close(t)
	})
}

// deletedLedger is a ledger whose store deletes the data of a user after each look at the
// doubts.
type deletedLedger struct{ memLedger }

func (l deletedLedger) Doubts(ctx context.Context, process store.ProcessID, most int) ([]store.DoubtRef, error) {
	doubts, err := l.memLedger.Doubts(ctx, process, most)
	return append([]store.DoubtRef{{Grant: store.GrantID{9}, Lease: store.LeaseID{9}}}, doubts...), err
}

// The data of a user is deleted while a process ends its doubts. It ends the others.
func TestDoubtOfADeletedGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, func(l memLedger) Ledger { return deletedLedger{l} })
		l, _, err := p.holder.begin(t.Context(), p.req)
		require.NoError(t, err)
		p.holder.deactivate(l.id)
		time.Sleep(13 * time.Second)
		p.requireWaits(t)
		awaitBeat()
		require.NoError(t, p.begin(t))
		p.close(t)
	})
}

// A use takes a lease and then waits for the store for long, before it comes to a flight.
// When the lease has lapsed and another node wants the grant, the next heartbeat says that
// nothing was sent under it. The use does without it.
func TestLapsedIdleLeaseIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, func(l memLedger) Ledger { return l })
		w := p.holder.Wish(t.Context(), p.token, p.req.Provider)
		spent := p.spend(t, w)
		w.Charged(t.Context(), p.grant, spent.Refresh)
		time.Sleep(13 * time.Second)
		p.requireWaits(t)
		awaitBeat()
		require.NoError(t, p.begin(t))
		w.Close(t.Context())
		requireIdle(t, p.holder)
		p.close(t)
	})
}

// The store does not take the end of a lease: that of a flight, or of a use whose outcome
// nobody knows. The next heartbeat ends it, so that others need not wait until it lapses.
//
// proves P5
func TestFailedEndIsRepeated(t *testing.T) {
	for name, leave := range map[string]func(*testing.T, *pair){
		"of a flight": func(t *testing.T, p *pair) {
			l, _, err := p.holder.begin(t.Context(), Request{Token: p.token, Grant: p.grant, Provider: p.req.Provider})
			require.NoError(t, err)
			l.endLater(t.Context(), store.End{Outcome: store.RefreshDone})
		},
		"of a use": func(t *testing.T, p *pair) {
			w := p.holder.Wish(t.Context(), p.token, p.req.Provider)
			spent := p.spend(t, w)
			require.NotNil(t, spent.Refresh)
			w.Lost(t.Context())
			w.Close(t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, func(l memLedger) Ledger { return failingLedger{l, time.Now().Add(time.Second)} })
				leave(t, p)
				began := time.Now()
				require.NoError(t, p.begin(t))
				require.Less(t, time.Since(began), beatInterval+2*leasePoll, "the lease lasts for %v", p.holder.ttl(p.req.Provider))
				require.False(t, p.holder.hasPendingEnds())
				p.close(t)
			})
		})
	}
}

// failingLedger is a ledger whose store ends no lease and tells of no token for a while.
type failingLedger struct {
	memLedger
	until time.Time
}

func (l failingLedger) away() error {
	if time.Now().Before(l.until) {
		return errors.New("the store is away")
	}
	return nil
}

func (l failingLedger) EndRefresh(ctx context.Context, e store.End) error {
	if err := l.away(); err != nil {
		return err
	}
	return l.memLedger.EndRefresh(ctx, e)
}

func (l failingLedger) Token(ctx context.Context, id store.TokenID) (store.TokenInfo, error) {
	if err := l.away(); err != nil {
		return store.TokenInfo{}, err
	}
	return l.memLedger.Token(ctx, id)
}

// A process dies before the store has its refresh token. Another one of its node commits
// that, and cannot settle the dead one, because the directory has a damaged file, too. The
// grant that was committed is free all the same: the commit has ended the lease, wherever
// it came from.
//
// proves P5
func TestReplayedCommitEndsItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, func(l memLedger) Ledger { return l })
		l, _, err := p.holder.begin(t.Context(), Request{Token: p.token, Grant: p.grant, Provider: p.req.Provider})
		require.NoError(t, err)
		require.NoError(t, p.holder.spill.put(store.Commit{
			Grant: p.grant, Lease: l.id, Generation: 1, Token: store.Sealed("rt 2"), Ends: true, Worked: "openid", Now: 1,
		}))
		p.holder.die()
		p.holder.heart.Wait()
		p.holder.release()
		require.NoError(t, os.WriteFile(filepath.Join(p.holder.SpillDir, "damaged"+spillSuffix), nil, 0o600))

		next, err := New(p.holder.Config)
		require.NoError(t, err)
		require.ErrorContains(t, next.Recover(t.Context()), "is damaged")
		began := time.Now()
		require.NoError(t, p.begin(t))
		require.Zero(t, time.Since(began), "nobody waits")
		state, err := p.inner.Grant(t.Context(), p.grant)
		require.NoError(t, err)
		require.Equal(t, store.RefreshState{Generation: 2, Token: store.Sealed("rt 2"), Worked: "openid"}, state)
		require.NoError(t, next.Close(t.Context()))
		require.NoError(t, p.other.Close(t.Context()))
	})
}

// silentLedger is a ledger whose store does not tell of doubts while it is away.
type silentLedger struct {
	memLedger
	away *atomic.Bool
}

func (l silentLedger) Doubts(ctx context.Context, process store.ProcessID, most int) ([]store.DoubtRef, error) {
	if l.away.Load() {
		return nil, errors.New("the store is away")
	}
	return l.memLedger.Doubts(ctx, process, most)
}
