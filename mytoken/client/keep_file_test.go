package client_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

// Others remove, replace or damage the file. A minute later it is there again, with the
// same token: that costs no use of the mytoken.
func TestKeepLooksAtItsFile(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"removed": os.Remove,
		"removed with its directory, which came back": func(path string) error {
			dir := filepath.Dir(path)
			return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700))
		},
		"replaced":       func(path string) error { return bearer.Write(path, mytoken.NewSecret("another-token")) },
		"emptied":        func(path string) error { return os.Truncate(path, 0) },
		"cut short":      func(path string) error { return os.Truncate(path, 3) },
		"not a token":    func(path string) error { return os.WriteFile(path, []byte("no token at all\n"), 0o600) },
		"far too long":   func(path string) error { return os.Truncate(path, 8<<20) },
		"open to others": func(path string) error { return os.Chmod(path, 0o644) },
		"a second name":  func(path string) error { return os.Link(path, path+".link") },
		"a symbolic link": func(path string) error {
			return errors.Join(os.Rename(path, path+".away"), os.Symlink(path+".away", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && name != "removed" {
				t.Skip("Windows has no such files")
			}
			dir := filepath.Join(t.TempDir(), "run")
			require.NoError(t, os.Mkdir(dir, 0o700))
			synctest.Test(t, func(t *testing.T) {
				f := &fake{life: time.Hour}
				k := keep(t, f, filepath.Join(dir, "bt"), nil)
				for range 3 {
					require.NoError(t, harm(k.path))
					time.Sleep(time.Minute)
					synctest.Wait()
					if name == "a symbolic link" { // bearer does not replace what it did not make
						require.Equal(t, client.KeepDown, k.keeper.State().Phase)
						require.ErrorAs(t, k.keeper.State().Err, new(*bearer.UnsafeError))
						require.NoError(t, os.Remove(k.path))
						time.Sleep(time.Minute)
						synctest.Wait()
					}
					held, err := bearer.Read(k.path)
					require.NoError(t, err)
					require.Equal(t, "access-1", held.Reveal())
					require.Equal(t, client.KeepFresh, k.keeper.State().Phase)
					require.NoError(t, k.keeper.State().Err)
					_ = os.Remove(k.path + ".link")
					_ = os.Remove(k.path + ".away")
				}
				require.Equal(t, 1, f.count("/access"))
				k.end()
			})
		})
	}
}

// The directory is away for a while, as XDG_RUNTIME_DIR is between logout and login. The
// state says so, and the file comes back with the directory.
func TestKeepDirectoryAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	require.NoError(t, os.Mkdir(dir, 0o700))
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		k := keep(t, f, filepath.Join(dir, "bt"), nil)
		for range 2 {
			require.NoError(t, os.RemoveAll(dir))
			time.Sleep(time.Minute)
			synctest.Wait()
			state := k.keeper.State()
			require.Equal(t, client.KeepDown, state.Phase)
			require.True(t, state.Expires.IsZero())
			require.ErrorIs(t, state.Err, os.ErrNotExist)
			require.Positive(t, state.Failures)
			require.WithinDuration(t, time.Now(), state.Next, time.Minute)

			require.NoError(t, os.Mkdir(dir, 0o700))
			time.Sleep(time.Minute)
			synctest.Wait()
			left, ok := k.left()
			require.True(t, ok)
			require.Greater(t, left, 55*time.Minute)
			state = k.keeper.State()
			require.Equal(t, client.KeepFresh, state.Phase)
			require.NoError(t, state.Err)
			require.Zero(t, state.Failures)
		}
		require.Equal(t, 1, f.count("/access"))
		k.end()
	})
}

// The server is down while the file is removed. The keeper still has its token, and
// writes it again as long as it is valid.
func TestKeepWritesAgainWhileServerIsDown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		k := keep(t, f, path, nil)
		f.setDown(errRefused)
		time.Sleep(57 * time.Minute)
		synctest.Wait()
		require.Equal(t, client.KeepAging, k.keeper.State().Phase)
		require.NoError(t, os.Remove(path))
		time.Sleep(time.Minute)
		synctest.Wait()
		left, ok := k.left()
		require.True(t, ok)
		require.Positive(t, left)
		require.Equal(t, client.KeepAging, k.keeper.State().Phase)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.NoFileExists(t, path, "its token has expired")
		require.Equal(t, client.KeepDown, k.keeper.State().Phase)
		k.end()
	})
}

// The keeper does not write the file of an earlier keeper again.
func TestKeepFoundFileRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bt")
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, bearer.Write(path, jwtUntil(time.Now().Add(30*time.Minute))))
		f := &fake{life: time.Hour}
		f.setDown(errRefused)
		k := keep(t, f, path, nil)
		require.Equal(t, client.KeepAging, k.keeper.State().Phase)
		require.NoError(t, os.Remove(path))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NoFileExists(t, path)
		require.Equal(t, client.KeepDown, k.keeper.State().Phase)
		k.end()
	})
}

// The file of the mytoken is no place for access tokens: the mytoken would be lost.
func TestKeepDoesNotReplaceMytoken(t *testing.T) {
	s := start(t, systemTime)
	path := filepath.Join(t.TempDir(), "token")
	store, token := client.NewFileStore(path), s.token(mytoken.Properties{})
	require.NoError(t, store.Save(t.Context(), token))
	t.Setenv(bearer.EnvFile, path)
	err := client.Keep(t.Context(), client.KeepConfig{Holder: s.client.NewHolder(store)})
	require.ErrorContains(t, err, "holds the mytoken")
	kept, err := store.Load(t.Context())
	require.NoError(t, err)
	require.True(t, kept.Equal(token))
}
