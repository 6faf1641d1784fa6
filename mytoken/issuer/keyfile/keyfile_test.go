package keyfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/ownfile"
	_ "github.com/mytoken-go/sdk/internal/ownfile/ownfiletest" // sets the umask
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store/seal"
)

// Everybody who asks for a key, at the same time or later, gets the same one. Only the
// key files are left.
func TestOneKey(t *testing.T) {
	dir := t.TempDir()
	server, signing := filepath.Join(dir, "server.key"), filepath.Join(dir, "signing.pem")
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		seen = map[string]bool{}
	)
	ask := func() {
		a, err := Server(server)
		b, err2 := Signing(signing)
		if !assert.NoError(t, err) || !assert.NoError(t, err2) {
			return
		}
		pem, err := b.RevealPEM()
		assert.NoError(t, err)
		mu.Lock()
		defer mu.Unlock()
		seen[a.Reveal()+string(pem)] = true
	}
	for range 8 {
		wg.Go(ask)
	}
	wg.Wait()
	ask()
	require.Equal(t, 1, len(seen), "different keys")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		if runtime.GOOS != "windows" {
			require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), e.Name())
		}
	}
}

// A key file that is damaged or that others can read is refused. It stays as it is, and
// no error shows it.
func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "key")
	const damaged = "mytoken-seal-key-1-damaged"
	require.NoError(t, os.WriteFile(name, []byte(damaged), 0o600))
	_, err := Server(name)
	require.ErrorIs(t, err, seal.ErrFormat)
	require.ErrorContains(t, err, name)
	require.NotContains(t, err.Error(), damaged)
	_, err = Signing(name)
	require.ErrorIs(t, err, mytoken.ErrKey)
	require.NotContains(t, err.Error(), damaged)
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, damaged, string(text))
	_, err = Server(filepath.Join(dir, "none", "key"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	if runtime.GOOS == "windows" {
		return
	}
	open := filepath.Join(dir, "open")
	_, err = Server(open)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(open, 0o644))
	_, err = Server(open)
	require.ErrorContains(t, err, "chmod 600")
}

// A key file is refused if another user could have planted it, or could replace it.
func TestAttackKeyFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this test needs the permissions and symbolic links of Unix")
	}
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.Mkdir(dir, 0o700))
	name, planted := filepath.Join(dir, "key"), filepath.Join(t.TempDir(), "planted")
	require.NoError(t, os.WriteFile(planted, []byte(seal.NewKey().Reveal()), 0o600))
	refused := func(reason string) {
		t.Helper()
		_, err := Server(name)
		require.ErrorAs(t, err, new(*ownfile.UnsafeError))
		require.ErrorContains(t, err, reason)
	}
	require.NoError(t, os.Symlink(planted, name))
	refused("symbolic link")
	require.NoError(t, os.Remove(name))
	require.NoError(t, os.Chmod(dir, 0o772))
	refused("chmod go-w")
	require.NoFileExists(t, name)
	require.NoError(t, os.Chmod(dir, 0o777|fs.ModeSticky))
	require.NoError(t, os.Link(planted, name))
	refused("another name")
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	require.NoError(t, os.Chmod(dir, 0o700))
	require.NoError(t, os.Chown(name, 12345, -1))
	refused("another user")
}

// Behind a symbolic link, ".." leads elsewhere than the text of the path says. The key
// there is found, and no other one is made.
func TestKeyBehindLink(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"releases/1", "releases/keys", "keys"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
	}
	if err := os.Symlink("releases/1", filepath.Join(dir, "current")); err != nil {
		t.Skip("SKIPPED: no symbolic links here: ", err)
	}
	want, err := Server(filepath.Join(dir, "releases/keys/server.key"))
	require.NoError(t, err)
	got, err := Server(filepath.Join(dir, "current") + "/../keys/server.key")
	require.NoError(t, err)
	require.Equal(t, want.Reveal(), got.Reveal())
}
