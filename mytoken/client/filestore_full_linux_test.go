package client_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/ownfile/ownfiletest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
)

// On a full disk, the successor of a rotating token could not be kept. The holder does not
// use the token, whether the file would be replaced or written in place. With space, it
// does.
//
// proves P8
func TestFullDisk(t *testing.T) {
	var uses atomic.Int32
	s := start(t, counted(&uses))
	disk := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.Mkdir(disk, 0o700))
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("SKIPPED: no small file system can be mounted here (%v); TestUpdatable of internal/durable tests the same with injected faults", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	replaced, mounted := filepath.Join(disk, "replaced"), filepath.Join(t.TempDir(), "mounted")
	for _, path := range []string{replaced, filepath.Join(disk, "file")} {
		token := s.token(mytoken.Properties{Rotation: rotating})
		require.NoError(t, os.WriteFile(path, []byte(token.Reveal()), 0o600))
	}
	ownfiletest.Mount(t, filepath.Join(disk, "file"), mounted, 0)
	filler := filepath.Join(disk, "filler")
	err := os.WriteFile(filler, []byte(strings.Repeat("x", 1<<20)), 0o600)
	require.True(t, errors.Is(err, syscall.ENOSPC), "%v", err)
	for _, path := range []string{replaced, mounted} {
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		h := s.client.NewHolder(client.NewFileStore(path))
		_, err = h.AccessToken(t.Context(), client.AccessTokenRequest{})
		require.ErrorAs(t, err, new(*client.UnsavableError))
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.Zero(t, uses.Load())
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, before, after)
	}
	require.NoError(t, os.Remove(filler))
	for _, path := range []string{replaced, mounted} {
		store := client.NewFileStore(path)
		_, err := s.client.NewHolder(store).AccessToken(t.Context(), client.AccessTokenRequest{})
		require.NoError(t, err)
		require.EqualValues(t, 2, s.generation(store))
	}
}
