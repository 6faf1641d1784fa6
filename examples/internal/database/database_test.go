package database

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store/sqlstore"
)

// The store works in a file of any name. Only the owner can read that file and those that
// SQLite puts beside it.
func TestSQLite(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"plain.db", "with space.db", "100%.db", "a+b#c.db"} {
		file := filepath.Join(dir, name)
		db, dialect, err := Open(file, "")
		require.NoError(t, err)
		require.NoError(t, sqlstore.Migrate(t.Context(), db, dialect, sqlstore.Options{}), name)
		_, err = sqlstore.New(t.Context(), db, dialect, sqlstore.Options{})
		require.NoError(t, err, name)
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.NotZero(t, info.Size(), name)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			info, err := e.Info()
			require.NoError(t, err)
			if runtime.GOOS != "windows" {
				assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), e.Name())
			}
		}
		require.NoError(t, db.Close())
	}
	_, _, err := Open(filepath.Join(dir, "none", "x.db"), "")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestDSN(t *testing.T) {
	for dsn, want := range map[string]sqlstore.Dialect{
		"postgres://user:hunter2@host/database":          sqlstore.PostgreSQL,
		"postgresql://host/database?sslmode=disable":     sqlstore.PostgreSQL,
		"user:hunter2@tcp(host:3306)/database":           sqlstore.MySQL,
		"user:hunter2/slash@unix(/run/db.sock)/database": sqlstore.MySQL,
	} {
		db, dialect, err := Open("unused", dsn)
		require.NoError(t, err, dsn)
		assert.Equal(t, want, dialect, dsn)
		assert.NoError(t, db.Close())
	}
	for _, dsn := range []string{
		"hunter2", "user:hunter2@tcp(host)/", "user:hunter2/database", "user:hunter2@tcp(host", "user:hunter2@host/database",
		"postgres://user:hunter2/x@host/database", "postgres://user:hunter2@host:port/database", "postgres://user:hunter2%zz@host/database",
		"mysql://user:hunter2@host/database", "host=host password=hunter2",
	} {
		_, _, err := Open("unused", dsn)
		require.ErrorContains(t, err, "database: the DSN is ", dsn)
		assert.NotContains(t, err.Error(), "hunter")
	}
}
