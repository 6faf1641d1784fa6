package dbtest

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// NewMariaDB starts a MariaDB server for one test, which may change its settings, and
// kills it at the end. It returns a DSN without a database. root has no password. more
// are options of the server. NewMariaDB skips the test, or fails it, if no server is
// installed; see [Missing].
func NewMariaDB(t testing.TB, more ...string) string {
	t.Helper()
	server, err := exec.LookPath("mariadbd")
	if err != nil {
		Missing(t, "a MariaDB server that can be started", "PATH", err)
	}
	dir, err := os.MkdirTemp("", "mariadb") // another user must find it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	data, socket := filepath.Join(dir, "data"), filepath.Join(dir, "socket")
	// A server that starts removes the temporary tables that it finds: those of others, if
	// they share the directory.
	temporary := "--tmpdir=" + dir
	install := exec.CommandContext(t.Context(), "mariadb-install-db", "--no-defaults", "--datadir="+data, temporary,
		"--auth-root-authentication-method=normal", "--skip-test-db")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("mariadb-install-db: %v\n%s", err, out)
	}
	options := append([]string{
		"--no-defaults", "--datadir=" + data, temporary, "--socket=" + socket, "--pid-file=" + filepath.Join(dir, "pid"), "--skip-networking",
		"--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=2",
	}, more...)
	if os.Geteuid() == 0 { // the server refuses to be root
		options = append(options, "--user=mysql")
		giveTo(t, "mysql", dir)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), server, options...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails only if it has ended
		<-ended
	})
	dsn := "root@unix(" + socket + ")/"
	awaitMariaDB(t, dsn, log.Name(), ended)
	return dsn
}

// awaitMariaDB returns when the server accepts connections.
func awaitMariaDB(t testing.TB, dsn, log string, ended chan error) {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for begin := time.Now(); db.PingContext(t.Context()) != nil; {
		select {
		case err = <-ended:
			ended <- err
		case <-time.After(50 * time.Millisecond):
			if time.Since(begin) < 2*time.Minute {
				continue
			}
		}
		text, _ := os.ReadFile(log)
		t.Fatalf("the server does not start: %v\n%s", err, text)
	}
}

// giveTo makes a user the owner of everything in a directory.
func giveTo(t testing.TB, name, dir string) {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Skipf("SKIPPED: a server cannot be started by root: %v", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	err = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err == nil {
			err = os.Lchown(path, uid, gid)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
