package capability

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a set. They are checked before any work that costs more than the check.
const (
	MaxBytes  = 16 << 10 // JSON text of a set, in bytes
	MaxCount  = 128      // names in a set
	MaxLength = 128      // one name, in bytes
)

var (
	// ErrSyntax reports text that is not JSON, not an array (or a string, where one is
	// allowed), or has an element that is not a string.
	ErrSyntax = errors.New("capability: not a list of names")
	// ErrTooLarge reports a set above one of the limits.
	ErrTooLarge = errors.New("capability: too large")
	// ErrName reports a name that is empty, is not UTF-8, or contains white space or
	// control characters.
	ErrName = errors.New("capability: malformed name")
)

// Parse decodes a JSON array of names. It keeps unknown names and repetitions. It returns
// [ErrSyntax], [ErrTooLarge] or [ErrName] for everything else, null included.
func Parse(data []byte) (Set, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(data), MaxBytes)
	}
	if kind := jsontext.Value(data).Kind(); kind != '[' {
		return nil, fmt.Errorf("%w: need an array", ErrSyntax)
	}
	var names []*string // a pointer tells null from ""
	if err := json.Unmarshal(data, &names); err != nil {
		return nil, fmt.Errorf("%w: need an array of strings", ErrSyntax)
	}
	set := make(Set, len(names))
	for i, name := range names {
		if name == nil {
			return nil, fmt.Errorf("%w: element %d is null", ErrSyntax, i)
		}
		set[i] = Capability(*name)
	}
	return validated(set)
}

func validated(set Set) (Set, error) {
	if err := set.Validate(); err != nil {
		return nil, err
	}
	return set, nil
}

// ParseRequest decodes the forms that a request may use: a JSON array of names, or a JSON
// string of names with spaces between them (protocol section 2.10). It keeps a name that
// begins with "@" and does not expand templates. Its errors are those of [Parse].
func ParseRequest(data []byte) (Set, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(data), MaxBytes)
	}
	if jsontext.Value(data).Kind() != '"' {
		return Parse(data)
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return nil, fmt.Errorf("%w: need a JSON string or array", ErrSyntax)
	}
	return ParseString(text)
}

// ParseString decodes names with spaces between them, as a form field has them. It
// returns [ErrTooLarge] or [ErrName].
func ParseString(text string) (Set, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(text), MaxBytes)
	}
	var set Set
	for name := range strings.SplitSeq(text, " ") {
		if name != "" {
			set = append(set, Capability(name))
		}
	}
	return validated(set)
}

// Validate checks the limits and the form of each name. It returns [ErrTooLarge] or
// [ErrName]. It accepts unknown names; see [Set.Unknown].
func (s Set) Validate() error {
	if len(s) > MaxCount {
		return fmt.Errorf("%w: %d names, at most %d are allowed", ErrTooLarge, len(s), MaxCount)
	}
	for i, c := range s {
		switch {
		case len(c) > MaxLength:
			return fmt.Errorf("%w: name %d has %d bytes, at most %d are allowed", ErrTooLarge, i, len(c), MaxLength)
		case c == "":
			return fmt.Errorf("%w: name %d is empty", ErrName, i)
		case !utf8.ValidString(string(c)):
			return fmt.Errorf("%w: name %d is not UTF-8", ErrName, i)
		case strings.ContainsFunc(string(c), unprintable):
			return fmt.Errorf("%w: name %d (%q) contains white space or a control character", ErrName, i, string(c))
		}
	}
	return nil
}

func unprintable(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

// UnmarshalJSON decodes with [Parse]. If it returns an error, s stays unchanged.
func (s *Set) UnmarshalJSON(data []byte) error {
	set, err := Parse(data)
	if err != nil {
		return err
	}
	*s = set
	return nil
}

// MarshalJSON returns a JSON array of the names, which is [] for the empty set. It
// returns an error for a set that [Parse] would refuse.
func (s Set) MarshalJSON() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	text := []byte{'['}
	for i, c := range s {
		if i > 0 {
			text = append(text, ',')
		}
		var err error
		if text, err = jsontext.AppendQuote(text, string(c)); err != nil {
			return nil, fmt.Errorf("%w: name %d: %w", ErrName, i, err)
		}
	}
	if text = append(text, ']'); len(text) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(text), MaxBytes)
	}
	return text, nil
}
