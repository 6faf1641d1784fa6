package sshserve

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	_ "github.com/mytoken-go/sdk/internal/ownfile/ownfiletest" // sets the umask
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// TestClose: nobody comes in any more, although nobody waits yet.
func TestClose(t *testing.T) {
	d, err := Open(new(issuer.Issuer), "127.0.0.1:0", filepath.Join(t.TempDir(), "ssh-host-key"))
	require.NoError(t, err)
	failed := make(chan error, 1)
	d.Serve(nil, failed)
	address := d.listener.Addr().String()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	d.Close()
	assert.Eventually(t, func() bool {
		late, err := net.Dial("tcp", address)
		if err == nil {
			_ = late.Close()
		}
		return err != nil
	}, 5*time.Second, time.Millisecond)
	require.NoError(t, conn.Close())
	next := false
	require.NoError(t, d.Before(func(context.Context) error { next = true; return nil })(t.Context()))
	assert.True(t, next)
	assert.Empty(t, failed)
}

// TestNoDoor: without an address there is no SSH, and nothing to do.
func TestNoDoor(t *testing.T) {
	d, err := Open(nil, "", "")
	require.NoError(t, err)
	assert.Nil(t, d.Server())
	d.Serve(nil, nil)
	d.Close()
	require.NoError(t, d.Before(func(context.Context) error { return nil })(t.Context()))
}
