package durable_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/durable"
)

// write opens the directory of a file and writes the file.
func write(how func(*os.Root, string, []byte) error, path string, data []byte) error {
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return how(dir, filepath.Base(path), data)
}

// A reader gets the old content or the new one while the file is being replaced.
func TestReadersSeeWholeFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows cannot replace a file that is open")
	}
	path := filepath.Join(t.TempDir(), "file")
	contents := [][]byte{bytes.Repeat([]byte("a"), 1<<16), bytes.Repeat([]byte("b"), 1<<15)}
	require.NoError(t, write(durable.Write, path, contents[0]))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			text, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(text, contents[0]) && !bytes.Equal(text, contents[1]) {
				assert.Failf(t, "a part of a file", "%d bytes, %v", len(text), err)
				return
			}
		}
	})
	for i := range 200 {
		require.NoError(t, write(durable.Replace, path, contents[i%2]))
	}
	close(stop)
	readers.Wait()
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// A write that fails leaves the old file, and nothing else.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	require.NoError(t, os.MkdirAll(filepath.Join(path, "inside"), 0o700)) // a file cannot replace it
	require.Error(t, write(durable.Write, path, []byte("x")))
	require.Equal(t, []string{"file"}, names(t, dir))
	require.ErrorIs(t, write(durable.Write, filepath.Join(dir, "none", "file"), []byte("x")), fs.ErrNotExist)
}

func TestFilesAreForTheirOwnerAlone(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, write(durable.Write, filepath.Join(dir, "written"), nil))
	require.NoError(t, write(durable.Create, filepath.Join(dir, "created"), nil))
	_, err := durable.OpenDir(filepath.Join(dir, "a", "b"))
	require.NoError(t, err)
	if runtime.GOOS == "windows" {
		return // no such modes
	}
	for _, name := range []string{"written", "created", "a", "a/b"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, name)
	}
}

// Exactly one of many creators wins. The others get [fs.ErrExist] and leave the file as
// it is.
func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	var won atomic.Int32
	var creators sync.WaitGroup
	for i := range byte(8) {
		creators.Go(func() {
			if err := write(durable.Create, path, []byte{i}); err == nil {
				won.Store(int32(i) + 1)
			} else {
				assert.ErrorIs(t, err, fs.ErrExist)
			}
		})
	}
	creators.Wait()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, []byte{byte(won.Load() - 1)}, data)
	require.Equal(t, []string{"file"}, names(t, dir))
	require.ErrorIs(t, write(durable.Create, filepath.Join(dir, "none", "file"), nil), fs.ErrNotExist)
}

func leave(t *testing.T, path, content string, age time.Duration) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	require.NoError(t, os.Chtimes(path, time.Time{}, time.Now().Add(-age)))
}

// Sweep removes the temporary files of killed writers of this file, and nothing else.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".file.1.tmp", ".file.x.2.tmp", ".other.3.tmp", "file.4.tmp", "file"} {
		leave(t, filepath.Join(dir, name), "", time.Hour)
	}
	leave(t, filepath.Join(dir, ".file.5.tmp"), "", time.Second)
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".file.6.tmp"), 0o700))
	require.NoError(t, os.Chtimes(filepath.Join(dir, ".file.6.tmp"), time.Time{}, time.Now().Add(-time.Hour)))
	durable.Sweep(filepath.Join(dir, "file"), time.Now())
	require.ElementsMatch(t, []string{".file.5.tmp", ".file.6.tmp", ".file.x.2.tmp", ".other.3.tmp", "file", "file.4.tmp"}, names(t, dir))
	durable.Sweep(filepath.Join(dir, "none", "file"), time.Now())
}

func TestDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir")
	d, err := durable.OpenDir(path)
	require.NoError(t, err)
	again, err := durable.OpenDir(path)
	require.NoError(t, err)
	for _, name := range []string{"b.x", "a.x", "a.y"} {
		require.NoError(t, d.Write(name, []byte(name)))
	}
	require.NoError(t, os.Mkdir(filepath.Join(path, "c.x"), 0o700))
	found, err := again.Names(".x")
	require.NoError(t, err)
	require.Equal(t, []string{"a.x", "b.x"}, found)
	data, err := again.Read("b.x")
	require.NoError(t, err)
	require.Equal(t, "b.x", string(data))
	for range 2 {
		require.NoError(t, again.Remove("b.x"))
	}
	for range 2 {
		require.NoError(t, again.Forget("a.y"))
	}
	for _, name := range []string{"b.x", "a.y"} {
		_, err = d.Read(name)
		require.ErrorIs(t, err, fs.ErrNotExist)
	}

	require.NoError(t, os.RemoveAll(path))
	_, err = d.Names("")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = d.Unfinished("")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Error(t, d.Write("a.x", nil))

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, write(durable.Write, file, nil))
	_, err = durable.OpenDir(file)
	require.Error(t, err)
	_, err = durable.OpenDir(filepath.Join(file, "dir"))
	require.Error(t, err)
}

// Another process can read a file at once that a killed process has written completely,
// and can finish it later.
//
// proves P5
func TestUnfinished(t *testing.T) {
	path := t.TempDir()
	d, err := durable.OpenDir(path)
	require.NoError(t, err)
	require.NoError(t, d.Write("done.x", nil))
	leave(t, filepath.Join(path, ".whole.x.1.tmp"), "whole", time.Hour)
	leave(t, filepath.Join(path, ".torn.x.2.tmp"), "to", time.Hour)
	leave(t, filepath.Join(path, ".fresh.x.3.tmp"), "", time.Second)
	leave(t, filepath.Join(path, ".whole.y.4.tmp"), "", time.Hour)
	finished, err := d.Names(".x")
	require.NoError(t, err)
	require.Equal(t, []string{"done.x"}, finished)

	all, err := d.Unfinished(".x")
	require.NoError(t, err)
	require.Len(t, all, 3)
	for _, u := range all {
		require.Equal(t, u.Name != "fresh.x", u.Abandoned(time.Now()), u.Name)
		data, err := d.Read(u.File)
		require.NoError(t, err)
		for range 2 { // another process may be at the same work
			switch string(data) {
			case "whole":
				require.NoError(t, d.Finish(u))
			case "to":
				require.NoError(t, d.Discard(u))
			}
		}
	}
	require.ElementsMatch(t, []string{".fresh.x.3.tmp", ".whole.y.4.tmp", "done.x", "whole.x"}, names(t, path))
	data, err := d.Read("whole.x")
	require.NoError(t, err)
	require.Equal(t, "whole", string(data))
}
