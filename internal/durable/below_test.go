package durable_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/durable"
)

// WriteBelow makes folders and whole files, and RemoveBelow removes files.
func TestBelow(t *testing.T) {
	path := t.TempDir()
	dir, err := os.OpenRoot(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = dir.Close() })
	for _, content := range []string{"one", "two"} {
		require.NoError(t, durable.WriteBelow(dir, "a/b/file", []byte(content)))
		data, err := os.ReadFile(filepath.Join(path, "a", "b", "file"))
		require.NoError(t, err)
		require.Equal(t, content, string(data))
	}
	require.Equal(t, []string{"file"}, names(t, filepath.Join(path, "a", "b")))
	require.NoError(t, durable.WriteBelow(dir, "top", nil))
	for range 2 {
		require.NoError(t, durable.RemoveBelow(dir, "a/b/file"))
		require.NoError(t, durable.RemoveBelow(dir, "top"))
		require.NoError(t, durable.RemoveBelow(dir, "none/file"))
	}
	require.Equal(t, []string{"a"}, names(t, path))
	require.Empty(t, names(t, filepath.Join(path, "a", "b")))
	require.Error(t, durable.WriteBelow(dir, "a", nil), "it is a folder")
}

// Nothing leads out of the directory.
func TestBelowStaysInside(t *testing.T) {
	outside := t.TempDir()
	leave(t, filepath.Join(outside, "file"), "outside", 0)
	path := filepath.Join(outside, "inside")
	require.NoError(t, os.Mkdir(path, 0o700))
	dir, err := os.OpenRoot(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = dir.Close() })
	bad := []string{"../file", "a/../../file", "/file", "", ".", "..", "a//b", "a/"}
	if runtime.GOOS != "windows" {
		require.NoError(t, os.Symlink(outside, filepath.Join(path, "link")))
		require.NoError(t, os.Symlink("..", filepath.Join(path, "up")))
		bad = append(bad, "link/file", "up/file", "link/new/file", "up/new/file")
	}
	for _, name := range bad {
		require.Error(t, durable.WriteBelow(dir, name, []byte("x")), name)
		require.Error(t, durable.RemoveBelow(dir, name), name)
	}
	require.ErrorIs(t, durable.WriteBelow(dir, "../file", nil), fs.ErrInvalid)
	data, err := os.ReadFile(filepath.Join(outside, "file"))
	require.NoError(t, err)
	require.Equal(t, "outside", string(data))
	require.ElementsMatch(t, []string{"file", "inside"}, names(t, outside))
}
