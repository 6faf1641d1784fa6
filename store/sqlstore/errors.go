package sqlstore

import (
	"errors"
	"fmt"

	"github.com/mytoken-go/sdk/store"
)

// Errors about the database that callers branch on. [New] and [Migrate] return them.
// Steps return them too, wrapped, if the database reports such an error in the middle of
// a step. The error of a step is also a [store.ErrUnavailable] if the step has certainly
// not taken effect.
var (
	// ErrMissingMigration means that the schema is older than this package, or missing.
	// Call [Migrate] with the same options, or check their prefix and schema. The error
	// is a *[SchemaError].
	ErrMissingMigration = errors.New("sqlstore: schema needs a migration")
	// ErrNewerSchema means that a later version of this package migrated the schema. The
	// error is a *[SchemaError].
	ErrNewerSchema = errors.New("sqlstore: schema is newer than this program")
	// ErrReadOnly means that the database, the replica or the transaction is read-only.
	// The store has closed its idle connections, so the next step connects anew.
	ErrReadOnly = errors.New("sqlstore: database is read-only")
	// ErrFull means that the database has no space left. The step has not taken effect.
	ErrFull = errors.New("sqlstore: no space left for the database")
	// ErrUnsafe means that a setting lets the database lose what it has confirmed. The
	// message names the setting.
	ErrUnsafe = errors.New("sqlstore: unsafe setting")
	// ErrSetting means that a setting of the session changes what the statements of the
	// store mean. The message names the setting.
	ErrSetting = errors.New("sqlstore: unsuitable setting")
	// ErrDriver means that the errors of the driver do not contain the error codes of the
	// database. The package comment says where the store looks for them.
	ErrDriver = errors.New("sqlstore: the driver hides the error codes of the database")
	// ErrContended means that a step gave up after 50 attempts, because other steps kept
	// getting in its way. The database has rolled all attempts back, unless it could not
	// tell (SQLSTATE 40003 of distributed databases): then the error is no
	// [store.ErrUnavailable]. Repeat the step.
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
	const migrate = "sqlstore.Migrate(ctx, db, dialect, options) with the options of New"
	switch {
	case e.Have == 0:
		return fmt.Sprintf("%v: its tables are missing; call %s, or correct the database, Options.Schema or Options.Prefix", e.Unwrap(), migrate)
	case e.Have > e.Want:
		return fmt.Sprintf("%v: it has version %d, and this program knows version %d; run a newer program", e.Unwrap(), e.Have, e.Want)
	}
	return fmt.Sprintf("%v: it has version %d, and this program needs version %d; call %s", e.Unwrap(), e.Have, e.Want, migrate)
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

// doubtError marks an error after which the step may have taken effect. It never leaves
// the package.
type doubtError struct{ error }

func (e doubtError) Unwrap() error { return e.error }

// inDoubt marks an error: the step may have taken effect.
func inDoubt(err error) error {
	if err == nil || store.IsDefinite(err) {
		return err
	}
	if e, ok := errors.AsType[*stepError](err); ok {
		return &stepError{err: e.err}
	}
	return doubtError{err}
}

// because puts a cause in front of the error of a step, which stays in doubt or not.
func because(cause, err error) error {
	if errors.Is(err, cause) {
		return err
	}
	e, ok := errors.AsType[*stepError](err)
	if !ok {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return &stepError{err: fmt.Errorf("%w: %w", cause, e.err), undone: e.undone}
}

func isInDoubt(err error) bool {
	_, ok := errors.AsType[doubtError](err)
	return ok
}

// stepError is the error of a step. It is a [store.ErrUnavailable] if the step has
// certainly not taken effect.
type stepError struct {
	err    error
	undone bool
}

func (e *stepError) Error() string {
	if e.undone {
		return store.ErrUnavailable.Error() + ": " + e.err.Error()
	}
	return e.err.Error()
}

func (e *stepError) Unwrap() error { return e.err }

// Is makes errors.Is find [store.ErrUnavailable].
func (e *stepError) Is(target error) bool { return e.undone && target == store.ErrUnavailable }

// explain wraps the final error of a step in the errors above. doubt says that an attempt
// may have taken effect. Errors of the contract stay as they are.
func (s *Store) explain(step string, err error, doubt bool) error {
	if err == nil || store.IsDefinite(err) {
		return err
	}
	doubt = doubt || isInDoubt(err)
	switch s.engine.fault(err) {
	case faultReadOnly:
		err = fmt.Errorf("%w: %s: %w", ErrReadOnly, step, err)
	case faultFull:
		err = fmt.Errorf("%w: %s: %w", ErrFull, step, err)
	case faultNoTable:
		err = fmt.Errorf("%w: %s: %w", ErrMissingMigration, step, err)
	default:
		err = fmt.Errorf("sqlstore: %s: %w", step, err)
	}
	return &stepError{err: err, undone: !doubt}
}
