package sqlstore

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// These errors have the codes of the errors of drivers, but not their types.

type stateError string

func (e stateError) Error() string    { return "ERROR: something (SQLSTATE " + string(e) + ")" }
func (e stateError) SQLState() string { return string(e) }

// planError is what PostgreSQL says after a migration.
type planError struct{}

func (planError) Error() string {
	return "ERROR: cached plan must not change result type (SQLSTATE 0A000)"
}
func (planError) SQLState() string { return "0A000" }

type codeError struct {
	code int
	text string
}

func (e codeError) Error() string { return e.text }
func (e codeError) Code() int     { return e.code }

func TestFaults(t *testing.T) {
	plain := errors.New("driver: bad connection")
	for _, c := range []struct {
		engine engine
		err    error
		want   fault
	}{
		{postgresql{}, stateError("40001"), faultRetry},
		{postgresql{}, stateError("40P01"), faultRetry},
		{postgresql{}, stateError("40003"), faultUnknown},
		{postgresql{}, stateError("57P01"), faultOther}, // also after a COMMIT
		{postgresql{}, stateError("57P03"), faultUnavailable},
		{postgresql{}, stateError("53300"), faultUnavailable},
		{postgresql{}, stateError("26000"), faultSpoiled},
		{postgresql{}, stateError("42P05"), faultSpoiled},
		{postgresql{}, stateError("0A000"), faultOther},
		{postgresql{}, planError{}, faultSpoiled},
		{postgresql{}, stateError("23505"), faultDuplicate},
		{postgresql{}, stateError("23514"), faultOther},
		{postgresql{}, stateError("25006"), faultReadOnly},
		{postgresql{}, stateError("53100"), faultFull},
		{postgresql{}, stateError("42P01"), faultNoTable},
		{postgresql{}, plain, faultOther},
		{mysql{}, errors.New("Error 1213 (40001): Deadlock found when trying to get lock; try restarting transaction"), faultRetry},
		{mysql{}, errors.New("Error 1205: Lock wait timeout exceeded"), faultRetry},
		{mysql{}, errors.New("Error 1020 (HY000): Record has changed since last read in table"), faultRetry},
		{mysql{}, errors.New("Error 3101 (40000): Plugin instructed the server to rollback the current transaction."), faultRetry},
		{mysql{}, errors.New("Error 1062 (23000): Duplicate entry"), faultDuplicate},
		{mysql{}, errors.New("Error 1290 (HY000): The MariaDB server is running with the --read-only option"), faultReadOnly},
		{mysql{}, errors.New("Error 1792 (25006): Cannot execute statement in a READ ONLY transaction"), faultReadOnly},
		{mysql{}, errors.New("Error 1836 (HY000): Running in read-only mode"), faultReadOnly},
		{mysql{}, errors.New("Error 1047 (08S01): WSREP has not yet prepared node for application use"), faultLeft},
		{mysql{}, errors.New("Error 31045 (45000): mytoken: changed meanwhile"), faultChanged},
		{mysql{compounds: true}, errors.New("Error 1317 (70100): Query execution was interrupted"), faultStopped},
		{mysql{compounds: true}, plain, faultOther},
		{mysql{}, errors.New("Error 1568 (25001): Transaction characteristics can't be changed while a transaction is in progress"), faultSpoiled},
		{mysql{compounds: true}, errors.New("Error 1062 (23000): Duplicate entry"), faultDuplicate},
		{mysql{}, errors.New("Error 1040 (08004): Too many connections"), faultUnavailable},
		{mysql{}, errors.New("Error 1203 (42000): User already has more than 'max_user_connections' active connections"), faultUnavailable},
		{mysql{}, errors.New("Error 1461 (42000): Can't create more than max_prepared_stmt_count statements"), faultUnprepared},
		{mysql{}, errors.New("Error 1243 (HY000): Unknown prepared statement handler"), faultUnprepared},
		{mysql{}, errors.New("Error 1180 (HY000): Got error during COMMIT"), faultOther},
		{mysql{}, errors.New("Error 1021 (HY000): Disk full"), faultFull},
		{mysql{}, errors.New("Error 1146 (42S02): Table doesn't exist"), faultNoTable},
		{mysql{}, errors.New("Error 12130: another number"), faultOther},
		{mysql{}, errors.New("Error without a number"), faultOther},
		{mysql{}, errors.New("Error 1213"), faultOther},
		{mysql{}, plain, faultOther},
		{sqlite{}, codeError{5, "database is locked (5) (SQLITE_BUSY)"}, faultRetry},
		{sqlite{}, codeError{517, "database is locked (517) (SQLITE_BUSY_SNAPSHOT)"}, faultRetry},
		{sqlite{}, codeError{6, "database table is locked (6)"}, faultRetry},
		{sqlite{}, codeError{2067, "UNIQUE constraint failed (2067)"}, faultDuplicate},
		{sqlite{}, codeError{1555, "UNIQUE constraint failed (1555)"}, faultDuplicate},
		{sqlite{}, codeError{275, "CHECK constraint failed (275)"}, faultOther},
		{sqlite{}, codeError{8, "attempt to write a readonly database (8)"}, faultReadOnly},
		{sqlite{}, codeError{13, "database or disk is full (13)"}, faultFull},
		{sqlite{}, codeError{1032, "attempt to write a readonly database (1032)"}, faultReadOnly},
		{sqlite{}, codeError{14, "unable to open database file (14)"}, faultUnavailable},
		{sqlite{}, codeError{10, "disk I/O error (10)"}, faultOther},
		{sqlite{}, codeError{1, "SQL logic error: no such table: mytoken_tokens (1)"}, faultNoTable},
		{sqlite{}, codeError{1, "SQL logic error: near \"x\" (1)"}, faultOther},
		{sqlite{}, plain, faultOther},
	} {
		for _, err := range []error{c.err, fmt.Errorf("wrapped: %w", c.err)} {
			if got := c.engine.fault(err); got != c.want {
				t.Errorf("%T: %v: fault %d, want %d", c.engine, err, got, c.want)
			}
		}
		if got := c.engine.fault(nil); got != faultOther {
			t.Errorf("%T: nil: fault %d", c.engine, got)
		}
	}
}

func TestRecognise(t *testing.T) {
	for _, c := range []struct {
		version string
		is      engine // nil: none
	}{
		{"PostgreSQL 15.20 (Debian 15.20-0+deb12u1) on x86_64-pc-linux-gnu", postgresql{}},
		{"CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu)", postgresql{}},
		{"10.11.19-MariaDB-0+deb12u1", mysql{}},
		{"8.0.36", mysql{}},
		{"SQLite 3.46.0", sqlite{}},
		{"", nil},
		{"something else", nil},
	} {
		for _, e := range []engine{postgresql{}, mysql{}, sqlite{}} {
			if got, want := e.recognise(c.version), e == c.is; got != want {
				t.Errorf("%T recognises %q: %v", e, c.version, got)
			}
		}
	}
}

func TestStatements(t *testing.T) {
	for _, c := range []struct {
		engine engine
		names  names
		text   string
		args   []any
		want   string
		flat   []any
	}{
		{
			postgresql{}, names{schema: "s.", prefix: "p_"}, "SELECT a FROM {tokens} WHERE a = ? AND b IN ? AND c = ?",
			[]any{1, ids{5, 6, 7}, "x"}, "SELECT a FROM s.p_tokens WHERE a = $1 AND b IN ($2, $3, $4, $5) AND c = $6",
			[]any{1, int64(5), int64(6), int64(7), int64(7), "x"},
		}, {
			mysql{}, names{prefix: "p_"}, "CREATE INDEX {:tokens_x} ON {tokens} (x)", nil, "CREATE INDEX p_tokens_x ON p_tokens (x)", nil,
		}, {
			sqlite{}, names{prefix: "p_"}, "DELETE FROM {a} WHERE x IN ? OR y IN ?", []any{ids{1}, ids{2, 3}},
			"DELETE FROM p_a WHERE x IN (?) OR y IN (?, ?)", []any{int64(1), int64(2), int64(3)},
		}, {
			sqlite{}, names{prefix: "p_"}, "DELETE FROM {a} WHERE x IN ? AND y = ?", []any{ids{}, 4},
			"DELETE FROM p_a WHERE x IN (?) AND y = ?", []any{nil, 4},
		},
	} {
		s := &Store{engine: c.engine, names: c.names}
		for range 2 { // the second time from the cache
			text, flat := s.expand(c.text, c.args)
			if text != c.want || !slices.Equal(flat, c.flat) {
				t.Errorf("%q\n got %q %v\nwant %q %v", c.text, text, flat, c.want, c.flat)
			}
		}
	}
}

// An argument in a text means what it meant as an argument.
func TestInline(t *testing.T) {
	got, ok := mysql{}.inline("SELECT ?, ? - ?, ?, ?", []any{"' OR 1 --", 1, int64(-5), []byte{0, 0xff}, nil})
	if want := "SELECT X'27204f522031202d2d',  1 -  -5, X'00ff', NULL"; !ok || got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, args := range [][]any{{1}, {1, 2, 3}, {1.5, 2}, {struct{}{}, 2}} {
		if got, ok := (mysql{}).inline("SELECT ?, ?", args); ok {
			t.Errorf("%v: %q", args, got)
		}
	}
}
