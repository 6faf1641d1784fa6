package refresh

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
	n.forget(first.ID, dead[first.ID])
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
}

func (l *heartLedger) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *heartLedger) Beat(_ context.Context, p store.Process, until store.Micros) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.beats, l.until = append(l.beats, p.ID), until
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
