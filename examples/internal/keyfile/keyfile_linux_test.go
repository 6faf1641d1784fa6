package keyfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/ownfile/ownfiletest"
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
