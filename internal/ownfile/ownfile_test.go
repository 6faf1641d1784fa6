//go:build unix

package ownfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/durable"
	"github.com/mytoken-go/sdk/internal/ownfile"
	"github.com/mytoken-go/sdk/internal/ownfile/ownfiletest"
)

func put(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
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
	text, err := dir.ReadCredential("token", 100)
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
	ownfiletest.RequireUnsafe(t, err, "another name")
	for mode, want := range map[fs.FileMode]string{0o700: "", 0o777 | fs.ModeSticky: "another name"} {
		require.NoError(t, os.Chmod(path, mode))
		dir, err := ownfile.OpenDir(path)
		require.NoError(t, err)
		defer dir.Close()
		if _, err := dir.ReadCredential("file", 1); want == "" {
			require.NoError(t, err)
		} else {
			ownfiletest.RequireUnsafe(t, err, want)
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
	ownfiletest.RequireUnsafe(t, err, "symbolic link")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, path := range []string{pipe, dir} {
		_, err = ownfile.ReadNamed(path, 2)
		ownfiletest.RequireUnsafe(t, err, "not a regular file")
	}
	_, err = ownfile.ReadNamed(filepath.Join(dir, "none"), 2)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestPrivateGroup: with a private group for each user, the usual umask is 002, so
// directories are writable for the group. A volume of Kubernetes belongs to root and is
// writable for the group of the pod, which gets access to all files at the next start.
func TestPrivateGroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	const user, other = 12345, 54321
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	put(t, file, "x")
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Chown(file, user, user))
	for _, c := range []struct {
		owner, group int
		dir, file    fs.FileMode
		reason       string
	}{
		{user, user, 0o775, 0o660, ""},
		{0, user, 0o775 | fs.ModeSetgid, 0o660, ""}, // a volume
		{user, user, 0o775, 0o664, "chmod 600"},
		{user, user, 0o777, 0o660, "chmod go-w"},
		{user, other, 0o775, 0o660, "chmod go-w"},
		{0, other, 0o775, 0o660, "chmod go-w"},
		{user, 0, 0o775, 0o660, "chmod go-w"},
		{other, user, 0o775, 0o660, "another user"},
	} {
		require.NoError(t, os.Chown(dir, c.owner, c.group))
		require.NoError(t, os.Chmod(dir, c.dir))
		require.NoError(t, os.Chmod(file, c.file))
		require.NoError(t, syscall.Setreuid(-1, user))
		err := use(dir, "file")
		require.NoError(t, syscall.Setreuid(-1, 0))
		if c.reason == "" {
			require.NoError(t, err, "%+v", c)
		} else {
			ownfiletest.RequireUnsafe(t, err, c.reason)
		}
	}
}

// use makes all checks of a file with a secret.
func use(path, name string) error {
	dir, err := ownfile.OpenDir(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	_, err = dir.Lock(name)
	_, rerr := ownfile.Read(filepath.Join(path, name), 1)
	return errors.Join(err, rerr, dir.Replaceable(name))
}
