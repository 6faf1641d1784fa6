//go:build unix

package client_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/ownfile/ownfiletest"
	"github.com/mytoken-go/sdk/mytoken/client"
)

// A symbolic link in place of the lock leads to a file that must neither be made nor
// touched.
func TestAttackLinkedLock(t *testing.T) {
	dir := t.TempDir()
	path, victim := filepath.Join(dir, "token"), filepath.Join(t.TempDir(), "victim")
	for _, to := range []string{victim, "victim"} { // elsewhere, and in the same directory
		require.NoError(t, os.Symlink(to, path+".lock"))
		_, err := client.NewFileStore(path).Lock(t.Context())
		ownfiletest.RequireUnsafe(t, err, "symbolic link")
		require.NoFileExists(t, victim)
		require.NoFileExists(t, filepath.Join(dir, "victim"))
		require.NoError(t, os.WriteFile(filepath.Join(dir, to[len(to)-6:]), []byte("kept"), 0o600))
		_, err = client.NewFileStore(path).Lock(t.Context())
		ownfiletest.RequireUnsafe(t, err, "symbolic link")
		require.NoError(t, os.Remove(path+".lock"))
		require.NoError(t, os.Remove(filepath.Join(dir, "victim")))
	}
}

// A pipe in place of the token or its lock must not make us wait for its other end.
func TestAttackPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	require.NoError(t, syscall.Mkfifo(path+".lock", 0o600))
	s := client.NewFileStore(path)
	_, err := s.Load(t.Context())
	ownfiletest.RequireUnsafe(t, err, "not a regular file")
	ownfiletest.RequireUnsafe(t, s.Save(t.Context(), aToken), "not a regular file")
	_, err = s.Lock(t.Context())
	ownfiletest.RequireUnsafe(t, err, "not a regular file")
	_, err = client.NewFileStore(filepath.Join(path, "token")).Lock(t.Context())
	require.ErrorIs(t, err, syscall.ENOTDIR)
}

// A hard link in place of the token leads to a secret that no mytoken server must get.
func TestAttackHardLink(t *testing.T) {
	dir := t.TempDir()
	path, secret := filepath.Join(dir, "token"), filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	require.NoError(t, os.Link(secret, path))
	require.NoError(t, os.Link(secret, path+".lock"))
	s := client.NewFileStore(path)
	_, err := s.Load(t.Context())
	ownfiletest.RequireUnsafe(t, err, "another name")
	_, err = s.Lock(t.Context())
	ownfiletest.RequireUnsafe(t, err, "another name")
}

// The store reads and writes no file of another user, and writes to no directory in which
// another user may replace files.
func TestAttackOwner(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	s := client.NewFileStore(path)
	requireUnwritten := func(reason string) {
		t.Helper()
		ownfiletest.RequireUnsafe(t, s.Save(t.Context(), aToken), reason)
		_, err := s.Lock(t.Context())
		ownfiletest.RequireUnsafe(t, err, reason)
		require.NoFileExists(t, path+".lock")
	}
	require.NoError(t, os.Chmod(dir, 0o772))
	requireUnwritten("chmod go-w")
	require.NoError(t, os.Chmod(dir, 0o777|fs.ModeSticky))
	require.NoError(t, s.Save(t.Context(), aToken))
	require.NoError(t, os.Chmod(dir, 0o700))
	ownfiletest.GiveAway(t, dir)
	requireUnwritten("another user")
	require.NoError(t, os.Chown(dir, os.Geteuid(), -1))
	for _, name := range []string{path, path + ".lock"} {
		require.NoError(t, os.WriteFile(name, []byte("foreign"), 0o600))
		ownfiletest.GiveAway(t, name)
	}
	_, err := s.Load(t.Context())
	ownfiletest.RequireUnsafe(t, err, "another user")
	ownfiletest.RequireUnsafe(t, s.Save(t.Context(), aToken), "another user")
	_, err = s.Lock(t.Context())
	ownfiletest.RequireUnsafe(t, err, "another user")
}

// replacing is a context that calls do when it is first asked whether it has ended: after
// the check of the lock, before the lock is opened.
type replacing struct {
	context.Context
	do func()
}

func (c replacing) Err() error {
	c.do()
	return c.Context.Err()
}

// Between the check and the use, the lock is replaced. It does not count as locked, and
// nothing that a symbolic link leads to is made.
func TestAttackReplacedLock(t *testing.T) {
	path, victim := filepath.Join(t.TempDir(), "token"), filepath.Join(t.TempDir(), "victim")
	for name, replace := range map[string]func() error{
		"another file": func() error { return os.WriteFile(path+".lock", nil, 0o600) },
		"link":         func() error { return os.Symlink(victim, path+".lock") },
		"pipe":         func() error { return syscall.Mkfifo(path+".lock", 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx := replacing{t.Context(), func() {
				require.NoError(t, os.Rename(path+".lock", path+".old"))
				require.NoError(t, replace())
			}}
			_, err := client.NewFileStore(path).Lock(ctx)
			require.Error(t, err)
			require.NoFileExists(t, victim)
			require.NoError(t, os.Remove(path+".lock"))
		})
	}
}
