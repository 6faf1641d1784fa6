package refresh

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/durable"
	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/store"
)

// node is the spill directory as other machines know it, and the processes that use it.
//
// A file holds the id of the node. Each process has two files: one that it keeps locked
// while it lives, and a marker, which exists only while the first one is locked or the
// process is dead. So a process can tell whether another one of the directory lives.
// But that holds only on one machine: locks may not reach another one, and a copy of the
// directory has none. So the marker names the machine, and any other one waits until the
// heartbeat has lapsed, too.
//
// Without a directory there is no node: what a process holds dies with it.
type node struct {
	path    string // of the directory, or empty
	id      store.NodeID
	machine string // on which the process runs
}

const (
	nodeFile     = "node"
	lockSuffix   = ".lock"
	markerSuffix = ".process"
)

// openNode reads the id of the node. The first process of a directory draws it.
func openNode(path string) (*node, error) {
	n := &node{path: path, machine: thisMachine()}
	if path == "" {
		return n, nil
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var id store.NodeID
	rand.Read(id[:]) // never fails
	err = durable.Create(root, nodeFile, []byte(hex.EncodeToString(id[:])+"\n"))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	text, err := root.ReadFile(nodeFile)
	if err != nil {
		return nil, err
	}
	if err := decodeHex(n.id[:], strings.TrimSpace(string(text))); err != nil || n.id.IsZero() {
		return nil, fmt.Errorf("%s is damaged: restore it from a backup; or remove it, and give the node up that it named", filepath.Join(path, nodeFile))
	}
	return n, nil
}

// process is one process of the node, as long as it holds its lock.
type process struct {
	store.Process
	lock *flock.Flock // nil without a directory
}

// enter draws the id of a new process and marks it as living.
func (n *node) enter() (*process, error) {
	host, _ := os.Hostname()
	p := &process{Process: store.Process{
		Node: n.id, Name: clip.Bytes(strings.ToValidUTF8(host, "?"), store.MaxProcessName), Volatile: n.path == "",
	}}
	rand.Read(p.ID[:])
	if p.Volatile {
		return p, nil
	}
	p.lock = flock.New(n.lockPath(p.ID))
	if locked, err := p.lock.TryLock(); err != nil || !locked {
		return nil, fmt.Errorf("issuer: the lock of this process in the spill directory: %w", cannotLock(err))
	}
	root, err := os.OpenRoot(n.path)
	if err == nil {
		err = errors.Join(durable.Create(root, markerName(p.ID), []byte(n.machine)), root.Close())
	}
	if err != nil {
		p.release()
		return nil, fmt.Errorf("issuer: the marker of this process in the spill directory: %w", err)
	}
	return p, nil
}

func cannotLock(err error) error {
	if err == nil {
		return errors.New("it is held already")
	}
	return err
}

// release lets others see that the process does nothing more.
func (p *process) release() {
	if p.lock != nil {
		_ = p.lock.Close()
	}
}

// forget removes the files of a process that is settled. The caller holds its lock, which
// it loses.
func (n *node) forget(id store.ProcessID, lock *flock.Flock) {
	if n.path == "" {
		return
	}
	_ = os.Remove(filepath.Join(n.path, markerName(id)))
	_ = lock.Close()
	_ = os.Remove(n.lockPath(id))
}

// unlocked is a process that does not hold its lock. The caller ends the lock.
type unlocked struct {
	lock *flock.Flock
	near bool // it ran on this machine, so that it is dead
}

// dead returns the processes of the node that do not hold their locks.
func (n *node) dead() (map[store.ProcessID]unlocked, error) {
	found := make(map[store.ProcessID]unlocked)
	if n.path == "" {
		return found, nil
	}
	markers, err := filepath.Glob(filepath.Join(n.path, "*"+markerSuffix))
	if err != nil {
		return nil, err
	}
	for _, marker := range markers {
		var id store.ProcessID
		if decodeHex(id[:], strings.TrimSuffix(filepath.Base(marker), markerSuffix)) != nil {
			continue // not ours
		}
		lock := flock.New(n.lockPath(id))
		if locked, err := lock.TryLock(); err == nil && locked {
			machine, err := os.ReadFile(marker)
			found[id] = unlocked{lock, err == nil && string(machine) == n.machine}
		}
	}
	return found, nil
}

func (n *node) lockPath(id store.ProcessID) string {
	return filepath.Join(n.path, hex.EncodeToString(id[:])+lockSuffix)
}

func markerName(id store.ProcessID) string { return hex.EncodeToString(id[:]) + markerSuffix }

// identity is this process as the store knows it. It is safe for concurrent use.
type identity struct {
	mu      sync.Mutex
	process *process     // nil before the first lease, and if the directory refuses the lock
	beaten  bool         // the store knows the process
	until   store.Micros // last instant that the store was promised
	beating bool         // heartbeats have begun
	retired bool         // and ended
	failing bool         // the last heartbeat failed
	warned  bool         // and the log has a warning about it
}

// self returns the id of this process, for a lease. The first call registers it. It is
// zero if the directory of the spill refuses the lock: leases lapse by time alone then.
//
// Others take over the lease of a process whose heartbeat has lapsed, for example while
// the machine slept. So self renews a promise that is about to end. A volatile process
// that cannot do so gets no id: nobody would wait for what it may still have.
func (r *Refresher) self(ctx context.Context) store.ProcessID {
	_, _ = r.current() // before anybody else gets an id; beat tells why there is none
	r.id.mu.Lock()
	first := !r.id.beating && !r.id.retired
	r.id.beating = true
	late := r.id.endsSoon(r.Clock()) && !r.id.failing
	r.id.mu.Unlock()
	if first || late {
		r.beat(ctx)
	}
	if first {
		r.heart.Go(r.keepBeating)
	}
	r.id.mu.Lock()
	defer r.id.mu.Unlock()
	p := r.id.process
	if p == nil || p.Volatile && r.id.endsSoon(r.Clock()) {
		return store.ProcessID{}
	}
	return p.ID
}

// endsSoon reports whether the promise to the store ends sooner than any does while the
// heartbeat works. The caller holds id.mu.
func (id *identity) endsSoon(now time.Time) bool {
	return id.until < store.At(now.Add(beatValidity/2))
}

// inForce reports whether a lease of this process cannot have been taken over, as far as
// that depends on the heartbeat. The process of a lease that lapses by time alone is zero.
func (r *Refresher) inForce(owner store.ProcessID) bool {
	if owner.IsZero() {
		return true
	}
	r.id.mu.Lock()
	defer r.id.mu.Unlock()
	return r.id.process != nil && r.id.process.ID == owner && !r.id.endsSoon(r.Clock())
}

// is reports whether a process is this one.
func (r *Refresher) is(id store.ProcessID) bool {
	r.id.mu.Lock()
	defer r.id.mu.Unlock()
	return r.id.process != nil && r.id.process.ID == id
}

// renew takes a new id if this process was settled under the given one: somebody took it
// for dead.
func (r *Refresher) renew(ctx context.Context, settled store.ProcessID) {
	r.disown(settled)
	r.beat(ctx)
}

// disown drops an id that is settled.
func (r *Refresher) disown(settled store.ProcessID) {
	r.id.mu.Lock()
	defer r.id.mu.Unlock()
	if p := r.id.process; p != nil && p.ID == settled {
		r.node.forget(p.ID, p.lock)
		r.id.process, r.id.beaten, r.id.until = nil, false, 0
	}
}

// current returns the process, which it marks as living if there is none.
func (r *Refresher) current() (store.Process, error) {
	r.id.mu.Lock()
	defer r.id.mu.Unlock()
	if r.id.retired {
		return store.Process{}, context.Canceled
	}
	if r.id.process == nil {
		p, err := r.node.enter()
		if err != nil {
			return store.Process{}, err
		}
		r.id.process = p
	}
	return r.id.process.Process, nil
}

const (
	beatInterval = 5 * time.Second  // between heartbeats
	beatRetry    = time.Second      // after one that failed
	beatValidity = 20 * time.Second // of each, besides the clock skew
)

// beat promises the store that the process lives for a while. The log mentions the first
// failure alone, and at the level Debug if the store is away: the ledger tells that. A
// heartbeat that its caller gave up says nothing about the store: the next caller tries
// again.
func (r *Refresher) beat(caller context.Context) {
	ctx, cancel := context.WithTimeout(caller, r.StepTimeout)
	defer cancel()
	var (
		err   error
		until store.Micros
		level = slog.LevelWarn
	)
	for range 2 { // the second time with a new id
		var p store.Process
		if p, err = r.current(); err != nil {
			break
		}
		until = store.At(r.Clock().Add(beatValidity + r.MaxClockSkew))
		err = r.Ledger.Beat(ctx, p, until)
		if !errors.Is(err, store.ErrConflict) {
			if !store.IsDefinite(err) {
				level = slog.LevelDebug
			}
			break
		}
		r.disown(p.ID)
	}
	if err != nil && caller.Err() != nil {
		return
	}
	r.id.mu.Lock()
	failed, warned := r.id.failing, r.id.warned
	r.id.beaten, r.id.failing, r.id.warned = err == nil, err != nil, err != nil && (warned || level == slog.LevelWarn)
	if err == nil {
		r.id.until = until
	}
	r.id.mu.Unlock()
	if err != nil && (!failed || !warned && level == slog.LevelWarn) {
		r.Logger.Log(ctx, level, "mytoken", "kind", "heartbeat_failed", "error", errtext.ForLog(err))
	}
}

// keepBeating runs until the refresher is closed.
func (r *Refresher) keepBeating() {
	for {
		r.id.mu.Lock()
		pause := beatInterval
		if !r.id.beaten {
			pause = beatRetry
		}
		r.id.mu.Unlock()
		if Sleep(r.alive, pause) != nil {
			return
		}
		err := rescue.Do(func() {
			r.beat(r.alive)
			r.endPending(r.alive, store.GrantID{})
			r.endOwnDoubts(r.alive)
			if r.awaited.Load() {
				_ = r.settleDead(r.alive) // tried again
			}
		})
		rescue.Log(r.alive, r.Logger, "a heartbeat", err)
	}
}

// retire ends the heartbeat. If the store has everything that this process got, the
// process is settled: nobody has to wait for it.
func (r *Refresher) retire(ctx context.Context) {
	r.die()
	r.heart.Wait()
	r.endPending(ctx, store.GrantID{})
	r.id.mu.Lock()
	r.id.retired = true
	p, beaten := r.id.process, r.id.beaten
	r.id.mu.Unlock()
	if p == nil {
		return
	}
	if beaten && r.spill.empty() && !r.hasPendingEnds() {
		step, cancel := context.WithTimeout(ctx, r.StepTimeout)
		defer cancel()
		if r.Ledger.Settle(step, []store.ProcessID{p.ID}) == nil {
			r.disown(p.ID)
			return
		}
	}
	r.release()
}

// release lets Recover, or another process of the node, see that this one is dead.
func (r *Refresher) release() {
	r.id.mu.Lock()
	defer r.id.mu.Unlock()
	r.id.retired = true
	if r.id.process != nil {
		r.id.process.release()
	}
}
