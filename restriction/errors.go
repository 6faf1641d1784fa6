package restriction

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/internal/plain"
)

var (
	// ErrSyntax reports restrictions that are not strict JSON of the right shape.
	// Examples are text that is not an array, a repeated key, or a value of the wrong
	// type.
	ErrSyntax = errors.New("malformed")
	// ErrTooLarge reports restrictions beyond a documented limit, such as [MaxClauses].
	// The error is a [*LimitError].
	ErrTooLarge = errors.New("too large")
	// ErrEmptyClause reports a clause that states nothing. It would make a restricted
	// token unrestricted.
	ErrEmptyClause = errors.New("empty clause")
	// ErrInvalid reports a clause that is well formed but makes no sense, such as one
	// with a negative count.
	ErrInvalid = errors.New("invalid")
	// ErrPast reports a clause that has already expired. It is also an [ErrInvalid].
	ErrPast = badValue(ErrInvalid, "already expired")
	// ErrUnsupported reports a key that this deployment cannot evaluate.
	ErrUnsupported = errors.New("unsupported key")
)

// ClauseError is an error about one clause of a list. Err wraps an error value of this
// package, such as [ErrInvalid].
type ClauseError struct {
	Clause int    // index in the list
	Key    string // wire name of the key, or "" for the whole clause
	Err    error
}

// Error says which clause and key are wrong, and why.
func (e *ClauseError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("restriction: clause %d: %v", e.Clause, e.Err)
	}
	return fmt.Sprintf("restriction: clause %d: %s: %v", e.Clause, oneLine(e.Key), e.Err)
}

// Unwrap returns Err.
func (e *ClauseError) Unwrap() error { return e.Err }

// LimitError says which limit was exceeded. It is an [ErrTooLarge].
type LimitError struct {
	// What is "bytes", "clauses", "keys in a clause", "entries in a list", "entries in
	// all lists", "bytes in a string", "levels of nesting" or "clauses in common".
	What string
	Max  int // the limit
}

// Error names the limit.
func (e *LimitError) Error() string { return "restriction: too large: " + e.reason() }

func (e *LimitError) reason() string { return fmt.Sprintf("more than %d %s", e.Max, e.What) }

// Is reports whether target is [ErrTooLarge].
func (e *LimitError) Is(target error) bool { return target == ErrTooLarge }

// valueError is the cause within a ClauseError.
type valueError struct{ kind, cause error }

func (e *valueError) Error() string   { return e.kind.Error() + ": " + e.cause.Error() }
func (e *valueError) Unwrap() []error { return []error{e.kind, e.cause} }
func (e *valueError) reason() string  { return e.cause.Error() }

func badValue(kind error, format string, args ...any) error {
	return because(kind, fmt.Errorf(format, args...))
}

// because returns an error of a kind. Its text is that of the cause.
func because(kind, cause error) error { return &valueError{kind, cause} }

// syntaxError is an [ErrSyntax] about the list as a whole.
func syntaxError(reason string) error {
	return fmt.Errorf("restriction: %w", badValue(ErrSyntax, "%s", reason))
}

// Reason returns only what is wrong, for a form that shows err next to the clause and
// key. It leaves out the name of the package, the clause, the key, and the kind of the
// error.
func Reason(err error) string {
	if reasoned, ok := errors.AsType[interface {
		error
		reason() string
	}](err); ok {
		return reasoned.reason()
	}
	if located, ok := errors.AsType[*ClauseError](err); ok {
		return located.Err.Error()
	}
	return strings.TrimPrefix(err.Error(), "restriction: ")
}

// oneLine prepares text from outside for one line of output. It shortens the text, and
// quotes it if it is empty or has control or format characters.
func oneLine(s string) string {
	s = clip.Name(s)
	if s == "" || legible.Refuse(s) != "" {
		return strconv.Quote(s)
	}
	return s
}

// listed joins the entries of a list for a text. It shortens a long list.
func listed(entries []string) string {
	if len(entries) == 0 {
		return "none"
	}
	return plain.Few(len(entries), 8, " ", func(i int) string { return oneLine(entries[i]) })
}
