package bearer_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/ownfile/ownfiletest"
	"github.com/mytoken-go/sdk/internal/redact"
	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

// A program of another user than root runs this binary with this variable. It writes a
// token where Path says, and finds it.
const strangerVariable = "BEARER_TEST_STRANGER"

func TestMain(m *testing.M) {
	if os.Getenv(strangerVariable) == "" {
		os.Exit(m.Run())
	}
	if err := errors.Join(ownfiletest.Become(), beStranger()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func beStranger() error {
	found, err := bearer.Discover()
	if err == nil {
		fmt.Println("found", found.Token.Reveal())
	} else if !errors.Is(err, bearer.ErrNotFound) {
		return err
	}
	path, err := bearer.Path()
	if err != nil {
		return err
	}
	fmt.Println(path)
	if err := errors.Join(bearer.CheckWritable(path), bearer.Write(path, redact.New("a-token"))); err != nil {
		return err
	}
	if found, err = bearer.Discover(); err != nil || found.Path != path {
		return fmt.Errorf("found %+v, %w", found, err)
	}
	return bearer.Remove(path, redact.New("a-token"))
}

// The last place is in /tmp, whatever TMPDIR says. The directory of another user in
// XDG_RUNTIME_DIR, or a missing one, is passed over in writing and in reading.
func TestPlacesOfAnotherUser(t *testing.T) {
	last := "/tmp/bt_u" + strconv.Itoa(ownfiletest.Stranger)
	if _, err := os.Lstat(last); !errors.Is(err, fs.ErrNotExist) {
		t.Skip("SKIPPED: somebody uses " + last)
	}
	folder := ownfiletest.Folder(t)
	name := filepath.Base(last)
	directory := func(name string, owner int, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.Mkdir(path, 0o700))
		require.NoError(t, os.Chown(path, owner, owner))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	file := func(path string, owner int, mode os.FileMode) string {
		require.NoError(t, os.WriteFile(path, []byte("planted"), 0o600))
		require.NoError(t, os.Chown(path, owner, owner))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	own, closed := directory("own", ownfiletest.Stranger, 0o700), directory("closed", 54321, 0o700)
	ofRoot, sticky := directory("root", 0, 0o755), directory("sticky", 54321, 0o777|os.ModeSticky)
	file(filepath.Join(sticky, name), ownfiletest.Stranger, 0o600)
	file(filepath.Join(closed, name), 54321, 0o600)
	for _, c := range []struct{ variable, value, want string }{
		{"TMPDIR", own, last},
		{bearer.EnvRuntimeDir, own, filepath.Join(own, name)},
		{bearer.EnvRuntimeDir, closed, last},
		{bearer.EnvRuntimeDir, filepath.Join(closed, "inside"), last},
		{bearer.EnvRuntimeDir, sticky, last},
		{bearer.EnvRuntimeDir, ofRoot, last},
		{bearer.EnvRuntimeDir, filepath.Join(folder, "none"), last},
		{bearer.EnvRuntimeDir, filepath.Join(own, name), last}, // not a directory
		{bearer.EnvRuntimeDir, ".", last},
		{bearer.EnvFile, file(filepath.Join(own, "named"), ownfiletest.Stranger, 0o600), "found planted\n" + filepath.Join(own, "named")},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Dir = folder
		for _, v := range os.Environ() {
			if name, _, _ := strings.Cut(v, "="); name != bearer.EnvToken && name != bearer.EnvFile && name != bearer.EnvRuntimeDir && name != "TMPDIR" {
				cmd.Env = append(cmd.Env, v)
			}
		}
		cmd.Env = append(cmd.Env, strangerVariable+"=yes", c.variable+"="+c.value)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s=%s: %s", c.variable, c.value, out)
		require.Equal(t, c.want+"\n", string(out), "%s=%s", c.variable, c.value)
		require.NoFileExists(t, c.want)
	}
}

// A file that cannot be read does not end the search. If there is no other, the error says
// so.
func TestUnreadableFile(t *testing.T) {
	dir := ownfiletest.Folder(t)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "closed"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "closed", "file"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600))
	newWorld(t)
	last := filepath.Join(dir, "last")
	require.NoError(t, os.Mkdir(last, 0o755))
	bearer.SetLastPlace(t, last)
	t.Setenv(bearer.EnvRuntimeDir, filepath.Join(dir, "closed"))
	for _, named := range []string{filepath.Join(dir, "closed", "file"), filepath.Join(dir, "file")} {
		t.Setenv(bearer.EnvFile, named)
		own := filepath.Join(last, "bt_u"+strconv.Itoa(ownfiletest.Stranger))
		ownfiletest.As(t, func() {
			_, err := bearer.Discover()
			require.ErrorIs(t, err, bearer.ErrNotFound)
			require.ErrorIs(t, err, fs.ErrPermission)
			require.ErrorContains(t, err, named)
			require.ErrorContains(t, err, bearer.EnvRuntimeDir)
		})
		require.NoError(t, os.WriteFile(own, []byte("mine"), 0o600))
		ownfiletest.GiveAway(t, own)
		ownfiletest.As(t, func() {
			found, err := bearer.Discover()
			require.NoError(t, err)
			require.Equal(t, "mine", found.Token.Reveal())
			require.Equal(t, own, found.Path)
		})
		require.NoError(t, os.Remove(own))
	}
}

// CheckWritable says what Write says. The directories and files of root are not the user's.
func TestCheckWritableAsAnotherUser(t *testing.T) {
	dir := ownfiletest.Folder(t)
	ofRoot, sticky, own := filepath.Join(dir, "root"), filepath.Join(dir, "sticky"), filepath.Join(dir, "own")
	for path, mode := range map[string]os.FileMode{ofRoot: 0o755, sticky: 0o777 | os.ModeSticky, own: 0o700} {
		require.NoError(t, os.Mkdir(path, 0o700))
		require.NoError(t, os.Chmod(path, mode))
	}
	ownfiletest.GiveAway(t, own)
	file := func(path string, owner int, mode os.FileMode) string {
		require.NoError(t, os.WriteFile(path, []byte("former"), 0o600))
		require.NoError(t, os.Chown(path, owner, owner))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	for path, want := range map[string]string{
		filepath.Join(ofRoot, "missing"):                                 "permission denied",
		file(filepath.Join(ofRoot, "of-root"), 0, 0o666):                 "belongs to root",
		file(filepath.Join(ofRoot, "own"), ownfiletest.Stranger, 0o600):  "",
		file(filepath.Join(ofRoot, "open"), ownfiletest.Stranger, 0o644): "chmod 600",
		file(filepath.Join(sticky, "of-root"), 0, 0o666):                 "belongs to root",
		filepath.Join(sticky, "missing"):                                 "",
		file(filepath.Join(own, "of-root"), 0, 0o600):                    "belongs to root",
		file(filepath.Join(own, "open"), ownfiletest.Stranger, 0o644):    "",
	} {
		ownfiletest.As(t, func() {
			check, write := bearer.CheckWritable(path), bearer.Write(path, redact.New("token"))
			if want != "" {
				require.ErrorContains(t, check, want, path)
				require.ErrorContains(t, write, want, path)
				return
			}
			require.NoError(t, check, path)
			require.NoError(t, write, path)
			token, err := bearer.Read(path)
			require.NoError(t, err)
			require.Equal(t, "token", token.Reveal())
			require.NoError(t, bearer.Remove(path, redact.New("token")))
			token, err = bearer.Read(path)
			require.True(t, errors.Is(err, fs.ErrNotExist) || err == nil && token.IsEmpty(), "%v", err)
		})
	}
}

// An access token file that is mounted alone is written and emptied in place.
func TestMountedFile(t *testing.T) {
	host, path := filepath.Join(t.TempDir(), "host"), filepath.Join(t.TempDir(), "bt")
	require.NoError(t, os.WriteFile(host, nil, 0o600))
	ownfiletest.Mount(t, host, path, 0)
	require.NoError(t, bearer.CheckWritable(path))
	for _, text := range []string{"a-long-token", "short", "longer-again"} {
		require.NoError(t, bearer.Write(path, redact.New(text)))
		for _, name := range []string{path, host} {
			token, err := bearer.Read(name)
			require.NoError(t, err)
			require.Equal(t, text, token.Reveal())
		}
	}
	require.NoError(t, bearer.Remove(path, redact.New("another")))
	require.NoError(t, bearer.Remove(path, redact.New("longer-again")))
	token, err := bearer.Read(host)
	require.NoError(t, err)
	require.True(t, token.IsEmpty(), "an empty file holds no token")
	names, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, names, 1)

	require.NoError(t, os.Chmod(host, 0o644))
	for _, err := range []error{bearer.CheckWritable(path), bearer.Write(path, redact.New("x"))} {
		ownfiletest.RequireUnsafe(t, err, "chmod 600")
	}
	fixed := filepath.Join(t.TempDir(), "fixed")
	require.NoError(t, os.Chmod(host, 0o600))
	ownfiletest.Mount(t, host, fixed, ownfiletest.ReadOnly)
	for _, err := range []error{bearer.CheckWritable(fixed), bearer.Write(fixed, redact.New("x"))} {
		require.ErrorContains(t, err, "read-only")
	}
}

// On a full disk, a longer token does not fit into a file that is written in place.
// Readers get the old token, and no part of the new one.
func TestWriteInPlaceOnFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("SKIPPED: no small file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	host, path := filepath.Join(disk, "file"), filepath.Join(t.TempDir(), "mounted")
	require.NoError(t, os.WriteFile(host, []byte("old-token\n"), 0o600))
	ownfiletest.Mount(t, host, path, 0)
	err := os.WriteFile(filepath.Join(disk, "filler"), make([]byte, 1<<20), 0o600)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorIs(t, bearer.Write(path, redact.New(strings.Repeat("new-token", 1000))), syscall.ENOSPC)
	found, err := bearer.Read(path)
	require.NoError(t, err)
	require.Equal(t, "old-token", found.Reveal())
}
