package issuer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

func spillCommit(n byte) store.Commit {
	return store.Commit{
		Grant: store.GrantID{n}, Lease: store.LeaseID{n}, Generation: uint64(n), Token: store.Sealed{n, 0, 255}, Now: store.Micros(n),
	}
}

func spillFiles(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// proves P5
func TestSpillSurvivesTheProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "spill")
	first, err := newSpill(dir)
	require.NoError(t, err)
	for n := range byte(3) {
		require.NoError(t, first.put(spillCommit(n+1)))
	}
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "for nobody else")
	for _, name := range spillFiles(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077)
	}

	second, err := newSpill(dir)
	require.NoError(t, err)
	all, err := second.pending(store.GrantID{})
	require.NoError(t, err)
	require.ElementsMatch(t, []store.Commit{spillCommit(1), spillCommit(2), spillCommit(3)}, all)
	one, err := second.pending(store.GrantID{2})
	require.NoError(t, err)
	require.Equal(t, []store.Commit{spillCommit(2)}, one)

	second.done(store.LeaseID{2})
	second.done(store.LeaseID{2}) // again: nothing happens
	require.Len(t, spillFiles(t, dir), 2)
	// The first one still has it in memory; committing it again is harmless.
	all, err = first.pending(store.GrantID{})
	require.NoError(t, err)
	require.Len(t, all, 3)
}

// A process that is killed while it waits for the disk leaves its file behind,
// and its successor finds it.
//
// proves P5
func TestSpillIsThereBeforeTheDisk(t *testing.T) {
	dir := t.TempDir()
	waits := func(f *os.File) error {
		require.Equal(t, []string{"name"}, spillFiles(t, dir))
		data, err := os.ReadFile(filepath.Join(dir, "name"))
		require.NoError(t, err)
		require.Equal(t, "data", string(data))
		return f.Sync()
	}
	require.NoError(t, writeDurably(dir, "name", []byte("data"), waits))
	broken := errors.New("the disk is broken")
	require.ErrorIs(t, writeDurably(dir, "name", []byte("data"), func(*os.File) error { return broken }), broken)
	require.Equal(t, []string{"name"}, spillFiles(t, dir), "it may be whole")
}

// Without a directory, or with one that refuses, memory has to do.
//
// proves P5
func TestSpillInMemory(t *testing.T) {
	s, err := newSpill("")
	require.NoError(t, err)
	require.NoError(t, s.put(spillCommit(1)))
	all, err := s.pending(store.GrantID{1})
	require.NoError(t, err)
	require.Equal(t, []store.Commit{spillCommit(1)}, all)
	s.done(store.LeaseID{1})
	all, err = s.pending(store.GrantID{})
	require.NoError(t, err)
	require.Empty(t, all)

	dir := filepath.Join(t.TempDir(), "spill")
	s, err = newSpill(dir)
	require.NoError(t, err)
	require.NoError(t, os.Remove(dir))
	require.Error(t, s.put(spillCommit(1)))
	all, err = s.pending(store.GrantID{})
	require.Error(t, err, "the directory is reported")
	require.Equal(t, []store.Commit{spillCommit(1)}, all)

	_, err = newSpill(filepath.Join(os.Args[0], "no directory"))
	require.Error(t, err)
}

// A process that is killed while it writes leaves an unfinished file. What is whole
// is recovered, what is not goes; files that may still be written are left alone.
//
// proves P5
func TestSpillSalvagesWhatIsWhole(t *testing.T) {
	dir := t.TempDir()
	s, err := newSpill(dir)
	require.NoError(t, err)
	now := time.Now()
	leave := func(n byte, random string, age time.Duration, cut int) string {
		require.NoError(t, s.put(spillCommit(n)))
		path := filepath.Join(dir, s.name(store.LeaseID{n}))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		s.done(store.LeaseID{n})
		path += unfinishedMark + random
		require.NoError(t, os.WriteFile(path, data[:len(data)-cut], 0o600))
		require.NoError(t, os.Chtimes(path, now.Add(-age), now.Add(-age)))
		return filepath.Base(path)
	}
	leave(1, "123", time.Hour, 0)
	leave(2, "456", time.Hour, 1)
	leave(3, "789", time.Hour, 1<<7)
	whole, torn := leave(4, "1", time.Second, 0), leave(5, "2", time.Second, 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "somebody.tmp1"), nil, 0o600))
	require.NoError(t, os.Chtimes(filepath.Join(dir, "somebody.tmp1"), now.Add(-time.Hour), now.Add(-time.Hour)))

	for range 2 {
		require.NoError(t, s.salvage(now))
		all, err := s.pending(store.GrantID{})
		require.NoError(t, err)
		require.Equal(t, []store.Commit{spillCommit(1)}, all)
		require.ElementsMatch(t, []string{s.name(store.LeaseID{1}), whole, torn, "somebody.tmp1"}, spillFiles(t, dir))
	}
	require.NoError(t, s.salvage(now.Add(time.Hour)))
	all, err := s.pending(store.GrantID{})
	require.NoError(t, err)
	require.ElementsMatch(t, []store.Commit{spillCommit(1), spillCommit(4)}, all)

	memory, err := newSpill("")
	require.NoError(t, err)
	require.NoError(t, memory.salvage(now))
}

// Files that cannot be read are reported, stay, and keep nothing else from
// being recovered. Foreign files and unfinished ones are left alone.
//
// proves P5
func TestSpillWithDamagedFiles(t *testing.T) {
	dir := t.TempDir()
	s, err := newSpill(dir)
	require.NoError(t, err)
	require.NoError(t, s.put(spillCommit(1)))
	whole, err := os.ReadFile(filepath.Join(dir, s.name(store.LeaseID{1})))
	require.NoError(t, err)
	damaged := map[string]string{
		"empty":   "",
		"cut":     string(whole[:len(whole)/2]),
		"version": strings.Replace(string(whole), `"version":1`, `"version":2`, 1),
		"grant":   strings.Replace(string(whole), `"grant":"01`, `"grant":"0`, 1),
		"lease":   strings.Replace(string(whole), `"lease":"01`, `"lease":"zz`, 1),
		"nothing": `{"version":1}`,
		"null":    `null`,
	}
	for name, data := range damaged {
		require.NotEqual(t, string(whole), data)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+spillSuffix), []byte(data), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "README"), []byte("?"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, s.name(store.LeaseID{9})+".tmp1"), whole[:3], 0o600))

	fresh, err := newSpill(dir)
	require.NoError(t, err)
	all, err := fresh.pending(store.GrantID{})
	require.Equal(t, []store.Commit{spillCommit(1)}, all)
	require.Error(t, err)
	for name := range damaged {
		require.ErrorContains(t, err, name+spillSuffix)
	}
	require.NotContains(t, err.Error(), "README")
	require.NotContains(t, err.Error(), "tmp1")
	require.Len(t, spillFiles(t, dir), len(damaged)+3)
}
