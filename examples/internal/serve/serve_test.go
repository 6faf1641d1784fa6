//go:build unix

package serve

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listeners are a TCP and a Unix address.
func listeners(t *testing.T) map[string]string {
	return map[string]string{"tcp": "127.0.0.1:0", "unix": "unix:" + filepath.Join(t.TempDir(), "s")}
}

// TestCloseLosesNoConnection: connections that nobody has accepted are accepted when the
// listener is closed. Without that, the operating system would reset them.
func TestCloseLosesNoConnection(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: other systems keep no order in which to close")
	}
	for network, address := range listeners(t) {
		l, err := Listen(address, "", "")
		require.NoError(t, err)
		const waiting = 50
		var clients []net.Conn
		for range waiting {
			conn, err := net.Dial(network, l.Addr().String())
			require.NoError(t, err)
			_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			require.NoError(t, err)
			clients = append(clients, conn)
		}
		require.NoError(t, l.Close())
		assert.ErrorIs(t, l.Close(), net.ErrClosed)
		s := New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
		assert.ErrorIs(t, s.Serve(l), net.ErrClosed)
		for n, conn := range clients {
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Errorf("%s: connection %d: %v", network, n, err)
				continue
			}
			assert.Equal(t, http.StatusTeapot, resp.StatusCode)
			conn.Close()
		}
		if _, err := net.Dial(network, l.Addr().String()); err == nil {
			t.Errorf("%s: still open", network)
		}
	}
}

// TestSocketFile: the owner and the group can connect. The file is gone after the end.
// Only a socket on which nobody listens is replaced.
func TestSocketFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	l, err := Listen("unix:"+path, "", "")
	require.NoError(t, err)
	info, err := os.Lstat(path)
	require.NoError(t, err)
	assert.Equal(t, os.ModeSocket|0o660, info.Mode())
	_, err = Listen("unix:"+path, "", "")
	assert.ErrorContains(t, err, "another process listens there")
	assert.FileExists(t, path)
	require.NoError(t, l.Close())
	_, err = os.Lstat(path)
	assert.ErrorIs(t, err, os.ErrNotExist)

	killed, err := net.Listen("unix", path)
	require.NoError(t, err)
	killed.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, killed.Close())
	l, err = Listen("unix:"+path, "", "")
	require.NoError(t, err)
	require.NoError(t, l.Close())

	for name, plant := range map[string]func(string) error{
		"file":      func(name string) error { return os.WriteFile(name, []byte("keep"), 0o600) },
		"directory": func(name string) error { return os.Mkdir(name, 0o700) },
		"link":      func(name string) error { return os.Symlink(filepath.Join(dir, "file"), name) },
		"pipe":      func(name string) error { return syscall.Mkfifo(name, 0o600) },
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, plant(path))
		if _, err := Listen("unix:"+path, "", ""); err == nil || !strings.Contains(err.Error(), "is no socket") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, address := range []string{"unix:", "unix:relative", "unix:@abstract", "unix:" + filepath.Join(dir, "none", "s"), "unix:" + filepath.Join(dir, strings.Repeat("x", 200))} {
		_, err := Listen(address, "", "")
		assert.Error(t, err, address)
	}
	_, err = Listen("unix:"+filepath.Join(dir, strings.Repeat("x", 200)), "", "")
	assert.ErrorContains(t, err, "too many for a socket")
	datagram, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "d"), Net: "unixgram"})
	require.NoError(t, err)
	defer datagram.Close()
	if _, err := Listen("unix:"+filepath.Join(dir, "d"), "", ""); err == nil || errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a socket of another type: %v", err)
	}
}

// TestOneHeir: of several processes that find a stale socket file at the same time, one
// gets the socket. The others say that it listens there.
func TestOneHeir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for range 50 {
		killed, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		require.NoError(t, err)
		killed.SetUnlinkOnClose(false)
		require.NoError(t, killed.Close())
		heirs := make(chan net.Listener, 8)
		var starts sync.WaitGroup
		for range cap(heirs) {
			starts.Go(func() {
				if l, err := Listen("unix:"+path, "", ""); err == nil {
					heirs <- l
				} else if !strings.Contains(err.Error(), "another process listens there") {
					t.Error(err)
				}
			})
		}
		starts.Wait()
		require.Len(t, heirs, 1)
		heir := <-heirs
		conn, err := net.Dial("unix", path)
		require.NoError(t, err)
		require.NoError(t, errors.Join(conn.Close(), heir.Close()))
	}
}

// TestFileOfASuccessor: closing a listener leaves a file alone that another one made
// after somebody had removed the first one.
func TestFileOfASuccessor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	former, err := Listen("unix:"+path, "", "")
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	successor, err := Listen("unix:"+path, "", "")
	require.NoError(t, err)
	require.NoError(t, former.Close())
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	require.NoError(t, errors.Join(conn.Close(), successor.Close()))
	assert.NoFileExists(t, path)
}
