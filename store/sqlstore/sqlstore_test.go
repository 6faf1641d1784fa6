package sqlstore_test

import (
	"testing"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// The store fulfils the whole contract on every engine.
//
// proves P3, P4, P5, P6, P7, P8
func TestStore(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			// Many rounds add nothing if there is one writer at a time.
			n := 6
			if e.name == "SQLite" {
				n = 2
			}
			storetest.Run(t, (&shelf{t: t, create: e.new}).harness(rounds(n)))
		})
	}
}

// The store fulfils the whole contract if every transaction is serializable, as in the
// distributed databases that speak PostgreSQL's protocol.
//
// proves P3, P4, P5, P6, P7, P8
func TestStoreSerializable(t *testing.T) {
	contractElsewhere(t)
	t.Parallel()
	databases := &shelf{t: t, create: func(t testing.TB) site {
		return newPostgreSQLWith(t, map[string]string{"default_transaction_isolation": "serializable"})
	}}
	storetest.Run(t, databases.harness(rounds(4)))
}

// The suite catches each bug on servers that let callers race. The test drops the
// constraint on counters, which would prevent some of the bugs.
func TestBugsAreCaught(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			databases := &shelf{t: t, create: e.new}
			for _, bug := range storetest.Bugs() {
				t.Run(string(bug), func(t *testing.T) { storetest.MustCatch(t, bug, brokenHarness(databases, bug)) })
			}
		})
	}
}

func brokenHarness(databases *shelf, bug storetest.Bug) storetest.Harness {
	return storetest.Harness{Open: func(t testing.TB, nodes int) storetest.Backend {
		d, unused := databases.take(t, nodes)
		if unused {
			d.run(t, d.db, "ALTER TABLE "+d.table("counters")+" DROP CONSTRAINT mytoken_counters_exact")
		}
		var broken []store.Store
		for _, n := range d.nodes[:nodes] {
			broken = append(broken, sqlstore.Broken(n, bug))
		}
		return d.backend(broken)
	}}
}
