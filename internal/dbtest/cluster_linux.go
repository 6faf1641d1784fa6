package dbtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Cluster is a PostgreSQL server for one test, which may crash it.
type Cluster struct {
	t    testing.TB
	bin  string
	dir  string
	data string
	as   *syscall.SysProcAttr
}

// NewCluster starts a server and stops it at the end of the test. prepare sets up the
// directory for the data, for example with a small file system. NewCluster skips the
// test, or fails it, if no server is installed; see [Missing].
func NewCluster(t testing.TB, prepare func(dir string)) *Cluster {
	t.Helper()
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(bins) == 0 {
		Missing(t, "a PostgreSQL server that can be started", "PATH", errors.New("no initdb in /usr/lib/postgresql"))
	}
	dir, err := os.MkdirTemp("", "cluster")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := &Cluster{t: t, bin: filepath.Dir(slices.Max(bins)), dir: dir, data: filepath.Join(dir, "small", "data")}
	small := filepath.Dir(c.data)
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	prepare(small)
	if os.Geteuid() == 0 { // the server refuses to be root
		c.as = asPostgres(t, dir, small)
	}
	c.run("initdb", "-D", c.data, "-X", filepath.Join(dir, "wal"), "-A", "trust", "-U", "postgres", "--no-sync", "--wal-segsize=1")
	c.Start()
	t.Cleanup(func() {
		if _, err := os.Stat(filepath.Join(c.data, "postmaster.pid")); err == nil {
			c.Stop()
		}
	})
	return c
}

// DSN returns the DSN of the server. It names a Unix socket in the server's directory,
// because another program could take a TCP port while the server is down.
func (c *Cluster) DSN() string {
	return "postgres://postgres@/postgres?" + url.Values{"host": {c.dir}, "port": {port}, "sslmode": {"disable"}}.Encode()
}

// port is part of the name of the socket.
const port = "5432"

// Start starts the server after Stop.
func (c *Cluster) Start() {
	c.t.Helper()
	c.run("pg_ctl", "start", "-w", "-t", patience, "-D", c.data, "-l", filepath.Join(c.dir, "log"),
		"-o", fmt.Sprintf("-p %s -c listen_addresses= -c unix_socket_directories=%s -c shared_buffers=16MB", port, c.dir))
}

// Stop ends the server abruptly, like a crash.
func (c *Cluster) Stop() {
	c.t.Helper()
	c.run("pg_ctl", "stop", "-w", "-t", patience, "-m", "immediate", "-D", c.data)
}

// Crash ends the server abruptly, like a crash, and starts it again.
func (c *Cluster) Crash() {
	c.t.Helper()
	c.run("pg_ctl", "restart", "-w", "-t", patience, "-m", "immediate", "-D", c.data)
}

// asPostgres makes the user postgres the owner of the directories. It returns the
// attributes of a process that runs as that user.
func asPostgres(t testing.TB, dirs ...string) *syscall.SysProcAttr {
	t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Skipf("SKIPPED: a PostgreSQL server cannot be started by root: %v", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	for _, dir := range dirs {
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

func (c *Cluster) run(name string, args ...string) {
	c.t.Helper()
	if err := c.try(name, args...); err != nil {
		c.t.Fatal(err)
	}
}

// patience is how many seconds a server may take to start or to stop.
const patience = "300"

func (c *Cluster) try(name string, args ...string) error {
	cmd := exec.CommandContext(context.WithoutCancel(c.t.Context()), filepath.Join(c.bin, name), args...)
	cmd.SysProcAttr = c.as
	cmd.Dir = os.TempDir()
	var out strings.Builder
	// A server inherits the output, which must be a file or nothing.
	if name != "pg_ctl" {
		cmd.Stdout, cmd.Stderr = &out, &out
	}
	if err := cmd.Run(); err != nil {
		log, _ := os.ReadFile(filepath.Join(c.dir, "log")) // it exists if the server ever started
		return fmt.Errorf("%s: %w\n%s%s", name, err, out.String(), log)
	}
	return nil
}
