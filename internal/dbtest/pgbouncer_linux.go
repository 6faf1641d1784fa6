package dbtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// NewPgBouncer starts PgBouncer in transaction mode in front of the server that a DSN
// names, and stops it at the end of the test. It returns a DSN that leads through it. It
// skips the test, or fails it, if PgBouncer is not installed; see [Missing].
func NewPgBouncer(t testing.TB, dsn string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		Missing(t, "PgBouncer", "PATH", err)
	}
	server, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "pgbouncer") // another user must find it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	config, users := filepath.Join(dir, "pgbouncer.ini"), filepath.Join(dir, "users")
	user := server.User.Username()
	password, _ := server.User.Password()
	text := fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
pool_mode = transaction
default_pool_size = 8
max_client_conn = 200
auth_type = trust
auth_file = %s
unix_socket_dir = %s
listen_port = %s
logfile = %s
`, server.Hostname(), server.Port(), users, dir, port, filepath.Join(dir, "log"))
	for file, text := range map[string]string{config: text, users: fmt.Sprintf("%q %q\n", user, password)} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, config)
	if os.Geteuid() == 0 { // it refuses to be root
		cmd.SysProcAttr = asPostgres(t, dir)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails only if it has ended
		_ = cmd.Wait()         // reports the kill
	})
	for begin := time.Now(); ; <-time.After(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, ".s.PGSQL."+port)); err == nil {
			break
		}
		if time.Since(begin) > time.Minute {
			said, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("PgBouncer does not start:\n%s", said)
		}
	}
	return "postgres://" + url.UserPassword(user, password).String() + "@" + server.EscapedPath() + "?" +
		url.Values{"host": {dir}, "port": {port}, "sslmode": {"disable"}}.Encode()
}
