// Package refresh obtains access tokens from a provider, one call at a time for each
// grant, and loses no refresh token on the way. Only where refresh tokens never rotate,
// calls for one grant run side by side, and without a lease.
//
// Many providers give out a new refresh token with each answer and revoke the login if an
// old one comes back. These parts guard against that:
//
//   - A flight is one call to the provider. Identical requests share it.
//   - A queue lets the flights of one grant through. Its tokens take turns, each together
//     with its descendants.
//   - A lease keeps other processes away from the grant while this one asks. The use that
//     is charged for the access token takes it along, if it is free; see [Wish].
//   - A spill keeps an answered refresh token until the store has it.
//
// An answer may be about another user, if the provider mixes things up. Its refresh token
// is set aside in the directory of the spill, and the one that was sent stays current.
package refresh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// Config configures a [Refresher]. Every field is required, except SpillDir.
type Config struct {
	Ledger Ledger
	Seal   *seal.Ring
	Clock  func() time.Time
	Logger *slog.Logger

	// SpillDir keeps sealed refresh tokens until the store has them, and those of
	// somebody else until an operator removes them. If it is empty, the first are kept in
	// memory, and the others are dropped.
	SpillDir string

	Lease        time.Duration // how long one refresh may take; 0: as the provider's timeout demands
	MaxClockSkew time.Duration // between processes that share the store
	WaitLimit    time.Duration // how long a request waits
	InDoubtWait  time.Duration // how long a refresh waits for an interrupted one of another process
	AbandonAfter time.Duration // after that an interrupted refresh is given up
	SuspectPause time.Duration // the first pause after a refusal; see [Suspect]
	StepTimeout  time.Duration // of one step of the store that must not end with its request

	// Notify is called for each [Event].
	Notify func(context.Context, Event)
	// Revoke revokes a refresh token at the provider. It reports a failure itself.
	Revoke func(ctx context.Context, provider *oidcupstream.Provider, grant store.GrantID, token string)
}

// Ledger holds the steps of the store that refreshing needs. It fills in the time, and
// repeats a step whose outcome is not known. Only CommitRefresh is tried once.
type Ledger interface {
	BeginRefresh(ctx context.Context, begin store.Begin) (store.Refresh, error)
	CommitRefresh(ctx context.Context, commit store.Commit) error
	EndRefresh(ctx context.Context, end store.End) error
	Grant(ctx context.Context, grant store.GrantID) (store.RefreshState, error)
	// Beat, Settle, Doubts and Processes are those of [store.Nodes]. Only Doubts is repeated.
	Beat(ctx context.Context, process store.Process, until store.Micros) error
	Settle(ctx context.Context, processes []store.ProcessID) error
	Doubts(ctx context.Context, process store.ProcessID, most int) ([]store.DoubtRef, error)
	Processes(ctx context.Context, page store.Page) ([]store.ProcessInfo, string, error)
	Token(ctx context.Context, token store.TokenID) (store.TokenInfo, error)
}

// Refresher shares and orders the refreshes of one process. It is safe for concurrent
// use.
type Refresher struct {
	Config

	spill *spill
	node  *node
	queue *grantQueue
	idle  *idleLeases
	// rotates says of providers whose operator states that they never replace a refresh
	// token, by issuer, whether one did so all the same. An issuer is missing until a
	// refresh has shown it.
	rotates  sync.Map
	refusals *refusals
	logins   atomic.Uint64 // new logins of any grant that this process knows of; see Reconnected

	id         identity
	heart      sync.WaitGroup
	alive      context.Context // done when the heartbeat ends
	die        context.CancelFunc
	recovering sync.Mutex
	awaited    atomic.Bool // a process of another machine has a heartbeat but no lock
	kept       struct {
		mu     sync.Mutex
		active map[store.LeaseID]bool       // leases that this process works under
		ends   map[store.LeaseID]pendingEnd // those that the store did not end
		told   map[store.LeaseID]bool       // doubts that the observer knows
	}

	mu      sync.Mutex
	flights map[flightKey]*flight
	closed  bool
	running sync.WaitGroup
	halt    context.Context // done when Close stops waiting
	stop    context.CancelFunc
}

// New returns a refresher. It makes the spill directory if that is missing.
func New(c Config) (*Refresher, error) {
	spill, err := openSpill(c.SpillDir)
	if err != nil {
		return nil, err
	}
	node, err := openNode(spill.path)
	if err != nil {
		return nil, fmt.Errorf("issuer: Config.SpillDir cannot be used: %w", err)
	}
	r := &Refresher{
		Config: c, spill: spill, node: node, queue: newGrantQueue(c.Clock, c.WaitLimit), idle: newIdleLeases(), refusals: newRefusals(),
		flights: make(map[flightKey]*flight),
	}
	r.queue.rest = r.rest
	r.kept.active, r.kept.ends, r.kept.told = make(map[store.LeaseID]bool), make(map[store.LeaseID]pendingEnd), make(map[store.LeaseID]bool)
	r.halt, r.stop = context.WithCancel(context.Background())
	r.alive, r.die = context.WithCancel(context.Background())
	return r, nil
}

// Recover commits what earlier processes left in the spill directory, and settles those
// that are dead. It reports what it cannot commit, leaves it there, and settles nobody
// then.
func (r *Refresher) Recover(ctx context.Context) error {
	salvaged := r.spill.salvage(time.Now()) // files have the time of the machine
	_, replayed := r.replay(ctx, store.GrantID{})
	if replayed != nil {
		return errors.Join(salvaged, replayed)
	}
	settled := r.settleDead(ctx)
	if r.awaited.Load() {
		r.self(ctx) // begins the heartbeat, which looks again
	}
	return errors.Join(salvaged, settled)
}

// Reconnected says that a new login has replaced the refresh token of a grant. The user may
// have agreed to more than before, or to less. So a request that comes later shares no
// flight that is under way, and a lease that this process has got before asks the store
// for the refresh token again.
//
// Other processes do not know. They may use what a lease was told for as long as it
// outlasts a call to the provider: two seconds, unless Config.Lease says more.
func (r *Refresher) Reconnected(grant store.GrantID) {
	r.logins.Add(1)
	r.refusals.forgetGrant(grant)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.flights {
		if f.place.grant == grant {
			r.forget(f)
		}
	}
}

// Close waits until every flight has landed, and lets no new one start. If the context
// ends first, Close returns its error, and uncommitted refresh tokens stay in the spill.
func (r *Refresher) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	landed := make(chan struct{})
	go func() {
		r.running.Wait()
		close(landed)
	}()
	defer r.stop()
	select {
	case <-landed:
		r.retire(ctx)
		return nil
	case <-ctx.Done():
		go func() { // another process of the node must not believe that this one is dead yet
			<-landed
			r.die()
			r.release()
		}()
		return ctx.Err()
	}
}

// Load returns how many flights can be joined, and how many requests wait for them.
func (r *Refresher) Load() (flights, waiters int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.flights {
		waiters += f.waiters
	}
	return len(r.flights), waiters
}

// replay commits what the spill holds for the grant, or for all grants if the id is zero.
// It returns the leases whose refresh tokens the store has now.
func (r *Refresher) replay(ctx context.Context, grant store.GrantID) (map[store.LeaseID]bool, error) {
	commits, err := r.spill.pending(grant)
	errs, committed := []error{err}, make(map[store.LeaseID]bool)
	for _, c := range commits {
		if err := r.Ledger.CommitRefresh(ctx, c); err != nil && !errors.Is(err, store.ErrNotFound) {
			errs = append(errs, err)
			continue
		}
		r.spill.replayed(c.Lease)
		committed[c.Lease] = true
	}
	return committed, errors.Join(errs...)
}

// Sleep waits in real time. If the context ends first, Sleep returns its error.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
