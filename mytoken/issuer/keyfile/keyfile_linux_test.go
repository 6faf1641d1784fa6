package keyfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/ownfile/ownfiletest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store/seal"
)

// A platform may hand a key to the program: root owns the file, and a group of the program
// may read it. The program makes no key of its own beside root's.
func TestKeyOfAPlatform(t *testing.T) {
	dir := ownfiletest.Folder(t)
	name, key := filepath.Join(dir, "server.key"), seal.NewKey()
	require.NoError(t, os.WriteFile(name, []byte(key.Reveal()), 0o600))
	require.NoError(t, os.Chown(name, 0, ownfiletest.Group))
	for mode, want := range map[os.FileMode]string{0o440: "", 0o400: "permission denied", 0o444: "everybody can read it", 0o460: "other users can write it"} {
		require.NoError(t, os.Chmod(name, mode))
		ownfiletest.As(t, func() {
			found, err := Server(name)
			if want != "" {
				require.ErrorContains(t, err, want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, key.Reveal(), found.Reveal())
		})
	}
}

// A volume of Kubernetes with both keys is read-only for the program, and its files are
// links to files of root. The program reads them. It makes no keys there.
func TestOpenVolumeOfKubernetes(t *testing.T) {
	dir := ownfiletest.Folder(t)
	volume := filepath.Join(dir, "volume")
	require.NoError(t, os.Mkdir(volume, 0o755))
	key, signing := seal.NewKey(), generated(t, mytoken.ES256)
	ownfiletest.Kubernetes(t, volume, "server.key", key.Reveal(), "01", 0o440)
	require.NoError(t, os.Chmod(volume, 0o755)) // mounted for reading only
	ownfiletest.As(t, func() {
		_, _, err := Open(volume)
		require.ErrorContains(t, err, "signing-key.pem: it is missing and cannot be made")
		_, _, err = Load(volume)
		require.ErrorContains(t, err, "signing-key.pem is missing")
	})
	text, err := signing.RevealPEM()
	require.NoError(t, err)
	old := seal.NewKey()
	for name, text := range map[string]string{"signing-key.pem": string(text), "server.old.key": old.Reveal()} {
		file := filepath.Join(volume, "..2026_01", name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		require.NoError(t, os.Chown(file, 0, ownfiletest.Group))
		require.NoError(t, os.Chmod(file, 0o440))
		require.NoError(t, os.Symlink(filepath.Join("..data", name), filepath.Join(volume, name)))
	}
	former, err := seal.NewRing(seal.RingConfig{Active: old})
	require.NoError(t, err)
	sealed, err := former.Seal(place, []byte("value"))
	require.NoError(t, err)
	ownfiletest.As(t, func() {
		keys, ring, err := Open(volume)
		require.NoError(t, err)
		require.Equal(t, signing.ID(), keys.ActiveID())
		require.Equal(t, key.ID(), ring.Active())
		_, err = ring.Open(place, sealed)
		require.NoError(t, err)
	})
}
