package sqlstore_test

import (
	"net/url"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store/sqlstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// with returns the site with settings for each session of the store.
func (s site) with(t testing.TB, settings map[string]string) site {
	t.Helper()
	switch s.dialect {
	case sqlstore.PostgreSQL:
		return site{name: s.name, dialect: s.dialect, opts: s.opts, address: s.address, conns: s.conns, connector: postgreSQLAt(t, s.address, settings).connector}
	case sqlstore.MySQL:
		q := url.Values{}
		for name, value := range settings {
			q.Set(name, value)
		}
		s.connector = byName{mysql.MySQLDriver{}, s.address + "&" + q.Encode()}
		return s
	}
	dsn := dbtest.SQLite(s.address)
	for name, value := range settings {
		dsn += "&" + url.Values{"_pragma": {name + "(" + value + ")"}}.Encode()
	}
	s.connector = byName{&sqlite.Driver{}, dsn}
	return s
}

// New refuses settings with which a step would lose or change what it writes, and names
// them.
//
// proves P3
func TestUnsuitableSettings(t *testing.T) {
	for _, c := range []struct {
		create      func(testing.TB) site
		name, value string
		want        error
	}{
		{newMySQL, "sql_mode", "'EMPTY_STRING_IS_NULL'", sqlstore.ErrSetting},
		{newMySQL, "sql_mode", "'STRICT_TRANS_TABLES,EMPTY_STRING_IS_NULL,NO_ENGINE_SUBSTITUTION'", sqlstore.ErrSetting},
		{newMySQL, "sql_select_limit", "1", sqlstore.ErrSetting},
		{newMySQL, "sql_big_selects", "0", sqlstore.ErrSetting},
		{newMySQL, "autocommit", "0", sqlstore.ErrUnsafe},
		{newMySQL, "completion_type", "'CHAIN'", sqlstore.ErrUnsafe},
		{newMySQL, "unique_checks", "0", sqlstore.ErrUnsafe},
		{newSQLite, "journal_mode", "OFF", sqlstore.ErrUnsafe},
		{newSQLite, "journal_mode", "MEMORY", sqlstore.ErrUnsafe},
		{newSQLite, "synchronous", "NORMAL", sqlstore.ErrUnsafe},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			t.Parallel()
			s := c.create(t)
			if s.dialect == sqlstore.SQLite {
				s.connector = byName{&sqlite.Driver{}, "file:" + s.address}
			}
			db := s.migrate(t)
			require.NoError(t, db.Close())
			odd := s.with(t, map[string]string{c.name: c.value})
			if c.name == "journal_mode" { // the one of the file is not WAL here
				odd.connector = byName{&sqlite.Driver{}, "file:" + s.address + "?_pragma=synchronous(FULL)&_pragma=journal_mode(" + c.value + ")"}
			}
			_, err := sqlstore.New(t.Context(), odd.connect(t), s.dialect, s.opts)
			require.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, c.name)
		})
	}
}

// New refuses a table without transactions, and names it.
//
// proves P3
func TestTablesWithoutTransactions(t *testing.T) {
	t.Parallel()
	s := newMySQL(t)
	db := s.migrate(t)
	for i, table := range sqlstore.Tables {
		engine := []string{"MyISAM", "Aria"}[i%2]
		s.run(t, db, "ALTER TABLE "+s.table(table)+" ENGINE="+engine)
		_, err := sqlstore.New(t.Context(), s.connect(t), s.dialect, s.opts)
		require.ErrorIs(t, err, sqlstore.ErrUnsafe, table)
		assert.ErrorContains(t, err, engine+" ("+s.table(table)+")")
		s.run(t, db, "ALTER TABLE "+s.table(table)+" ENGINE=InnoDB")
	}
	s.open(t)
}

// The store fulfils its contract with other settings of the session that change what SQL
// means. TestMariaDBWithOddSettings does the same.
//
// proves P3, P4, P5, P8
func TestStoreWithOddSettings(t *testing.T) {
	contractElsewhere(t)
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		testOddSettings(t, newPostgreSQL, map[string]string{
			"standard_conforming_strings": "off", "transform_null_equals": "on", "DateStyle": "German", "bytea_output": "escape", "escape_string_warning": "off",
			"array_nulls": "off", "client_min_messages": "debug1", "default_transaction_deferrable": "on", "quote_all_identifiers": "on", "plan_cache_mode": "force_generic_plan",
		})
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		testOddSettings(t, newSQLite, map[string]string{
			"reverse_unordered_selects": "1", "recursive_triggers": "1", "foreign_keys": "1", "case_sensitive_like": "1",
			"cell_size_check": "1", "full_column_names": "1", "busy_timeout": "0",
		})
	})
}

func testOddSettings(t *testing.T, create func(testing.TB) site, settings map[string]string) {
	databases := &shelf{t: t, create: create, through: func(s site) site { return s.with(t, settings) }}
	storetest.Run(t, databases.harness(rounds(1)))
}
