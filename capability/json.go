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

// Limits of a set. This package checks them before it does any work that costs more than
// the check.
const (
	MaxBytes  = 16 << 10 // bytes of the JSON text of a set
	MaxCount  = 128      // names in a set
	MaxLength = 128      // bytes of one name
)

var (
	// ErrSyntax reports text that is not a JSON array of strings. [ParseRequest] also
	// accepts a JSON string.
	ErrSyntax = errors.New("capability: not a list of names")
	// ErrTooLarge reports a set that exceeds [MaxBytes], [MaxCount] or [MaxLength].
	ErrTooLarge = errors.New("capability: too large")
	// ErrName reports a name that is empty, is not UTF-8, or contains white space or
	// control characters.
	ErrName = errors.New("capability: malformed name")
)

// Parse decodes a JSON array of names. It keeps unknown names and repetitions. For all
// other text, including null, it returns [ErrSyntax], [ErrTooLarge] or [ErrName].
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

// ParseRequest decodes the two forms that a request may use: a JSON array of names, or a
// JSON string of names with spaces between them (protocol section 2.10). It keeps a name
// that begins with "@", the name of a template, and does not expand it. Its errors are
// those of [Parse].
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

// ParseString decodes names with spaces between them, as in a form field. It returns
// [ErrTooLarge] or [ErrName].
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

// UnmarshalJSON decodes s as [Parse] does. On an error s stays unchanged.
func (s *Set) UnmarshalJSON(data []byte) error {
	set, err := Parse(data)
	if err != nil {
		return err
	}
	*s = set
	return nil
}

// MarshalJSON returns a JSON array of the names. It returns [] for the empty set and for
// nil. It returns an error for a set that [Parse] would refuse.
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
