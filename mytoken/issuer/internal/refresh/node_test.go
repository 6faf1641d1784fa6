package refresh

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

// Processes that start at once agree on the id of their node, and keep it. Another
// directory is another node.
//
// proves P5
func TestNodesAgree(t *testing.T) {
	dir := t.TempDir()
	ids := make([]store.NodeID, 20)
	var wg sync.WaitGroup
	for k := range ids {
		wg.Go(func() {
			if n, err := openNode(dir); err == nil {
				ids[k] = n.id
			}
		})
	}
	wg.Wait()
	for _, id := range ids {
		require.False(t, id.IsZero())
		require.Equal(t, ids[0], id)
	}
	other, err := openNode(t.TempDir())
	require.NoError(t, err)
	require.NotEqual(t, ids[0], other.id)
	none, err := openNode("")
	require.NoError(t, err)
	require.True(t, none.id.IsZero())
}

// A damaged name is not replaced by another one: then nobody would ever settle what the
// node has left.
//
// proves P5
func TestDamagedNode(t *testing.T) {
	for _, text := range []string{"", "x", strings.Repeat("0", 32), strings.Repeat("a", 31), strings.Repeat("a", 33), strings.Repeat("ag", 16)} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, nodeFile), []byte(text), 0o600))
		_, err := New(Config{SpillDir: dir})
		require.ErrorContains(t, err, "issuer: Config.SpillDir cannot be used: "+filepath.Join(dir, nodeFile)+" is damaged", "%q", text)
	}
}

// A process counts as living until it lets its lock go, and never before it has it.
//
// proves P5
func TestDeadProcesses(t *testing.T) {
	dir := t.TempDir()
	n, err := openNode(dir)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, strings.Repeat("ab", 16)+lockSuffix), nil, 0o600), "somebody who is about to enter")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x"+markerSuffix), nil, 0o600))
	first, err := n.enter()
	require.NoError(t, err)
	second, err := n.enter()
	require.NoError(t, err)
	dead, err := n.dead()
	require.NoError(t, err)
	require.Empty(t, dead)

	first.release()
	dead, err = n.dead()
	require.NoError(t, err)
	require.Len(t, dead, 1)
	require.Contains(t, dead, first.ID)
	again, err := n.dead()
	require.NoError(t, err)
	require.Empty(t, again, "only one process recovers another one")
	n.forget(first.ID, dead[first.ID].lock)
	second.release()
	dead, err = n.dead()
	require.NoError(t, err)
	require.Len(t, dead, 1)
	require.Contains(t, dead, second.ID)
}

// heartLedger records heartbeats.
type heartLedger struct {
	Ledger
	mu      sync.Mutex
	err     error
	beats   []store.ProcessID
	until   store.Micros
	settled []store.ProcessID
	known   map[store.ProcessID]store.Micros
}

func (l *heartLedger) Processes(_ context.Context, page store.Page) (list []store.ProcessInfo, cursor string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, until := range l.known {
		list = append(list, store.ProcessInfo{Process: store.Process{ID: id}, Until: until})
	}
	return list, "", l.err
}

func (l *heartLedger) Doubts(context.Context, store.ProcessID, int) ([]store.DoubtRef, error) {
	return nil, nil
}

func (l *heartLedger) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// gone returns the processes that were settled.
func (l *heartLedger) gone() []store.ProcessID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.settled)
}

func (l *heartLedger) Beat(_ context.Context, p store.Process, until store.Micros) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.beats, l.until = append(l.beats, p.ID), until
	if l.known == nil {
		l.known = make(map[store.ProcessID]store.Micros)
	}
	l.known[p.ID] = until
	err := l.err
	if errors.Is(err, store.ErrConflict) {
		l.err = nil
	}
	return err
}

func (l *heartLedger) Settle(_ context.Context, ids []store.ProcessID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled = append(l.settled, ids...)
	return nil
}

// A process beats from its first lease until Close. A failure is repeated. The log mentions
// it once, unless the store is away: the ledger tells that. Each promise outlasts several heartbeats.
//
// proves P5
func TestHeartbeat(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ledger, log := new(heartLedger), new(bytes.Buffer)
		r, err := New(Config{
			Ledger: ledger, Clock: time.Now, SpillDir: dir, StepTimeout: time.Second, MaxClockSkew: 2 * time.Second,
			Logger: slog.New(slog.NewTextHandler(log, nil)),
		})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.Empty(t, ledger.beats, "nothing to tell yet")
		id := r.self(t.Context())
		time.Sleep(21 * time.Second)
		synctest.Wait()
		require.Equal(t, []store.ProcessID{id, id, id, id, id}, ledger.beats)
		require.Equal(t, id, r.self(t.Context()))
		require.WithinDuration(t, time.Now().Add(21*time.Second), ledger.until.Time(), time.Second)

		ledger.fail(errors.New("the store is away"))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Greater(t, len(ledger.beats), 50, "tried again soon")
		require.Empty(t, log.String(), "the ledger tells that the store is away")
		ledger.fail(store.ErrNotFound)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 1, strings.Count(log.String(), "heartbeat_failed"))
		ledger.fail(store.ErrConflict)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		fresh := r.self(t.Context())
		require.NotEqual(t, id, fresh, "somebody took it for dead")

		require.NoError(t, r.Close(t.Context()))
		require.Equal(t, []store.ProcessID{fresh}, ledger.settled)
		beats := len(ledger.beats)
		time.Sleep(time.Minute)
		require.Len(t, ledger.beats, beats)
	})
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, nodeFile)}, left)
}

// The spill holds something that the store lacks. Then the process is not settled, and
// whoever recovers the directory does it.
//
// proves P5
func TestCloseSettlesNobodyWithAFullSpill(t *testing.T) {
	dir := t.TempDir()
	ledger := new(heartLedger)
	r, err := New(Config{Ledger: ledger, Clock: time.Now, SpillDir: dir, StepTimeout: time.Second, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	id := r.self(t.Context())
	require.NoError(t, r.spill.put(commitNo(1)))
	require.NoError(t, r.Close(t.Context()))
	require.Empty(t, ledger.settled)

	both := &recoverLedger{heartLedger: ledger}
	next, err := New(Config{Ledger: both, Clock: time.Now, SpillDir: dir, StepTimeout: time.Second, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, next.Recover(t.Context()))
	require.Equal(t, []store.ProcessID{id}, ledger.settled, hex.EncodeToString(id[:]))
	require.Equal(t, 1, both.commits)
}

type recoverLedger struct {
	*heartLedger
	commits int
}

func (l *recoverLedger) CommitRefresh(context.Context, store.Commit) error {
	l.commits++
	return nil
}

// Requests that come at once when a process starts hold their leases in its name. Nobody
// could settle what a nameless one leaves behind.
//
// proves P5
func TestFirstLeasesHaveTheProcess(t *testing.T) {
	for range 20 {
		r, err := New(Config{Ledger: new(heartLedger), Clock: time.Now, SpillDir: t.TempDir(), StepTimeout: time.Second, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		ids := make([]store.ProcessID, 20)
		var wg sync.WaitGroup
		for k := range ids {
			wg.Go(func() { ids[k] = r.self(t.Context()) })
		}
		wg.Wait()
		for _, id := range ids {
			require.False(t, id.IsZero())
			require.Equal(t, ids[0], id)
		}
		require.NoError(t, r.Close(t.Context()))
	}
}

// A process was suspended, or its clock was. Its heartbeat has lapsed, so others may take
// its next lease over at once. It tells the store that it lives before it takes one. If it
// cannot, and dies without a trace, the lease must last by its own time.
//
// proves P5
func TestLapsedHeartbeatIsRenewedBeforeALease(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		var passed atomic.Int64
		start := time.Now()
		ledger := new(heartLedger)
		r, err := New(Config{
			Ledger: ledger, Clock: func() time.Time { return start.Add(time.Duration(passed.Load())) }, SpillDir: dir,
			StepTimeout: time.Second, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		id := r.self(t.Context())
		require.Equal(t, id, r.self(t.Context()))
		require.Len(t, ledger.beats, 1, "one promise serves many leases")
		passed.Add(int64(beatValidity))
		require.Equal(t, id, r.self(t.Context()))
		require.Len(t, ledger.beats, 2)

		passed.Add(int64(beatValidity))
		ledger.fail(errors.New("the store is away"))
		nameless := r.self(t.Context())
		require.Equal(t, dir == "", nameless.IsZero())
		require.Equal(t, nameless, r.self(t.Context()))
		require.Len(t, ledger.beats, 3, "the heartbeat goes on trying")
		ledger.fail(nil)
		r.beat(t.Context())
		require.Equal(t, id, r.self(t.Context()))
		require.NoError(t, r.Close(t.Context()))
	}
}

// Two machines have the same directory: it was copied, or restored from a backup, or it is
// on a file system whose locks do not reach other machines. So the lock of a process on the
// other machine looks free. That process is settled only once its heartbeat has lapsed, and
// without anybody asking.
//
// proves P5
func TestProcessesOfAnotherMachine(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ledger := new(heartLedger)
		start := func(machine string) *Refresher {
			r, err := New(Config{Ledger: ledger, Clock: time.Now, SpillDir: dir, StepTimeout: time.Second, Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			r.node.machine = machine
			return r
		}
		first := start("first")
		far, near := first.self(t.Context()), start("second")
		first.die()
		first.heart.Wait()
		first.release() // as it looks from another machine
		before := near.self(t.Context())
		require.NoError(t, near.Recover(t.Context()))
		require.NoError(t, near.settleDead(t.Context()))
		require.Empty(t, ledger.gone())
		time.Sleep(beatValidity - time.Second)
		synctest.Wait()
		require.Empty(t, ledger.gone())
		time.Sleep(2 * beatInterval)
		synctest.Wait()
		require.Equal(t, []store.ProcessID{far}, ledger.gone())
		require.Equal(t, before, near.self(t.Context()))
		require.NoError(t, near.Close(t.Context()))
	})
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, nodeFile)}, left)
}

// A process recovers a directory that another machine left a moment ago, and gets no
// requests. It settles the other one all the same, for the sake of other nodes.
//
// proves P5
func TestRecoverSettlesAnotherMachineLater(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ledger, far := new(heartLedger), store.ProcessID{}
		for _, machine := range []string{"first", "second"} {
			r, err := New(Config{Ledger: ledger, Clock: time.Now, SpillDir: dir, StepTimeout: time.Second, Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			r.node.machine = machine
			if machine == "first" {
				far = r.self(t.Context())
				r.die()
				r.heart.Wait()
				r.release()
				continue
			}
			require.NoError(t, r.Recover(t.Context()))
			require.Empty(t, ledger.gone())
			time.Sleep(beatValidity + 2*beatInterval)
			synctest.Wait()
			require.Equal(t, []store.ProcessID{far}, ledger.gone())
			require.NoError(t, r.Close(t.Context()))
		}
	})
}
