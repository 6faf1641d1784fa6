package client_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/client"
)

// lockHolder is another process that holds a lock until release is called.
type lockHolder struct {
	t       *testing.T
	cmd     *exec.Cmd
	release func() error
	said    *bufio.Reader
}

// lockOther starts a process that takes the lock of a token file.
func lockOther(t *testing.T, path string) *lockHolder {
	t.Helper()
	cmd := other(t.Context(), "locker", envPath+"="+path)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return &lockHolder{t, cmd, in.Close, bufio.NewReader(out)}
}

// locked waits until the process has the lock.
func (h *lockHolder) locked() {
	h.t.Helper()
	line, err := h.said.ReadString('\n')
	require.NoError(h.t, err)
	require.Equal(h.t, "locked\n", line)
}

func (h *lockHolder) end() {
	h.t.Helper()
	require.NoError(h.t, h.release())
	require.NoError(h.t, h.cmd.Wait())
}

// inSystem returns how many threads of a process wait in the system for a lock.
func inSystem(t *testing.T, pid int) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/locks")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "-> FLOCK") && strings.Contains(line, fmt.Sprintf(" %d ", pid)) {
			n++
		}
	}
	return n
}

// awaitInSystem waits until so many threads of the process wait in the system.
func awaitInSystem(t *testing.T, pid, want int) {
	t.Helper()
	require.Eventually(t, func() bool { return inSystem(t, pid) == want }, 20*time.Second, time.Millisecond,
		"%d threads wait in the system, not %d", inSystem(t, pid), want)
}

// lockTwice starts a process that has the lock of a token file, and one that waits for it.
func lockTwice(t *testing.T) (path string, first, second *lockHolder) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "token")
	first = lockOther(t, path)
	first.locked()
	second = lockOther(t, path)
	awaitInSystem(t, second.cmd.Process.Pid, 1)
	return path, first, second
}

// waitAndGiveUp waits for the lock of a token file in the system, and leaves that wait
// behind.
func waitAndGiveUp(t *testing.T, path string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error)
	go func() {
		_, err := client.NewFileStore(path).Lock(ctx)
		given <- err
	}()
	awaitInSystem(t, os.Getpid(), 1)
	cancel()
	require.ErrorIs(t, <-given, context.Canceled)
}

// A process that waits for the lock of another one sleeps in the system, which wakes it
// when the lock is free.
func TestLockWaitsInSystem(t *testing.T) {
	_, first, second := lockTwice(t)
	first.end()
	second.locked()
	second.end()
}

// Callers that give up leave one wait behind at most, however many they are, and whatever
// store they use. It takes the lock from nobody.
func TestLockGivenUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	held := lockOther(t, path)
	held.locked()
	giveUp := func(patience time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := client.NewFileStore(path).Lock(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		return err
	}
	for range 50 {
		giveUp(time.Millisecond)
	}
	for patience := time.Millisecond; ; patience *= 2 { // until it reaches the lock
		if strings.Contains(giveUp(patience).Error(), "somebody else has "+path+".lock") {
			break
		}
		require.Less(t, patience, time.Minute, "no error names the lock")
	}
	awaitInSystem(t, os.Getpid(), 1)
	held.end()
	awaitInSystem(t, os.Getpid(), 0)
	next := lockOther(t, path)
	next.locked()

	// The next caller gets the wait that another one gave up, and the lock with it.
	waitAndGiveUp(t, path)
	type locked struct {
		unlock func()
		err    error
	}
	got := make(chan locked)
	go func() {
		unlock, err := client.NewFileStore(path).Lock(t.Context())
		got <- locked{unlock, err}
	}()
	next.end()
	l := <-got
	require.NoError(t, l.err)
	third := lockOther(t, path)
	awaitInSystem(t, third.cmd.Process.Pid, 1)
	l.unlock()
	third.locked()
	third.end()
}

// A process that is killed while it waits, or while it has the lock, does not keep it.
func TestLockOfKilledProcess(t *testing.T) {
	path, first, second := lockTwice(t)
	for _, h := range []*lockHolder{second, first} {
		require.NoError(t, h.cmd.Process.Kill())
		require.Error(t, h.cmd.Wait())
	}
	unlock, err := client.NewFileStore(path).Lock(t.Context())
	require.NoError(t, err)
	unlock()
}

// The lock is replaced while a caller waits for the old one, and gives up. The next
// caller locks the new one.
func TestLockReplacedWhileWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	held := lockOther(t, path)
	held.locked()
	waitAndGiveUp(t, path)
	require.NoError(t, os.Rename(path+".lock", path+".old"))
	unlock, err := client.NewFileStore(path).Lock(t.Context())
	require.NoError(t, err)
	unlock()
	held.end()
	awaitInSystem(t, os.Getpid(), 0)
}

// Somebody removes the lock, because it looks stale. A process that waited for it does
// not get it beside the one that has the new lock.
func TestLockRemovedWhileWaiting(t *testing.T) {
	path, first, second := lockTwice(t)
	require.NoError(t, os.Remove(path+".lock"))
	third := lockOther(t, path)
	third.locked()
	first.end()
	awaitInSystem(t, second.cmd.Process.Pid, 1)
	third.end()
	second.locked()
	second.end()
}
