package sqlstore

import (
	"errors"
	"fmt"

	"github.com/mytoken-go/sdk/store"
)

// Errors about the database that callers branch on. Steps return them, too,
// wrapped, where the database says so in the middle of one.
var (
	// ErrMissingMigration: the schema is older than this package, or not there
	// at all: call [Migrate], with the same options, or look at the prefix and
	// the schema in them. The error is a *[SchemaError].
	ErrMissingMigration = errors.New("sqlstore: schema needs a migration")
	// ErrNewerSchema: a later version of this package migrated the schema. The
	// error is a *[SchemaError].
	ErrNewerSchema = errors.New("sqlstore: schema is newer than this program")
	// ErrReadOnly: the database, the replica or the transaction is read-only.
	ErrReadOnly = errors.New("sqlstore: database is read-only")
	// ErrFull: the database has no space left. The step did not take effect.
	ErrFull = errors.New("sqlstore: no space left for the database")
	// ErrUnsafe: a setting of the database makes it forget what it has
	// confirmed, or reorder it. The message names the setting.
	ErrUnsafe = errors.New("sqlstore: unsafe setting")
	// ErrContended: the database asked to try again, and went on doing so
	// until the attempts were used up. The step did not take effect.
	ErrContended = errors.New("sqlstore: gave up after many attempts")
)

// DialectError says that the database is not one of the dialect.
type DialectError struct {
	Want    Dialect
	Version string // how the database describes itself; may be empty
}

func (e *DialectError) Error() string {
	if e.Version == "" {
		return fmt.Sprintf("sqlstore: the database does not answer as %s does", e.Want)
	}
	return fmt.Sprintf("sqlstore: the database is not %s but %q", e.Want, e.Version)
}

// SchemaError says that schema and program do not fit. It is
// [ErrMissingMigration] or [ErrNewerSchema].
type SchemaError struct {
	Have int64 // version of the schema; 0 = none
	Want int64 // version that this package knows
}

func (e *SchemaError) Error() string {
	hint := "run Migrate"
	if e.Have > e.Want {
		hint = "run a newer program"
	}
	return fmt.Sprintf("%v: it has version %d, wanted is %d; %s", e.Unwrap(), e.Have, e.Want, hint)
}

// Unwrap returns the sentinel.
func (e *SchemaError) Unwrap() error {
	if e.Have > e.Want {
		return ErrNewerSchema
	}
	return ErrMissingMigration
}

// errChanged says that what a step was decided on is not true any more. It
// never leaves the package.
var errChanged = errors.New("sqlstore: changed meanwhile")

// explain wraps an error that a step ends with. Errors of the contract stay
// what they are.
func (s *Store) explain(step string, err error) error {
	if err == nil || store.IsDefinite(err) {
		return err
	}
	switch s.engine.fault(err) {
	case faultReadOnly:
		return fmt.Errorf("%w: %s: %w", ErrReadOnly, step, err)
	case faultFull:
		return fmt.Errorf("%w: %s: %w", ErrFull, step, err)
	case faultNoTable:
		return fmt.Errorf("%w: %s: %w", ErrMissingMigration, step, err)
	}
	return fmt.Errorf("sqlstore: %s: %w", step, err)
}

func argument(reason string) error { return &store.ArgumentError{Reason: reason} }
