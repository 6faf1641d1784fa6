//go:build unix

package durable

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// killAt makes this binary a process that writes a file in place and kills itself in the
// middle of the operation with this number.
const killAt = "DURABLE_TEST_KILL_AT"

func TestMain(m *testing.M) {
	at, err := strconv.Atoi(os.Getenv(killAt))
	if err != nil {
		os.Exit(m.Run())
	}
	if err := writeAndDie(os.Args[1], os.Args[2], at); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func writeAndDie(path, text string, at int) error {
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	die := func() bool { at--; return at == 0 }
	kill := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL); select {} }
	d := osDisk
	d.mounted = func(*os.Root, string) bool { return true }
	d.writeAt = func(f *os.File, data []byte, at int64) error {
		if die() {
			_ = writeAt(f, data[:len(data)/2], at)
			kill()
		}
		return writeAt(f, data, at)
	}
	d.sync = func(f *os.File) error {
		if die() {
			kill()
		}
		return f.Sync()
	}
	d.truncate = func(f *os.File, size int64) error {
		if die() {
			kill()
		}
		return f.Truncate(size)
	}
	return d.update(dir, filepath.Base(path), []byte(text), anyFile)
}

// A process is killed with SIGKILL while it writes a file in place, in each operation in
// turn. The file has the old content or the new one, and from some instant on the new one.
// The next process continues.
//
// proves P5
func TestKilledDuringWriteInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	old := "the user wrote this without a newline"
	require.NoError(t, os.WriteFile(path, []byte(old), 0o600))
	write := func(text string, at int) (killed bool) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], path, text)
		cmd.Env = append(os.Environ(), killAt+"="+strconv.Itoa(at))
		out, err := cmd.CombinedOutput()
		if err != nil {
			require.EqualError(t, err, "signal: killed", "%s", out)
		}
		return err != nil
	}
	var outcomes string
	for at := 1; ; at++ {
		text := strings.Repeat(fmt.Sprint("generation-", at, "-"), 100+at%2) + "\n"
		killed := write(text, at)
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		switch got := strings.TrimSpace(string(Newest(raw))); got {
		case strings.TrimSpace(old):
			outcomes += "o"
		case strings.TrimSpace(text):
			outcomes += "n"
		default:
			require.Fail(t, "neither content", "operation %d: %.200q", at, raw)
		}
		if !killed {
			require.Equal(t, text, string(raw))
			break
		}
		old = fmt.Sprint("between-", at, "\n")
		require.False(t, write(old, 0))
		raw, err = os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, old, string(raw), "the next process leaves the file clean")
	}
	require.Regexp(t, "^o+n{4,}$", outcomes)
}
