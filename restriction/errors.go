package restriction

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	// ErrSyntax reports restrictions that are not strict JSON of the right
	// shape: no array, an element that is no object, a repeated key, a value
	// of the wrong type.
	ErrSyntax = errors.New("malformed")
	// ErrTooLarge reports that a documented limit was exceeded; the error is a
	// [LimitError].
	ErrTooLarge = errors.New("too large")
	// ErrEmptyClause reports a clause that states nothing. It would turn a
	// restricted token into an unrestricted one.
	ErrEmptyClause = errors.New("empty clause")
	// ErrInvalid reports a clause that is well formed and makes no sense, such
	// as a negative count or an end before the beginning.
	ErrInvalid = errors.New("invalid")
	// ErrUnsupported reports a key that this deployment cannot evaluate.
	ErrUnsupported = errors.New("unsupported key")
)

// ClauseError is an error about one clause of a list. Err wraps one of the
// sentinels of this package.
type ClauseError struct {
	Clause int    // index in the list
	Key    string // wire name of the key, or "" if the whole clause is meant
	Err    error
}

// Error names the clause, the key and what is wrong with it.
func (e *ClauseError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("restriction: clause %d: %v", e.Clause, e.Err)
	}
	return fmt.Sprintf("restriction: clause %d: %s: %v", e.Clause, plain(e.Key), e.Err)
}

// Unwrap returns the cause.
func (e *ClauseError) Unwrap() error { return e.Err }

// LimitError says which limit was exceeded. It is an [ErrTooLarge].
type LimitError struct {
	What string // "bytes", "clauses", "keys in a clause", "entries in a list", "entries in all lists", "bytes in a string" or "levels of nesting"
	Max  int    // the limit
}

// Error names the limit.
func (e *LimitError) Error() string {
	return fmt.Sprintf("restriction: too large: more than %d %s", e.Max, e.What)
}

// Is reports whether target is [ErrTooLarge].
func (e *LimitError) Is(target error) bool { return target == ErrTooLarge }

// syntaxError is an [ErrSyntax] about the list as a whole.
func syntaxError(reason string) error { return fmt.Errorf("restriction: %w: %s", ErrSyntax, reason) }

// badValue is the cause within a ClauseError.
func badValue(sentinel error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", sentinel, fmt.Sprintf(format, args...))
}

// clip keeps foreign text in an error short.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// plain is foreign text for a line of its own: short, and quoted if it holds
// anything but printable characters.
func plain(s string) string {
	s = clip(s)
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsGraphic(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// errObjection is the cause of what the conditions of this package object to.
var errObjection = errors.New("needed")
