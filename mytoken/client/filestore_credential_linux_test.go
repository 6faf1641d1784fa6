package client_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/ownfile/ownfiletest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
)

func init() {
	roles["stranger"] = func() error { return errors.Join(ownfiletest.Become(), beUser()) }
}

// A process of another user than root uses tokens in files that platforms hand to it. One
// that does not rotate works. The successor of a rotating one could not be kept, so the
// process does not use it. Where the file alone is the user's, the token rotates in place.
//
// proves P8
func TestCredentialsOfPlatforms(t *testing.T) {
	base := ownfiletest.Folder(t)
	var uses atomic.Int32
	s := start(t, counted(&uses))
	folder := func() string {
		dir, err := os.MkdirTemp(base, "")
		require.NoError(t, err)
		require.NoError(t, os.Chmod(dir, 0o755))
		return dir
	}
	own := func(dir string, mode os.FileMode, text string) string {
		path := filepath.Join(dir, "token")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chmod(path, mode))
		require.NoError(t, os.Lchown(path, ownfiletest.Stranger, ownfiletest.Stranger))
		return path
	}
	for name, c := range map[string]struct {
		put  func(t *testing.T, text string) string
		want string // why a rotating token cannot be kept; empty: it can
	}{
		"Kubernetes": {func(t *testing.T, text string) string {
			return ownfiletest.Kubernetes(t, folder(), "token", text, "01", 0o440)
		}, "symbolic link"},
		"Kubernetes with subPath": {func(t *testing.T, text string) string {
			file := filepath.Join(folder(), "file")
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			require.NoError(t, os.Chown(file, 0, ownfiletest.Group))
			require.NoError(t, os.Chmod(file, 0o440))
			path := filepath.Join(folder(), "token")
			ownfiletest.Mount(t, file, path, ownfiletest.ReadOnly)
			return path
		}, "belongs to root"},
		"systemd": {func(t *testing.T, text string) string { return ownfiletest.Systemd(t, folder(), "token", text) }, "belongs to root"},
		"a file of one's own that is mounted for reading": {func(t *testing.T, text string) string {
			file, path := own(folder(), 0o600, text), filepath.Join(folder(), "token")
			ownfiletest.Mount(t, file, path, ownfiletest.ReadOnly)
			return path
		}, "read-only file system"},
		"a file of one's own for reading, in a directory of root": {func(t *testing.T, text string) string {
			return own(folder(), 0o400, text)
		}, "permission denied"},
		"a file of one's own in a directory of root": {func(t *testing.T, text string) string {
			return own(folder(), 0o600, text)
		}, ""},
		"a file of one's own for reading, in a directory of one's own": {func(t *testing.T, text string) string {
			dir := folder()
			require.NoError(t, os.Chown(dir, ownfiletest.Stranger, ownfiletest.Stranger))
			return own(dir, 0o400, text)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			use := func(token mytoken.Secret) (path string, p *process, err error) {
				path = c.put(t, token.Reveal()+"\n")
				p = startOther(t, "stranger", envIssuer+"="+s.URL, envPath+"="+path, envCount+"=3")
				return path, p, <-p.ended
			}
			_, p, err := use(s.token(mytoken.Properties{}))
			require.NoError(t, err, "%s", &p.stderr)
			require.EqualValues(t, 3, uses.Swap(0))

			path, p, err := use(s.token(mytoken.Properties{Rotation: rotating}))
			if c.want == "" {
				require.NoError(t, err, "%s", &p.stderr)
				require.EqualValues(t, 3, uses.Swap(0))
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				token := mytoken.NewSecret(string(text[:len(text)-1]))
				require.EqualValues(t, 4, s.generation(client.NewMemoryStore(token)))
				return
			}
			require.Error(t, err)
			require.Contains(t, p.stderr.String(), "was not used")
			require.Contains(t, p.stderr.String(), c.want)
			require.Contains(t, p.stderr.String(), path)
			require.Zero(t, uses.Load())
		})
	}
}
