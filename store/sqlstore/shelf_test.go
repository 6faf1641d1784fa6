package sqlstore_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// shelf keeps migrated databases of one engine, and handles to them. A test empties its
// database when it ends, and leaves it to the next one: to create and drop one takes longer
// than most tests do. The callers take turns.
type shelf struct {
	t      testing.TB // at its end the databases are dropped
	create func(t testing.TB) site
	// through, if set, returns how the handles reach a database.
	through func(s site) site
	free    []*shelved
}

// shelved is a database that tests use one after another.
type shelved struct {
	site
	db    *sql.DB
	nodes []*sqlstore.Store
}

// take returns an empty database until t ends, with that many handles. It also returns
// whether no test has had it yet.
func (s *shelf) take(t testing.TB, nodes int) (d *shelved, unused bool) {
	t.Helper()
	if n := len(s.free); n > 0 {
		d, s.free = s.free[n-1], s.free[:n-1]
	} else {
		d, unused = &shelved{site: s.create(s.t)}, true
		d.db = d.migrate(s.t)
	}
	t.Cleanup(func() {
		d.empty(t)
		s.free = append(s.free, d)
	})
	reached := d.site
	if s.through != nil {
		reached = s.through(reached)
	}
	for len(d.nodes) < nodes {
		d.nodes = append(d.nodes, reached.open(s.t))
	}
	return d, unused
}

// backend returns the database with these handles.
func (d *shelved) backend(nodes []store.Store) storetest.Backend {
	return storetest.Backend{Nodes: nodes, Dump: func(ctx context.Context) ([]byte, error) { return d.rows(ctx, d.db) }}
}

// empty deletes all rows.
func (d *shelved) empty(t testing.TB) {
	t.Helper()
	tx, err := d.db.Begin()
	require.NoError(t, err)
	defer tx.Rollback()
	for _, table := range sqlstore.Tables {
		_, err := tx.Exec("DELETE FROM " + d.table(table))
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit())
}

// harness gives each store of the suite an empty database.
func (s *shelf) harness(n int) storetest.Harness {
	return storetest.Harness{Rounds: n, Open: func(t testing.TB, nodes int) storetest.Backend {
		d, _ := s.take(t, nodes)
		var all []store.Store
		for _, n := range d.nodes[:nodes] {
			all = append(all, n)
		}
		return d.backend(all)
	}}
}
