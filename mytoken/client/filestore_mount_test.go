//go:build unix

package client_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/ownfile/ownfiletest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
)

// mountedToken returns the path of a token file that is mounted over another file, and
// the path of that file, as in a container with one file of its host.
func mountedToken(t *testing.T, token mytoken.Secret, flags uintptr) (path, host string) {
	t.Helper()
	host = filepath.Join(t.TempDir(), "host")
	require.NoError(t, os.WriteFile(host, []byte(token.Reveal()), 0o600))
	path = filepath.Join(t.TempDir(), "token")
	ownfiletest.Mount(t, host, path, flags)
	return path, host
}

// counted counts requests for access tokens.
func counted(n *atomic.Int32) func(*setup) {
	return func(o *setup) {
		o.wrap = func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/api/v0/token/access" {
					n.Add(1)
				}
				h.ServeHTTP(w, r)
			})
		}
	}
}

// short derives a short token.
func (s *server) short(parent mytoken.Secret) mytoken.Secret {
	s.t.Helper()
	child, err := s.client.NewHolder(client.NewMemoryStore(parent)).Derive(s.t.Context(), client.DeriveRequest{
		Properties: mytoken.Properties{Capabilities: everything, Rotation: nil}, Response: mytoken.Response{Type: mytoken.ResponseShortToken},
	})
	require.NoError(s.t, err)
	require.Equal(s.t, mytoken.ResponseShortToken, child.Type)
	return child.Token
}

// A rotating token in a file that is mounted alone survives its rotations, on the host
// too. Nothing is left beside it.
//
// proves P8
func TestMountedTokenRotates(t *testing.T) {
	s := start(t, nil)
	path, host := mountedToken(t, s.token(mytoken.Properties{Rotation: rotating}), 0)
	h := s.client.NewHolder(client.NewFileStore(path))
	for range 3 {
		_, err := h.AccessToken(t.Context(), client.AccessTokenRequest{})
		require.NoError(t, err)
	}
	require.EqualValues(t, 4, s.generation(client.NewFileStore(path)))
	require.EqualValues(t, 4, s.generation(client.NewFileStore(host)))
	names, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, names, 1, "a lock beside a mounted file would be for this container alone")
}

// If the successor of a rotating token cannot be kept, the holder does not use the token,
// and says what to do. A token that does not rotate is used.
//
// proves P8
func TestNoUseIfTheSuccessorCannotBeKept(t *testing.T) {
	var uses atomic.Int32
	s := start(t, counted(&uses))
	token, plain := s.token(mytoken.Properties{Rotation: rotating}), s.token(mytoken.Properties{})
	_, err := s.client.NewHolder(client.NewMemoryStore(plain)).AccessToken(t.Context(), client.AccessTokenRequest{})
	require.NoError(t, err)
	uses.Store(0)
	for name, place := range map[string]func(*testing.T, mytoken.Secret) string{
		"mounted for reading": func(t *testing.T, token mytoken.Secret) string {
			path, _ := mountedToken(t, token, ownfiletest.ReadOnly)
			return path
		},
		"directory that others may write to": func(t *testing.T, token mytoken.Secret) string {
			path := filepath.Join(t.TempDir(), "token")
			require.NoError(t, os.WriteFile(path, []byte(token.Reveal()), 0o600))
			require.NoError(t, os.Chmod(filepath.Dir(path), 0o777))
			return path
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := place(t, token)
			h := s.client.NewHolder(client.NewFileStore(path))
			_, err := h.AccessToken(t.Context(), client.AccessTokenRequest{})
			var unsavable *client.UnsavableError
			require.ErrorAs(t, err, &unsavable)
			require.ErrorContains(t, err, "was not used")
			require.ErrorContains(t, err, path)
			require.NotContains(t, err.Error(), token.Reveal())
			require.Zero(t, uses.Swap(0))
			_, err = h.Derive(t.Context(), client.DeriveRequest{})
			require.ErrorAs(t, err, &unsavable)
			for _, fixed := range []mytoken.Secret{plain, s.short(plain)} {
				h = s.client.NewHolder(client.NewFileStore(place(t, fixed)))
				for range 2 {
					_, err = h.AccessToken(t.Context(), client.AccessTokenRequest{})
					require.NoError(t, err)
				}
				require.EqualValues(t, 2, uses.Swap(0))
			}
			// A short token does not tell that it rotates. The server does.
			h = s.client.NewHolder(client.NewFileStore(place(t, s.short(s.token(mytoken.Properties{Rotation: rotating})))))
			_, err = h.AccessToken(t.Context(), client.AccessTokenRequest{})
			require.ErrorAs(t, err, &unsavable)
			require.Zero(t, uses.Swap(0))
		})
	}
	require.EqualValues(t, 1, s.generation(client.NewMemoryStore(token)))
}

// Two processes use one rotating token through mounts of their own, as two containers do.
//
// proves P8
func TestProcessesShareAMountedToken(t *testing.T) {
	s := start(t, nil)
	one, host := mountedToken(t, s.token(mytoken.Properties{Rotation: rotating}), 0)
	two := filepath.Join(t.TempDir(), "token")
	ownfiletest.Mount(t, host, two, 0)
	var users []*process
	const uses = "60"
	for _, path := range []string{one, two} {
		users = append(users, startOther(t, "user", envIssuer+"="+s.URL, envPath+"="+path, envCount+"="+uses))
	}
	for _, user := range users {
		require.NoError(t, <-user.ended, "%s", &user.stderr)
	}
	require.EqualValues(t, 1+2*60, s.generation(client.NewFileStore(host)))
}

// A process is killed while it uses a mounted rotating token. The next process continues.
//
// proves P8
func TestUserOfMountedTokenKilled(t *testing.T) {
	s := start(t, nil)
	path, _ := mountedToken(t, s.token(mytoken.Properties{Rotation: rotating}), 0)
	h := s.client.NewHolder(client.NewFileStore(path))
	for round := range 8 {
		user := startOther(t, "user", envIssuer+"="+s.URL, envPath+"="+path, envCount+"=1000000")
		for range 1 + round%4 {
			awaitChange(t, path, user)
		}
		user.kill(t)
		_, err := h.AccessToken(t.Context(), client.AccessTokenRequest{})
		require.NoError(t, err, "round %d, %s", round, &user.stderr)
	}
	require.Greater(t, s.generation(client.NewFileStore(path)), uint64(8))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), "\n"), "no traces of a killed process are left")
}

// A keeper keeps a file that is mounted alone. At the end it empties the file, which counts
// as none.
func TestKeeperOfAMountedFile(t *testing.T) {
	path, host := mountedToken(t, mytoken.Secret{}, 0)
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		f.answer = func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { answer(w, 200, f.accessToken()) }
		k := keep(t, f, path, nil)
		k.watch(3*time.Hour, func(left time.Duration, ok bool) {
			require.True(t, ok)
			require.GreaterOrEqual(t, left, 5*time.Minute-10*time.Second)
		})
		k.stop()
		require.NoError(t, <-k.ended)
	})
	text, err := os.ReadFile(host)
	require.NoError(t, err)
	require.Empty(t, text)
}

// A process was killed in the middle of a write in place. Others read the old token or the
// new one from its file.
func TestInterruptedWriteIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	for text, want := range map[string]string{
		"old-token\n\n\n#replaced by sha256:0123": "old-token",
		"old-token\n\n#repl":                      "old-token",
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		token, err := client.NewFileStore(path).Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, token.Reveal())
	}
}
