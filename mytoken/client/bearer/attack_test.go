//go:build unix

package bearer_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/ownfile/ownfiletest"
	"github.com/mytoken-go/sdk/internal/redact"
	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

// In the temporary directory, another user makes a hard link to a secret file of ours, so
// that we send that secret as our access token.
func TestAttackHardLink(t *testing.T) {
	w := newWorld(t)
	w.put(w.named+"-secret", "secret")
	for _, path := range []string{w.tmp, w.runtime} {
		require.NoError(t, os.Link(w.named+"-secret", path))
		_, err := bearer.Discover()
		ownfiletest.RequireUnsafe(t, err, "another name")
		_, err = bearer.Read(path)
		ownfiletest.RequireUnsafe(t, err, "another name")
		require.NoError(t, bearer.Remove(path, redact.New("secret")))
		require.FileExists(t, path)
	}
}

// A pipe in place of a file must not make us wait for its other end.
func TestAttackPipe(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{w.tmp, w.runtime, w.named} {
		require.NoError(t, syscall.Mkfifo(path, 0o600))
		_, err := bearer.Discover()
		ownfiletest.RequireUnsafe(t, err, "not a regular file")
		ownfiletest.RequireUnsafe(t, bearer.Write(path, redact.New("x")), "not a regular file")
	}
	require.ErrorIs(t, bearer.CheckWritable(filepath.Join(w.named, "bt")), syscall.ENOTDIR)
}

// A file that others can read is no secret. One that the user names is read nevertheless:
// it may be a mounted one.
func TestAttackReadableFile(t *testing.T) {
	w := newWorld(t)
	w.put(w.tmp, "known")
	require.NoError(t, os.Chmod(w.tmp, 0o644))
	_, err := bearer.Discover()
	ownfiletest.RequireUnsafe(t, err, "chmod 600")
	t.Setenv(bearer.EnvFile, w.tmp)
	w.finds("known", w.tmp)
}

// Nobody reaches a file in a directory that is closed to them, such as the usual
// XDG_RUNTIME_DIR. So what a program wrote there with the umask 022 is found.
func TestClosedRuntimeDirectory(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Dir(w.runtime)
	w.put(w.runtime, "closed")
	require.NoError(t, os.Chmod(w.runtime, 0o644))
	for _, mode := range []fs.FileMode{0o755, 0o701, 0o777 | fs.ModeSticky} {
		require.NoError(t, os.Chmod(dir, mode))
		_, err := bearer.Discover()
		ownfiletest.RequireUnsafe(t, err, "chmod 600")
	}
	require.NoError(t, os.Chmod(dir, 0o700))
	w.finds("closed", w.runtime)
	require.NoError(t, os.Link(w.runtime, filepath.Join(dir, "other")))
	_, err := bearer.Discover()
	ownfiletest.RequireUnsafe(t, err, "another name")
	require.NoError(t, os.Remove(filepath.Join(dir, "other")))
	ownfiletest.GiveAway(t, w.runtime)
	_, err = bearer.Discover()
	ownfiletest.RequireUnsafe(t, err, "another user")
}

// Write puts no token into a directory in which other users may replace files.
func TestAttackDirectory(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Dir(w.tmp)
	for _, mode := range []fs.FileMode{0o777, 0o772, 0o703, 0o702} {
		require.NoError(t, os.Chmod(dir, mode))
		ownfiletest.RequireUnsafe(t, bearer.CheckWritable(w.tmp), "other users may replace files")
		ownfiletest.RequireUnsafe(t, bearer.Write(w.tmp, redact.New("x")), "chmod go-w")
	}
	require.NoError(t, os.Chmod(dir, 0o777|fs.ModeSticky))
	require.NoError(t, bearer.CheckWritable(w.tmp))
	require.ErrorIs(t, bearer.CheckWritable(filepath.Join(dir, "none", "bt")), fs.ErrNotExist)
	ownfiletest.GiveAway(t, dir)
	for _, mode := range []fs.FileMode{0o777 | fs.ModeSticky, 0o755} {
		require.NoError(t, os.Chmod(dir, mode))
		ownfiletest.RequireUnsafe(t, bearer.CheckWritable(w.tmp), "belongs to another user")
		ownfiletest.RequireUnsafe(t, bearer.Write(w.tmp, redact.New("x")), "belongs to another user")
	}
	require.NoFileExists(t, w.tmp)
}

// The temporary directory of the system is good enough.
func TestSystemDirectory(t *testing.T) {
	info, err := os.Stat("/tmp")
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 || info.Mode()&fs.ModeSticky == 0 {
		t.Skip("/tmp is not as usual")
	}
	require.NoError(t, bearer.CheckWritable("/tmp/bt_u-of-a-test"))
}
