package database

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mytoken-go/sdk/store/sqlstore"
)

// TestSQLite: whatever the name, the store finds what it needs, and nobody else
// can read the file or its companions.
func TestSQLite(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"plain.db", "with space.db", "100%.db", "a+b#c.db"} {
		file := filepath.Join(dir, name)
		db, dialect, err := Open(file, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := sqlstore.Migrate(t.Context(), db, dialect, sqlstore.Options{}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := sqlstore.New(t.Context(), db, dialect, sqlstore.Options{}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if info, err := os.Stat(file); err != nil || info.Size() == 0 {
			t.Errorf("%s was not used: %v", name, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := Open(filepath.Join(dir, "none", "x.db"), ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func TestDSN(t *testing.T) {
	for dsn, want := range map[string]sqlstore.Dialect{
		"postgres://user:hunter2@host/database":          sqlstore.PostgreSQL,
		"postgresql://host/database?sslmode=disable":     sqlstore.PostgreSQL,
		"user:hunter2@tcp(host:3306)/database":           sqlstore.MySQL,
		"user:hunter2/slash@unix(/run/db.sock)/database": sqlstore.MySQL,
	} {
		db, dialect, err := Open("unused", dsn)
		if err != nil || dialect != want {
			t.Errorf("%s: %v, %v", dsn, dialect, err)
			continue
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, dsn := range []string{
		"hunter2", "user:hunter2@tcp(host)/", "user:hunter2/database", "user:hunter2@tcp(host", "user:hunter2@host/database",
		"postgres://user:hunter2/x@host/database", "postgres://user:hunter2@host:port/database", "postgres://user:hunter2%zz@host/database",
		"mysql://user:hunter2@host/database", "host=host password=hunter2",
	} {
		if _, _, err := Open("unused", dsn); err == nil || !strings.HasPrefix(err.Error(), "database: the DSN is ") {
			t.Errorf("%s: %v", dsn, err)
		} else if strings.Contains(err.Error(), "hunter") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}
