package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// retried holds the errors with which each database asks to try again.
var retried = map[string]struct {
	engine engine
	err    error
}{
	"PostgreSQL": {postgresql{}, stateError("40001")},
	"MySQL":      {mysql{}, errors.New("Error 1213 (40001): Deadlock found when trying to get lock")},
	"SQLite":     {sqlite{}, codeError{5, "database is locked (5) (SQLITE_BUSY)"}},
	"changed":    {sqlite{}, errChanged},
}

// The store repeats a step as long as the database asks for it, but not forever.
func TestStepIsRepeated(t *testing.T) {
	for name, c := range retried {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Store{engine: c.engine}
				tries := 0
				err := s.step(t.Context(), "try", func() error {
					if tries++; tries < 5 {
						return c.err
					}
					return nil
				})
				if err != nil || tries != 5 {
					t.Errorf("%d tries: %v", tries, err)
				}
				tries = 0
				begin := time.Now()
				err = s.step(t.Context(), "try", func() error { tries++; return c.err })
				if !errors.Is(err, ErrContended) || store.IsDefinite(err) || tries != maxAttempts {
					t.Errorf("%d tries: %v", tries, err)
				}
				if took := time.Since(begin); took < time.Second || took > 7*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// A step ends with its context, even between two attempts.
func TestStepEndsWithItsContext(t *testing.T) {
	for name, c := range retried {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Store{engine: c.engine}
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				begin := time.Now()
				err := s.step(ctx, "try", func() error { return c.err })
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 100*time.Millisecond {
					t.Errorf("after %v: %v", time.Since(begin), err)
				}
			})
		})
	}
}

// The store does not repeat a step if the database does not ask for it.
func TestStepIsNotRepeated(t *testing.T) {
	for _, want := range []error{store.ErrRevoked, errors.New("driver: bad connection"), stateError("23514")} {
		tries := 0
		err := (&Store{engine: postgresql{}}).step(t.Context(), "try", func() error { tries++; return want })
		if !errors.Is(err, want) || tries != 1 {
			t.Errorf("%d tries: %v", tries, err)
		}
	}
}

// An attempt that may have taken effect leaves the outcome of its step open, whatever the
// later attempts find.
//
// proves P3
func TestStepInDoubt(t *testing.T) {
	refused := errors.New("connection refused")
	for name, c := range map[string]struct {
		engine      engine
		attempts    []error
		unavailable bool
	}{
		"refused":               {postgresql{}, []error{refused}, true},
		"retried, then refused": {postgresql{}, []error{stateError("40001"), refused}, true},
		"unknown, then refused": {postgresql{}, []error{inDoubt(stateError("40003")), refused}, false},
		"lost":                  {mysql{}, []error{inDoubt(refused)}, false},
		"read-only":             {mysql{}, []error{errors.New("Error 1290 (HY000): read-only")}, true},
		"changed, then lost":    {sqlite{}, []error{errChanged, inDoubt(refused)}, false},
		"unknown twice":         {postgresql{}, []error{stateError("40001"), inDoubt(stateError("40003")), refused}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Store{engine: c.engine, db: sql.OpenDB(nowhere{})}
			tries := 0
			err := s.step(t.Context(), "try", func() error {
				tries++
				return c.attempts[min(tries, len(c.attempts))-1]
			})
			if got := errors.Is(err, store.ErrUnavailable); err == nil || got != c.unavailable || store.IsDefinite(err) {
				t.Errorf("unavailable: %v, want %v: %v", got, c.unavailable, err)
			}
		})
	}
}

// nowhere is a database without a server.
type nowhere struct{}

func (nowhere) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("no server") }
func (nowhere) Driver() driver.Driver                        { return nil }

// Nothing is written behind the back of write, writeBlind and writeOne, which know
// whether it may have taken effect. Only Migrate writes directly.
//
// proves P3
func TestWritesAreMarked(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	direct := regexp.MustCompile(`\b(exec|must|insert|demand)\(ctx, (w\.)?s\.db\b|\bs\.db\.(Exec|Begin)|\bdb\.(Exec|Begin)`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "migrate.go" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if found := direct.FindString(string(text)); found != "" {
			t.Errorf("%s: %s", name, found)
		}
	}
	text, err := os.ReadFile("migrate.go")
	if err != nil || !direct.Match(text) {
		t.Errorf("the pattern does not find what Migrate writes: %v", err)
	}
}
