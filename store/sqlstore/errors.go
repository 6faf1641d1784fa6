package sqlstore

import (
	"errors"
	"fmt"

	"github.com/mytoken-go/sdk/store"
)

// Errors about the database that callers branch on. [New] and [Migrate] return them.
// Steps return them too, wrapped, if the database reports such an error in the middle of
// a step.
var (
	// ErrMissingMigration means that the schema is older than this package, or missing.
	// Call [Migrate] with the same options, or check their prefix and schema. The error
	// is a *[SchemaError].
	ErrMissingMigration = errors.New("sqlstore: schema needs a migration")
	// ErrNewerSchema means that a later version of this package migrated the schema. The
	// error is a *[SchemaError].
	ErrNewerSchema = errors.New("sqlstore: schema is newer than this program")
	// ErrReadOnly means that the database, the replica or the transaction is read-only.
	ErrReadOnly = errors.New("sqlstore: database is read-only")
	// ErrFull means that the database has no space left. The step has not taken effect.
	ErrFull = errors.New("sqlstore: no space left for the database")
	// ErrUnsafe means that a setting lets the database lose what it has confirmed. The
	// message names the setting.
	ErrUnsafe = errors.New("sqlstore: unsafe setting")
	// ErrDriver means that the errors of the driver do not contain the error codes of the
	// database. The package comment says where the store looks for them.
	ErrDriver = errors.New("sqlstore: the driver hides the error codes of the database")
	// ErrContended means that a step gave up after 50 attempts, because other steps kept
	// getting in its way. The database has rolled the last attempt back, unless it could
	// not tell (SQLSTATE 40003 of distributed databases). Repeat the step.
	ErrContended = errors.New("sqlstore: gave up after many attempts")
)

// DialectError says that the database is of another kind than the dialect that the caller
// named.
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

// SchemaError says that the schema has another version than this package needs. It wraps
// [ErrMissingMigration] or [ErrNewerSchema].
type SchemaError struct {
	Have int64 // version of the schema; 0 = none
	Want int64 // version that this package needs
}

func (e *SchemaError) Error() string {
	hint := "run Migrate"
	if e.Have > e.Want {
		hint = "run a newer program"
	}
	return fmt.Sprintf("%v: it has version %d, but this program needs %d; %s", e.Unwrap(), e.Have, e.Want, hint)
}

// Unwrap returns [ErrMissingMigration] or [ErrNewerSchema].
func (e *SchemaError) Unwrap() error {
	if e.Have > e.Want {
		return ErrNewerSchema
	}
	return ErrMissingMigration
}

// errChanged says that the state on which a step was decided has changed. It never leaves
// the package.
var errChanged = errors.New("sqlstore: changed meanwhile")

// explain wraps the final error of a step in the errors above. Errors of the contract
// stay as they are.
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
