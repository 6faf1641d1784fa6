package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A write syncs the content before it gives the file its name, and syncs the directory
// last. If a step fails, the write takes no later step and leaves no temporary file.
//
// proves P5
func TestWriteTakesItsStepsInOrder(t *testing.T) {
	broken := errors.New("the disk is broken")
	for _, failing := range []string{"", "sync", "rename", "syncDir"} {
		t.Run(failing, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			root, err := os.OpenRoot(dir)
			require.NoError(t, err)
			defer root.Close()
			require.NoError(t, Write(root, "file", []byte("old")))
			var steps []string
			step := func(name string, do func() error) error {
				steps = append(steps, name)
				if name == failing {
					return broken
				}
				return do()
			}
			content := func() string {
				data, err := os.ReadFile(path)
				require.NoError(t, err)
				return string(data)
			}
			watched := disk{
				sync: func(f *os.File) error {
					data, err := os.ReadFile(f.Name())
					require.NoError(t, err)
					require.Equal(t, "new", string(data), "all of it is written before it is synced")
					require.Equal(t, "old", content())
					return step("sync", f.Sync)
				},
				rename: func(dir *os.Root, from, to string) error {
					return step("rename", func() error { return dir.Rename(from, to) })
				},
				syncDir: func(dir *os.Root) error { return step("syncDir", func() error { return syncRoot(dir) }) },
			}
			err = watched.write(root, "file", []byte("new"), anyFile)
			names, readErr := os.ReadDir(dir)
			require.NoError(t, readErr)
			require.Len(t, names, 1)
			all := []string{"sync", "rename", "syncDir"}
			switch failing {
			case "":
				require.NoError(t, err)
				require.Equal(t, all, steps)
				require.Equal(t, "new", content())
			case "syncDir":
				require.ErrorIs(t, err, broken)
				require.Equal(t, all, steps)
				require.Equal(t, "new", content())
			default:
				require.ErrorIs(t, err, broken)
				require.Equal(t, failing, steps[len(steps)-1])
				require.Equal(t, "old", content())
			}
		})
	}
}

// Only names that a write has made count as temporary.
func TestTarget(t *testing.T) {
	for name, want := range map[string]string{
		".file.123.tmp": "file", ".a.b.123.tmp": "a.b", ".file..tmp": "file",
		"file.123.tmp": "", ".file.123": "", ".file.tmp": "", "..tmp": "", ".tmp": "", "..123.tmp": "", "": "",
	} {
		got, ok := target(name)
		require.Equal(t, want, got, name)
		require.Equal(t, want != "", ok, name)
	}
	name, ok := target(temporary("a.refresh", "7"))
	require.True(t, ok)
	require.Equal(t, "a.refresh", name)
}
