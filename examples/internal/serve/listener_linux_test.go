package serve

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNobodyConnectsDuringClose: while a TCP listener is being closed, nobody connects any
// more: the shutdown would reset the connection. Those who have connected are accepted.
func TestNobodyConnectsDuringClose(t *testing.T) {
	l, err := Listen("127.0.0.1:0", "", "")
	require.NoError(t, err)
	before, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer before.Close()
	raw, err := l.(*listener).Listener.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { refuseNew(int(fd)) }))
	_, err = net.DialTimeout("tcp", l.Addr().String(), 50*time.Millisecond)
	failed, ok := errors.AsType[net.Error](err)
	require.True(t, ok && failed.Timeout(), "%v", err)
	require.NoError(t, l.Close())
	accepted, err := l.Accept()
	require.NoError(t, err)
	assert.Equal(t, before.LocalAddr().String(), accepted.RemoteAddr().String())
	accepted.Close()
}
