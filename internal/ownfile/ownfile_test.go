//go:build unix

package ownfile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/durable"
	"github.com/mytoken-go/sdk/internal/ownfile"
)

func put(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func requireUnsafe(t *testing.T, err error, reason string) {
	t.Helper()
	require.ErrorAs(t, err, new(*ownfile.UnsafeError))
	require.ErrorContains(t, err, reason)
}

// After the check of a directory, its name is given to another one. Everything still
// happens in the directory that was checked.
func TestDirectoryIsReplaced(t *testing.T) {
	base := t.TempDir()
	path, moved, victim := filepath.Join(base, "dir"), filepath.Join(base, "moved"), filepath.Join(base, "victim")
	require.NoError(t, os.Mkdir(path, 0o700))
	require.NoError(t, os.Mkdir(victim, 0o700))
	put(t, filepath.Join(victim, "token"), "victim")
	dir, err := ownfile.OpenDir(path)
	require.NoError(t, err)
	defer dir.Close()
	require.NoError(t, os.Rename(path, moved))
	require.NoError(t, os.Symlink(victim, path))

	require.NoError(t, dir.Replaceable("token"))
	require.NoError(t, durable.Write(dir.Root, "token", []byte("ours")))
	_, err = dir.Lock("token.lock")
	require.NoError(t, err)
	text, err := dir.Read("token", 100)
	require.NoError(t, err)
	require.Equal(t, "ours", string(text))
	text, err = os.ReadFile(filepath.Join(victim, "token"))
	require.NoError(t, err)
	require.Equal(t, "victim", string(text))
	require.FileExists(t, filepath.Join(moved, "token.lock"))
	require.NoFileExists(t, filepath.Join(victim, "token.lock"))
}

// A directory in which others may make files is one where a second name is suspicious.
func TestOtherNames(t *testing.T) {
	path := t.TempDir()
	require.NoError(t, os.Chmod(path, 0o700))
	file := filepath.Join(path, "file")
	put(t, file, "x")
	require.NoError(t, os.Link(file, file+"-2"))
	_, err := ownfile.Read(file, 1)
	requireUnsafe(t, err, "another name")
	for mode, want := range map[fs.FileMode]string{0o700: "", 0o777 | fs.ModeSticky: "another name"} {
		require.NoError(t, os.Chmod(path, mode))
		dir, err := ownfile.OpenDir(path)
		require.NoError(t, err)
		defer dir.Close()
		if _, err := dir.Read("file", 1); want == "" {
			require.NoError(t, err)
		} else {
			requireUnsafe(t, err, want)
		}
		require.NoError(t, dir.Replaceable("file"), "the other name goes away")
	}
}

// A named file may be a link to any regular file. Others may read it.
func TestReadNamed(t *testing.T) {
	dir := t.TempDir()
	file, link, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	put(t, file, "text")
	require.NoError(t, os.Chmod(file, 0o644))
	require.NoError(t, os.Symlink(file, link))
	text, err := ownfile.ReadNamed(link, 2)
	require.NoError(t, err)
	require.Equal(t, "tex", string(text))
	_, err = ownfile.Read(link, 2)
	requireUnsafe(t, err, "symbolic link")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, path := range []string{pipe, dir} {
		_, err = ownfile.ReadNamed(path, 2)
		requireUnsafe(t, err, "not a regular file")
	}
	_, err = ownfile.ReadNamed(filepath.Join(dir, "none"), 2)
	require.ErrorIs(t, err, fs.ErrNotExist)
}
