package bearer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/redact"
	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

// world is an environment with one file for each place.
type world struct {
	t                   *testing.T
	named, runtime, tmp string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Geteuid() < 0 {
		t.Skip("the system has no user ids")
	}
	w := &world{t: t}
	name := "bt_u" + strconv.Itoa(os.Geteuid())
	w.named = filepath.Join(t.TempDir(), "named")
	w.runtime, w.tmp = filepath.Join(t.TempDir(), name), filepath.Join(t.TempDir(), name)
	t.Setenv(bearer.EnvToken, "")
	t.Setenv(bearer.EnvFile, w.named)
	t.Setenv(bearer.EnvRuntimeDir, filepath.Dir(w.runtime))
	bearer.SetLastPlace(t, filepath.Dir(w.tmp))
	return w
}

// put writes a file.
func (w *world) put(path, text string) {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(path, []byte(text), 0o600))
}

// finds checks what Discover returns.
func (w *world) finds(token, path string) {
	w.t.Helper()
	got, err := bearer.Discover()
	require.NoError(w.t, err)
	require.Equal(w.t, token, got.Token.Reveal())
	require.Equal(w.t, path, got.Path)
}

// Discover looks at the places in order, and passes over empty and missing ones.
func TestDiscover(t *testing.T) {
	w := newWorld(t)
	_, err := bearer.Discover()
	require.ErrorIs(t, err, bearer.ErrNotFound)
	w.put(w.tmp, "in-tmp\n")
	w.finds("in-tmp", w.tmp)
	w.put(w.runtime, " \t\n\v\f\r")
	w.finds("in-tmp", w.tmp)
	w.put(w.runtime, "\f in-runtime\v\r\n")
	w.finds("in-runtime", w.runtime)
	w.put(w.named, "named==")
	w.finds("named==", w.named)
	t.Setenv(bearer.EnvToken, " \n")
	w.finds("named==", w.named)
	t.Setenv(bearer.EnvToken, " eyJ.eyJ.sig-_~+/ ")
	w.finds("eyJ.eyJ.sig-_~+/", "")
}

// Content that is not a token ends the search. The error does not show it.
func TestDiscoverMalformed(t *testing.T) {
	w := newWorld(t)
	w.put(w.tmp, "fine")
	for _, text := range []string{"planted token", "planted\x00", "pläntéd", "=", "planted=x", strings.Repeat("planted", 1<<18)} {
		w.put(w.named, text)
		_, err := bearer.Discover()
		require.ErrorIs(t, err, bearer.ErrMalformed, "%.20q", text)
		require.EqualError(t, err, "bearer: not a bearer token: the content of "+w.named)
		require.ErrorIs(t, bearer.Write(w.named, redact.New(text)), bearer.ErrMalformed)
	}
	t.Setenv(bearer.EnvToken, "not a token")
	_, err := bearer.Discover()
	require.ErrorIs(t, err, bearer.ErrMalformed)
	require.EqualError(t, err, "bearer: not a bearer token: the value of BEARER_TOKEN")
}

// In the temporary directory, a file must belong to the user.
func TestDiscoverUnsafe(t *testing.T) {
	w := newWorld(t)
	var unsafe *bearer.UnsafeError
	w.put(w.named+"-elsewhere", "elsewhere")
	require.NoError(t, os.Symlink(w.named+"-elsewhere", w.tmp))
	_, err := bearer.Discover()
	require.ErrorAs(t, err, &unsafe)
	require.ErrorAs(t, bearer.CheckWritable(w.tmp), &unsafe)
	require.ErrorAs(t, bearer.Write(w.tmp, redact.New("x")), &unsafe)
	require.NoError(t, bearer.Remove(w.tmp, redact.New("elsewhere")))
	require.FileExists(t, w.tmp)

	require.NoError(t, os.Remove(w.tmp))
	require.NoError(t, os.Mkdir(w.tmp, 0o700))
	_, err = bearer.Discover()
	require.ErrorAs(t, err, &unsafe)
	require.ErrorAs(t, bearer.CheckWritable(w.tmp), &unsafe)

	require.NoError(t, os.Remove(w.tmp))
	w.put(w.tmp, "x")
	require.NoError(t, os.Chmod(w.tmp, 0o622))
	_, err = bearer.Discover()
	require.ErrorAs(t, err, &unsafe)
	require.NoError(t, bearer.CheckWritable(w.tmp), "Write replaces it")

	// A file that the user names may be anything readable.
	require.NoError(t, os.Symlink(w.named+"-elsewhere", w.named))
	w.finds("elsewhere", w.named)
}

// The package neither reads nor replaces a file of another user.
func TestForeignFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	w := newWorld(t)
	w.put(w.tmp, "foreign")
	require.NoError(t, os.Chown(w.tmp, 12345, 12345))
	var unsafe *bearer.UnsafeError
	_, err := bearer.Discover()
	require.ErrorAs(t, err, &unsafe)
	require.Contains(t, err.Error(), "another user")
	require.ErrorAs(t, bearer.Write(w.tmp, redact.New("x")), &unsafe)
	require.NoError(t, bearer.Remove(w.tmp, redact.New("foreign")))
	require.FileExists(t, w.tmp)
}

// A written token is found. Only its owner can read it, and only its writer removes it.
func TestWrite(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ path, variable string }{{w.named, bearer.EnvFile}, {w.runtime, bearer.EnvRuntimeDir}, {w.tmp, "TMPDIR"}} {
		path := c.path
		expected, err := bearer.Path()
		require.NoError(t, err)
		require.Equal(t, path, expected)
		require.NoError(t, bearer.Write(path, redact.New("mine")))
		w.finds("mine", path)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.EqualValues(t, 0o600, info.Mode().Perm())
		require.NoError(t, bearer.Remove(path, redact.New("yours")))
		require.FileExists(t, path)
		require.NoError(t, bearer.Remove(path, redact.New("mine")))
		require.NoFileExists(t, path)
		require.NoError(t, bearer.Remove(path, redact.New("mine")))
		t.Setenv(c.variable, "") // the last one has no effect
	}
}

// How does a program find its access token?
func ExampleDiscover() {
	os.Setenv("BEARER_TOKEN", "an-access-token")
	defer os.Unsetenv("BEARER_TOKEN")
	found, err := bearer.Discover()
	if err != nil {
		panic(err)
	}
	fmt.Println("Authorization: Bearer", found.Token)
	// Output: Authorization: Bearer [redacted]
}

// Behind a symbolic link, ".." leads elsewhere than the text of the path says. Write
// writes the file that other programs read.
func TestWriteBehindLink(t *testing.T) {
	newWorld(t)
	dir := t.TempDir()
	for _, name := range []string{"a/b", "a/c", "c"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
	}
	require.NoError(t, os.Symlink(filepath.Join("a", "b"), filepath.Join(dir, "link")))
	t.Setenv(bearer.EnvFile, dir+"/link/../c/bt")
	path, err := bearer.Path()
	require.NoError(t, err)
	require.NoError(t, bearer.Write(path, redact.New("a-token")))
	require.FileExists(t, filepath.Join(dir, "a", "c", "bt"))
	require.NoFileExists(t, filepath.Join(dir, "c", "bt"))
	found, err := bearer.Discover()
	require.NoError(t, err)
	require.Equal(t, "a-token", found.Token.Reveal())
}
