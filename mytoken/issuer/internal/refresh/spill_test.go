package refresh

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/durable"
	"github.com/mytoken-go/sdk/internal/ownfile"
	_ "github.com/mytoken-go/sdk/internal/ownfile/ownfiletest" // sets the umask
	"github.com/mytoken-go/sdk/store"
)

// commitNo returns a commit that differs from those with another number.
func commitNo(n byte) store.Commit {
	return store.Commit{
		Grant: store.GrantID{n}, Lease: store.LeaseID{n}, Generation: uint64(n), Token: store.Sealed{n, 0, 255}, Now: store.Micros(n),
	}
}

func spillAt(t *testing.T, dir string) *spill {
	t.Helper()
	s, err := openSpill(dir)
	require.NoError(t, err)
	return s
}

// requirePending checks what the spill still has to commit.
func requirePending(t *testing.T, s *spill, want ...store.Commit) {
	t.Helper()
	all, err := s.pending(store.GrantID{})
	require.NoError(t, err)
	require.ElementsMatch(t, want, all)
}

func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if e.Name() != nodeFile {
			names = append(names, e.Name())
		}
	}
	return names
}

// leaveUnfinished leaves the file of a commit as a process does that was killed while it
// wrote: under its temporary name, without the last bytes.
func leaveUnfinished(t *testing.T, s *spill, n byte, random string, age time.Duration, missing int) (name string) {
	t.Helper()
	lease := store.LeaseID{n}
	require.NoError(t, s.put(commitNo(n)))
	data, err := s.dir.Read(spillName(lease))
	require.NoError(t, err)
	s.done(lease)
	name = "." + spillName(lease) + "." + random + ".tmp"
	path := filepath.Join(s.path, name)
	require.NoError(t, os.WriteFile(path, data[:len(data)-missing], 0o600))
	changed := time.Now().Add(-age)
	require.NoError(t, os.Chtimes(path, changed, changed))
	return name
}

// Behind a symbolic link, ".." leads elsewhere than the text of the path says. The next
// process finds what the last one wrote.
//
// proves P5
func TestSpillBehindLink(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "releases", "1"), 0o700))
	if err := os.Symlink(filepath.Join("releases", "1"), filepath.Join(dir, "current")); err != nil {
		t.Skip("SKIPPED: no symbolic links here: ", err)
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "spill"), 0o700)) // where the text leads
	path := filepath.Join(dir, "current") + "/../spill"
	require.NoError(t, spillAt(t, path).put(commitNo(1)))
	requirePending(t, spillAt(t, path), commitNo(1))
	requirePending(t, spillAt(t, filepath.Join(dir, "releases", "spill")), commitNo(1))
}

// proves P5
func TestSpillSurvivesTheProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "spill")
	first := spillAt(t, dir)
	for n := range byte(3) {
		require.NoError(t, first.put(commitNo(n+1)))
	}
	for _, name := range append(filesIn(t, dir), ".") {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s is for nobody else", name)
	}

	second := spillAt(t, dir)
	requirePending(t, second, commitNo(1), commitNo(2), commitNo(3))
	one, err := second.pending(store.GrantID{2})
	require.NoError(t, err)
	require.Equal(t, []store.Commit{commitNo(2)}, one)

	second.done(store.LeaseID{2})
	second.done(store.LeaseID{2}) // again: nothing happens
	require.Len(t, filesIn(t, dir), 2)
	// The first one still has it in memory. Committing it again is harmless.
	requirePending(t, first, commitNo(1), commitNo(2), commitNo(3))
}

// A process that is killed while it waits for the disk leaves its file behind, under its
// temporary name. Its successor finds the refresh token at once.
//
// proves P5
func TestSpillIsThereBeforeTheDisk(t *testing.T) {
	dir := t.TempDir()
	s := spillAt(t, dir)
	left := leaveUnfinished(t, s, 1, "123", 0, 0)
	require.Equal(t, []string{left}, filesIn(t, dir))
	requirePending(t, spillAt(t, dir), commitNo(1))
	one, err := spillAt(t, dir).pending(store.GrantID{1})
	require.NoError(t, err)
	require.Equal(t, []store.Commit{commitNo(1)}, one)
}

// If the directory refuses the file, what reached the disk outlives the process all the
// same.
//
// proves P5
func TestSpillKeepsWhatIsNotSynced(t *testing.T) {
	dir := t.TempDir()
	s := spillAt(t, dir)
	require.NoError(t, os.Mkdir(filepath.Join(dir, spillName(store.LeaseID{1})), 0o700)) // no file can get this name
	require.Error(t, s.put(commitNo(1)))
	requirePending(t, spillAt(t, dir), commitNo(1))
	s.done(store.LeaseID{1})
	requirePending(t, s)
	require.Empty(t, filesIn(t, dir))
}

// Without a directory, or with one that refuses, memory has to do.
//
// proves P5
func TestSpillInMemory(t *testing.T) {
	s := spillAt(t, "")
	require.NoError(t, s.put(commitNo(1)))
	requirePending(t, s, commitNo(1))
	require.NoError(t, s.salvage(time.Now()))
	s.done(store.LeaseID{1})
	requirePending(t, s)

	dir := filepath.Join(t.TempDir(), "spill")
	s = spillAt(t, dir)
	require.NoError(t, os.Remove(dir))
	require.Error(t, s.put(commitNo(1)))
	all, err := s.pending(store.GrantID{})
	require.Error(t, err, "the directory is reported")
	require.Equal(t, []store.Commit{commitNo(1)}, all)

	_, err = openSpill(filepath.Join(os.Args[0], "no directory"))
	require.Error(t, err)
}

// Unfinished files of killed processes are finished if they are complete, else removed.
// Files that somebody may still write stay.
//
// proves P5
func TestSpillSalvagesCompleteFiles(t *testing.T) {
	dir := t.TempDir()
	s := spillAt(t, dir)
	leaveUnfinished(t, s, 1, "123", time.Hour, 0)
	leaveUnfinished(t, s, 2, "456", time.Hour, 1)
	leaveUnfinished(t, s, 3, "789", time.Hour, 1<<7)
	complete, torn := leaveUnfinished(t, s, 4, "1", time.Second, 0), leaveUnfinished(t, s, 5, "2", time.Second, 1)
	foreign := filepath.Join(dir, ".somebody.1.tmp")
	require.NoError(t, os.WriteFile(foreign, nil, 0o600))
	require.NoError(t, os.Chtimes(foreign, time.Now(), time.Now().Add(-time.Hour)))

	now := time.Now()
	for range 2 {
		require.NoError(t, s.salvage(now))
		requirePending(t, s, commitNo(1), commitNo(4))
		require.ElementsMatch(t, []string{spillName(store.LeaseID{1}), complete, torn, filepath.Base(foreign)}, filesIn(t, dir))
	}
	require.NoError(t, s.salvage(now.Add(durable.Abandoned)))
	requirePending(t, s, commitNo(1), commitNo(4))
	require.ElementsMatch(t, []string{spillName(store.LeaseID{1}), spillName(store.LeaseID{4}), filepath.Base(foreign)}, filesIn(t, dir))
}

// Damaged files are reported, stay, and keep nothing else from being recovered. Foreign
// and unfinished files are left alone.
//
// proves P5
func TestSpillWithDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	s := spillAt(t, dir)
	require.NoError(t, s.put(commitNo(1)))
	data, err := s.dir.Read(spillName(store.LeaseID{1}))
	require.NoError(t, err)
	whole := string(data)
	damaged := map[string]string{
		"empty":   "",
		"cut":     whole[:len(whole)/2],
		"version": strings.Replace(whole, `"version":1`, `"version":2`, 1),
		"grant":   strings.Replace(whole, `"grant":"01`, `"grant":"0`, 1),
		"lease":   strings.Replace(whole, `"lease":"01`, `"lease":"zz`, 1),
		"nothing": `{"version":1}`,
		"null":    `null`,
	}
	for name, data := range damaged {
		require.NotEqual(t, whole, data)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+spillSuffix), []byte(data), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "README"), []byte("?"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "."+spillName(store.LeaseID{9})+".1.tmp"), data[:3], 0o600))

	all, err := spillAt(t, dir).pending(store.GrantID{})
	require.Equal(t, []store.Commit{commitNo(1)}, all)
	require.Error(t, err)
	for name := range damaged {
		require.ErrorContains(t, err, name+spillSuffix)
	}
	require.NotContains(t, err.Error(), "README")
	require.NotContains(t, err.Error(), ".tmp")
	require.Len(t, filesIn(t, dir), len(damaged)+3)
}

// commitLedger is a store that takes every commit and counts them.
type commitLedger struct {
	Ledger
	commits []store.Commit
}

func (l *commitLedger) CommitRefresh(_ context.Context, c store.Commit) error {
	l.commits = append(l.commits, c)
	return nil
}

// A file that is replayed under its temporary name is gone afterwards. If a later Recover
// found it, the store would take an old refresh token for a new one: it remembers commits
// for a day.
//
// proves P5
func TestRecoverCommitsUnfinishedFilesOnce(t *testing.T) {
	dir := t.TempDir()
	leaveUnfinished(t, spillAt(t, dir), 1, "123", time.Second, 0)
	torn := leaveUnfinished(t, spillAt(t, dir), 2, "456", time.Second, 1)
	for range 2 {
		ledger := &commitLedger{}
		r, err := New(Config{Ledger: ledger, Clock: time.Now, SpillDir: dir})
		require.NoError(t, err)
		require.NoError(t, r.Recover(t.Context()))
		require.Equal(t, []string{torn}, filesIn(t, dir), "a file that is still written stays")
		if len(ledger.commits) > 0 {
			require.Equal(t, []store.Commit{commitNo(1)}, ledger.commits)
		}
	}
}

// Users who may remove files from the directory could make us lose refresh tokens. Users
// who may create files, as in /tmp, could make us read any number of any size.
//
// proves P5
func TestAttackSpillDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this test needs the permissions of Unix")
	}
	dir := t.TempDir()
	for _, mode := range []os.FileMode{0o772, 0o777 | os.ModeSticky} {
		require.NoError(t, os.Chmod(dir, mode))
		_, err := openSpill(dir)
		require.ErrorAs(t, err, new(*ownfile.UnsafeError), "%v", mode)
		require.ErrorContains(t, err, "issuer: Config.SpillDir cannot be used: "+dir)
	}
	_, err := openSpill(filepath.Join(dir, "inside"))
	require.NoError(t, err)
}
