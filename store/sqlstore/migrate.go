package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

//go:embed migrations
var embedded embed.FS

// migration is one change of the schema, for one dialect.
type migration struct {
	version    int64
	name       string // as its file
	statements []string
}

// migrations returns the migrations in their order.
func migrations(d Dialect, n names) ([]migration, error) {
	dir := path.Join("migrations", strings.ToLower(d.String()))
	files, err := fs.ReadDir(embedded, dir)
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, f := range files {
		text, err := fs.ReadFile(embedded, path.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		number, _, _ := strings.Cut(f.Name(), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, err
		}
		filled := expand(d.engine(), n, shape{text: string(text)})
		m := migration{version: version, name: f.Name()}
		for _, statement := range strings.Split(filled, ";\n") {
			if statement = strings.TrimSpace(statement); statement != "" {
				m.statements = append(m.statements, statement)
			}
		}
		all = append(all, m)
	}
	return all, nil
}

// Migrate creates the tables, or brings them to the version that this package needs.
// Several processes may call it at once. The account needs the privilege to create tables
// and indexes, which the store itself does not need.
//
// On PostgreSQL and SQLite each migration happens entirely or not at all. If a migration
// fails in the middle on MySQL, call Migrate again to complete it. Migrate tries ten
// times and then returns the last error. It returns a *[DialectError] if the database is
// of another kind, and [ErrNewerSchema] if the schema is of a later version than this
// package.
func Migrate(ctx context.Context, db *sql.DB, dialect Dialect, opts Options) error {
	s, err := newStore(ctx, db, dialect, opts)
	if err != nil {
		return err
	}
	if err := s.checkNotNewer(ctx); err != nil {
		return err
	}
	// Another process may be migrating. Then one of the two fails, with an error that
	// depends on the database. When it tries again, it finds everything done.
	for attempt := 1; ; attempt++ {
		err := s.begin(ctx)
		if err == nil {
			err = migrate(ctx, db, dialect, s.names)
		}
		if err == nil {
			return nil
		}
		if attempt == 10 {
			return fmt.Errorf("sqlstore: migrate: %w", err)
		}
		if stop := pause(ctx, 4+attempt); stop != nil {
			return fmt.Errorf("sqlstore: migrate: %w", err)
		}
	}
}

// begin adds goose's first row to an empty table of versions. On MySQL the table stays
// empty if the first migration fails right after creating it.
func (s *Store) begin(ctx context.Context) error {
	_, err := s.exec(ctx, s.db, `
		INSERT INTO {`+versions+`} (version_id, is_applied)
		SELECT 0, TRUE FROM (SELECT COUNT(*) AS n FROM {`+versions+`}) found WHERE n = 0`)
	if s.engine.fault(err) == faultNoTable {
		return nil
	}
	return err
}

func migrate(ctx context.Context, db *sql.DB, d Dialect, n names) error {
	all, err := migrations(d, n)
	if err != nil {
		return err
	}
	e := d.engine()
	options := []goose.ProviderOption{
		goose.WithTableName(n.expand(versions)),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()),
	}
	for _, m := range all {
		up := &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error { return m.run(ctx, tx, e) }}
		options = append(options, goose.WithGoMigrations(goose.NewGoMigration(m.version, up, nil)))
	}
	p, err := goose.NewProvider(d.goose(), db, nil, options...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// run ignores that a column exists: on MySQL an earlier attempt may have added it.
func (m migration) run(ctx context.Context, tx *sql.Tx, e engine) error {
	for _, statement := range m.statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil && e.fault(err) != faultColumn {
			return err
		}
	}
	return nil
}

func (d Dialect) goose() database.Dialect {
	switch d {
	case PostgreSQL:
		return goose.DialectPostgres
	case MySQL:
		return goose.DialectMySQL
	}
	return goose.DialectSQLite3
}

// versions is the table in which goose records the version of the schema.
const versions = "migrations"

// Pending returns the names of the migrations that [Migrate] would apply, in their order.
// It changes nothing. It returns a *[DialectError] if the database is of another kind,
// and [ErrNewerSchema] if the schema is of a later version than this package.
func Pending(ctx context.Context, db *sql.DB, dialect Dialect, opts Options) ([]string, error) {
	s, err := newStore(ctx, db, dialect, opts)
	if err != nil {
		return nil, err
	}
	if err := s.checkNotNewer(ctx); err != nil {
		return nil, err
	}
	have, err := s.schemaVersion(ctx)
	if err != nil {
		return nil, err
	}
	all, err := migrations(dialect, s.names)
	if err != nil {
		return nil, err
	}
	var pending []string
	for _, m := range all {
		if m.version > have {
			pending = append(pending, m.name)
		}
	}
	return pending, nil
}

// schemaVersion returns 0 if there is no schema.
func (s *Store) schemaVersion(ctx context.Context) (int64, error) {
	var version sql.NullInt64
	err := s.each(ctx, s.db, func(r *sql.Rows) error { return r.Scan(&version) },
		`SELECT MAX(version_id) FROM {`+versions+`} WHERE is_applied`)
	switch {
	case err == nil:
		return version.Int64, nil
	case s.engine.fault(err) == faultNoTable:
		return 0, nil
	}
	return 0, fmt.Errorf("sqlstore: read the version of the schema: %w", err)
}

// tables are the tables of the schema. Somebody may have dropped one, or restored a backup
// without it.
var tables = []string{
	"grants", "spares", "doubts", "commits", "tokens", "ancestors", "tombstones", "counters", "chains", "generations", "history", "tickets", "processes",
	"owners", "items", "links",
}

// checkTables returns an error if a table is missing. It reads no row.
func (s *Store) checkTables(ctx context.Context) error {
	var text []string
	for _, table := range tables {
		text = append(text, "SELECT 1 FROM {"+table+"} WHERE 1 = 0")
	}
	err := s.each(ctx, s.db, func(*sql.Rows) error { return nil }, strings.Join(text, " UNION ALL "))
	if s.engine.fault(err) == faultNoTable {
		return fmt.Errorf("sqlstore: a table is missing although the schema has version %d: restore a whole backup, or call Migrate with an empty schema: %w", schemaVersion, err)
	}
	return err
}

// checkSchema compares the version of the schema with the one that this package needs.
func (s *Store) checkSchema(ctx context.Context) error {
	have, err := s.schemaVersion(ctx)
	if err != nil {
		return err
	}
	if have != schemaVersion {
		return &SchemaError{Have: have, Want: schemaVersion}
	}
	return s.checkTables(ctx)
}

// checkNotNewer refuses a schema that a later version of this package has made.
func (s *Store) checkNotNewer(ctx context.Context) error {
	have, err := s.schemaVersion(ctx)
	if err == nil && have > schemaVersion {
		return &SchemaError{Have: have, Want: schemaVersion}
	}
	return err
}

// schemaVersion is the version of the schema that this package needs: that of the newest
// migration.
const schemaVersion = 4

// SQL returns the statements that [Migrate] runs on an empty database, as text. Read
// them, or give them to the people who may create tables. It returns an error if the
// dialect is unknown or the options are invalid.
func SQL(dialect Dialect, opts Options) (string, error) {
	_, n, _, err := opts.resolve(dialect)
	if err != nil {
		return "", err
	}
	all, err := migrations(dialect, n)
	if err != nil {
		return "", err
	}
	table := n.expand(versions)
	bookkeeping, err := database.NewStore(dialect.goose(), table)
	if err != nil {
		return "", err
	}
	var create recorder
	if err := bookkeeping.CreateVersionTable(context.Background(), &create); err != nil {
		return "", err
	}
	var b strings.Builder
	record := func(version int64) {
		fmt.Fprintf(&b, "INSERT INTO %s (version_id, is_applied) VALUES (%d, TRUE);\n", table, version)
	}
	fmt.Fprintf(&b, "%s;\n", create.text)
	record(0)
	for _, m := range all {
		fmt.Fprintf(&b, "\n-- %s\n\n", m.name)
		for _, statement := range m.statements {
			fmt.Fprintf(&b, "%s;\n", statement)
		}
		record(m.version)
	}
	return b.String(), nil
}

// recorder keeps a statement instead of running it.
type recorder struct {
	database.DBTxConn
	text string
}

func (r *recorder) ExecContext(_ context.Context, text string, _ ...any) (sql.Result, error) {
	r.text = text
	return nil, nil
}
