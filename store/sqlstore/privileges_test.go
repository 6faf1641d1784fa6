package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// privileges are the GRANT statements of the package documentation. The account
// "migrator" migrates, and "portal" uses the store, in the schema or database "mytoken".
var privileges = map[sqlstore.Dialect][]string{
	sqlstore.PostgreSQL: {
		"GRANT USAGE, CREATE ON SCHEMA mytoken TO migrator",
		"GRANT USAGE ON SCHEMA mytoken TO portal",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA mytoken TO portal",
	},
	sqlstore.MySQL: {
		"GRANT CREATE, ALTER, SELECT, INSERT, UPDATE ON mytoken.* TO migrator",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON mytoken.* TO portal",
	},
}

// The documented privileges are enough, and the store needs each of them.
func TestPrivileges(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	onEach(t, func(t *testing.T, s site) {
		if s.dialect == sqlstore.SQLite {
			t.Skip("SQLite has no privileges")
		}
		a := &accounts{site: s, admin: s.connect(t), names: make(map[string]string)}
		for _, who := range []string{"migrator", "portal"} {
			a.create(t, who)
		}
		var migrator, portal []string
		for _, grant := range privileges[s.dialect] {
			if !strings.Contains(string(doc), grant+";") {
				t.Errorf("the documentation does not tell: %s", grant)
			}
			if strings.HasSuffix(grant, " TO migrator") {
				migrator = append(migrator, grant)
			} else {
				portal = append(portal, grant)
			}
		}
		a.testMigrator(t, migrator)
		a.testPortal(t, portal)
	})
}

// accounts are the accounts of one site.
type accounts struct {
	site
	admin *sql.DB
	names map[string]string // of the documentation's accounts
}

func (a *accounts) create(t *testing.T, who string) {
	t.Helper()
	name := dbtest.Unique()
	a.names[who] = name
	create, drop := "CREATE ROLE "+name+" LOGIN", "DROP OWNED BY "+name+"; DROP ROLE "+name
	if a.dialect == sqlstore.MySQL {
		name += "@'%'"
		create, drop = "CREATE USER "+name+" IDENTIFIED BY 'secret'", "DROP USER "+name
	}
	a.run(t, a.admin, create)
	t.Cleanup(func() { a.run(t, a.admin, drop) })
}

// execute runs a GRANT of the documentation, or its reverse.
func (a *accounts) execute(t *testing.T, statement string) {
	t.Helper()
	place := a.opts.Schema
	if a.dialect == sqlstore.MySQL {
		config, err := mysql.ParseDSN(a.address)
		require.NoError(t, err)
		place = config.DBName
	}
	statement = strings.ReplaceAll(statement, "mytoken", place)
	for who, name := range a.names {
		if a.dialect == sqlstore.MySQL {
			name += "@'%'"
		}
		statement = strings.ReplaceAll(statement, who, name)
	}
	a.run(t, a.admin, statement)
}

// as returns the site as an account sees it.
func (a *accounts) as(t *testing.T, who string) site {
	t.Helper()
	s := a.site
	if s.dialect == sqlstore.PostgreSQL {
		config, err := pgx.ParseConfig(s.address)
		require.NoError(t, err)
		config.User = a.names[who]
		s.connector = stdlib.GetConnector(*config)
		return s
	}
	config, err := mysql.ParseDSN(s.address)
	require.NoError(t, err)
	config.User, config.Passwd = a.names[who], "secret"
	s.connector = byName{mysql.MySQLDriver{}, config.FormatDSN()}
	return s
}

// without returns the statements that revoke each privilege of a GRANT by itself.
func without(grant string) (revokes []string) {
	list, rest, _ := strings.Cut(strings.TrimPrefix(grant, "GRANT "), " ON ")
	where, who, _ := strings.Cut(rest, " TO ")
	for _, privilege := range strings.Split(list, ", ") {
		revokes = append(revokes, "REVOKE "+privilege+" ON "+where+" FROM "+who)
	}
	return revokes
}

// testMigrator migrates with each privilege missing, which fails, and then with all of
// them.
func (a *accounts) testMigrator(t *testing.T, grants []string) {
	t.Helper()
	for _, grant := range grants {
		for _, revoke := range without(grant) {
			a.execute(t, grant)
			a.execute(t, revoke)
			// Migrate tries again for some seconds unless its context ends.
			ctx, cancel := context.WithCancel(t.Context())
			sp := &spy{Connector: a.as(t, "migrator").connector, failed: func(err error) error {
				if denied(err) {
					cancel()
				}
				return err
			}}
			err := sqlstore.Migrate(ctx, a.connectBy(t, sp), a.dialect, a.opts)
			if err == nil || ctx.Err() == nil {
				t.Errorf("Migrate after %s: %v; nothing was denied", revoke, err)
			}
			cancel()
		}
		a.execute(t, grant)
	}
	require.NoError(t, sqlstore.Migrate(t.Context(), a.as(t, "migrator").connect(t), a.dialect, a.opts), "Migrate")
}

// testPortal uses the store with each privilege missing, which fails, and then with all
// of them.
func (a *accounts) testPortal(t *testing.T, grants []string) {
	t.Helper()
	// A session may keep the privileges that it had at the beginning.
	portal := func() *sql.DB { return a.as(t, "portal").connect(t) }
	for _, grant := range grants {
		a.execute(t, grant)
	}
	for _, grant := range grants {
		for _, revoke := range without(grant) {
			a.execute(t, revoke)
			if err := useWholly(t.Context(), portal(), a.site); !denied(err) {
				t.Errorf("after %s: %v; nothing was denied", revoke, err)
			}
			a.execute(t, grant)
		}
	}
	assert.NoError(t, useWholly(t.Context(), portal(), a.site), "with all that is granted")
	ring, _ := newRing(t)
	l := newLife(t, a.on(t, portal()), ring)
	l.whole(t.Context())
	l.ok(l.st.DeleteOwner(t.Context(), l.owner))
	pending, err := sqlstore.Pending(t.Context(), portal(), a.dialect, a.opts)
	if err != nil || len(pending) > 0 {
		t.Errorf("Pending: %q, %v", pending, err)
	}
}

// denied reports whether a database refused something because a privilege is missing.
func denied(err error) bool {
	if e, is := errors.AsType[*pgconn.PgError](err); is {
		return e.Code == "42501" // insufficient_privilege
	}
	e, is := errors.AsType[*mysql.MySQLError](err)
	// ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR
	return is && (e.Number == 1044 || e.Number == 1142)
}

// useWholly opens the store and makes every kind of step, including Sweep.
func useWholly(ctx context.Context, db *sql.DB, s site) error {
	st, err := sqlstore.New(ctx, db, s.dialect, s.opts)
	if err != nil {
		return err
	}
	p, err := newRoot(ctx, st, 5)
	if err != nil {
		return err
	}
	if err := spend(ctx, st, p); err != nil {
		return err
	}
	c := newItems(p.ID)
	if err := st.ChangeItems(ctx, c); err != nil {
		return err
	}
	if err := st.DeleteOwner(ctx, c.Owner); err != nil {
		return err
	}
	if _, err := st.Revoke(ctx, store.Revocation{Token: p.ID, Recursive: true, Now: 1}); err != nil {
		return err
	}
	_, err = st.Sweep(ctx, store.Cleaning{Now: lifeNow, Limit: 100})
	return err
}

func TestWithout(t *testing.T) {
	got := without("GRANT SELECT, INSERT ON mytoken.* TO portal")
	want := []string{"REVOKE SELECT ON mytoken.* FROM portal", "REVOKE INSERT ON mytoken.* FROM portal"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
