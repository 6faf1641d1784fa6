package durable_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/durable"
)

// Whoever reads while the file is replaced gets the old content or the new one.
func TestReadersSeeWholeFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open cannot be replaced")
	}
	path := filepath.Join(t.TempDir(), "file")
	contents := [][]byte{bytes.Repeat([]byte("a"), 1<<16), bytes.Repeat([]byte("b"), 1<<15)}
	require.NoError(t, durable.Write(path, contents[0]))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			text, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(text, contents[0]) && !bytes.Equal(text, contents[1]) {
				t.Errorf("%d bytes, %v", len(text), err)
				return
			}
		}
	})
	for i := range 200 {
		require.NoError(t, durable.Replace(path, contents[i%2]))
	}
	close(stop)
	readers.Wait()
}

// What fails leaves the old file, and nothing else.
func TestReplaceFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	require.NoError(t, os.MkdirAll(filepath.Join(path, "inside"), 0o700)) // cannot be replaced by a file
	require.Error(t, durable.Write(path, []byte("x")))
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, names, 1)
	err = durable.Write(filepath.Join(dir, "none", "file"), []byte("x"))
	require.True(t, errors.Is(err, fs.ErrNotExist), "%v", err)
}
