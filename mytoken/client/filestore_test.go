package client_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

// unixOnly skips tests of Unix permissions and symbolic links.
func unixOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("this test needs the permissions and symbolic links of Unix")
	}
}

// A saved token is loaded by the next process. A missing file is no token.
func TestFileStore(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "token")
	s := client.NewFileStore(path)
	_, err := s.Load(ctx)
	require.ErrorIs(t, err, client.ErrNoToken)
	require.ErrorIs(t, err, fs.ErrNotExist)
	for _, text := range []string{"first", "second"} {
		require.NoError(t, s.Save(ctx, mytoken.NewSecret(text)))
		token, err := client.NewFileStore(path).Load(ctx)
		require.NoError(t, err)
		require.Equal(t, text, token.Reveal())
	}
	require.Error(t, client.NewFileStore(filepath.Join(path, "x")).Save(ctx, aToken))
}

// A file without a token is refused. The error does not show its content.
func TestFileStoreBadFiles(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":      {" \n", "empty"},
		"two tokens": {"planted1\nplanted2", "the content is not a mytoken"},
		"binary":     {"planted\x00", "the content is not a mytoken"},
		"long":       {strings.Repeat("planted", 10000), "the content is not a mytoken"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "token")
			require.NoError(t, os.WriteFile(path, []byte(c.text), 0o600))
			_, err := client.NewFileStore(path).Load(t.Context())
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "planted")
		})
	}
}

// A file that other users can read is refused, and Save repairs it. A symbolic link is
// refused and stays.
func TestFileStorePermissions(t *testing.T) {
	unixOnly(t)
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	require.NoError(t, os.Chmod(path, 0o644))
	s := client.NewFileStore(path)
	_, err := s.Load(ctx)
	require.ErrorContains(t, err, "0644")
	require.NoError(t, s.Save(ctx, aToken))
	_, err = s.Load(ctx)
	require.NoError(t, err)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(path, link))
	_, err = client.NewFileStore(link).Load(ctx)
	require.ErrorAs(t, err, new(*bearer.UnsafeError))
	require.ErrorAs(t, client.NewFileStore(link).Save(ctx, aToken), new(*bearer.UnsafeError))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&fs.ModeSymlink)
	_, err = client.NewFileStore(t.TempDir()).Load(ctx)
	require.ErrorContains(t, err, "not a regular file")
}

// Behind a symbolic link, ".." leads elsewhere than the text of the path says, as in
// /srv/app/current/../shared/token. All methods of the store mean the same file, and so
// does a keeper.
func TestFileStoreBehindLink(t *testing.T) {
	unixOnly(t)
	s := start(t, systemTime)
	dir := t.TempDir()
	for _, name := range []string{"releases/1", "releases/shared", "shared"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
	}
	require.NoError(t, os.Symlink("releases/1", filepath.Join(dir, "current")))
	shared := dir + "/current/../shared/"
	require.NoError(t, os.WriteFile(shared+"token", []byte(s.token(mytoken.Properties{Rotation: rotating}).Reveal()), 0o600))
	store := client.NewFileStore(shared + "token")
	k, _, _ := s.keeper(func(cfg *client.KeepConfig) { cfg.Holder, cfg.Path = s.client.NewHolder(store), shared+"bt" })
	require.Equal(t, filepath.Join(dir, "releases/shared/bt"), k.State().Path)
	require.NoError(t, k.RunCommand(t.Context(), other(t.Context(), "job")))
	require.EqualValues(t, 2, s.generation(client.NewFileStore(filepath.Join(dir, "releases/shared/token"))))
	names, err := os.ReadDir(filepath.Join(dir, "shared"))
	require.NoError(t, err)
	require.Empty(t, names)

	t.Chdir(filepath.Join(dir, "current"))
	unlock, err := client.NewFileStore("../shared/token").Lock(t.Context())
	require.NoError(t, err)
	unlock()
	k, _, _ = s.keeper(func(cfg *client.KeepConfig) { cfg.Path = "../shared/bt" })
	require.Equal(t, filepath.Join(dir, "releases/shared/bt"), k.State().Path)
}

// One caller at a time holds the lock, whatever path leads to the directory. A waiting
// caller can give up.
func TestFileStoreLock(t *testing.T) {
	unixOnly(t)
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.Symlink(dir, other))
	path, link := filepath.Join(dir, "token"), filepath.Join(other, "token")
	unlock, err := client.NewFileStore(path).Lock(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = client.NewFileStore(link).Lock(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	unlock()

	var group sync.WaitGroup
	var inside, count atomic.Int32
	for i := range 8 {
		s := client.NewFileStore([]string{path, link}[i%2])
		group.Go(func() {
			for range 25 {
				unlock, err := s.Lock(t.Context())
				if !assert.NoError(t, err) {
					return
				}
				assert.EqualValues(t, 1, inside.Add(1), "two callers hold the lock")
				count.Add(1)
				inside.Add(-1)
				unlock()
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 200, count.Load())
}

// Save removes what a killed writer left behind a while ago.
func TestLeftoversAreSwept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "to[k]en*")
	if runtime.GOOS == "windows" {
		path = filepath.Join(dir, "token")
	}
	old, young, other := filepath.Join(dir, "."+filepath.Base(path)+".1.tmp"), filepath.Join(dir, "."+filepath.Base(path)+".2.tmp"), filepath.Join(dir, ".token2.1.tmp")
	for _, name := range []string{old, young, other} {
		require.NoError(t, os.WriteFile(name, []byte("x"), 0o600))
	}
	past := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(old, past, past))
	require.NoError(t, os.Chtimes(other, past, past))
	require.NoError(t, client.NewFileStore(path).Save(t.Context(), aToken))
	require.NoFileExists(t, old)
	require.FileExists(t, young)
	require.FileExists(t, other)
}

// The store in memory keeps one token, and one caller at a time holds its lock.
func TestMemoryStore(t *testing.T) {
	ctx := t.Context()
	s := client.NewMemoryStore(mytoken.Secret{})
	_, err := s.Load(ctx)
	require.ErrorIs(t, err, client.ErrNoToken)
	require.NoError(t, s.Save(ctx, aToken))
	token, err := s.Load(ctx)
	require.NoError(t, err)
	require.True(t, token.Equal(aToken))
	unlock, err := s.Lock(ctx)
	require.NoError(t, err)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err = s.Lock(ended)
	require.ErrorIs(t, err, context.Canceled)
	unlock()
	unlock, err = s.Lock(ctx)
	require.NoError(t, err)
	unlock()
}
