// Package redact keeps secrets out of prints, logs and encodings.
//
// It offers two ways. Choose the first one that fits:
//
//   - A field of type [Secret] prints as [Placeholder]. The type around it needs no
//     methods, and its other fields stay readable.
//   - A type that must keep a secret in a plain field embeds [Hidden]. The whole type
//     then prints as [Placeholder].
//
// Embed Hidden under an unexported alias, so that the field is not part of an API:
//
//	type hidden = redact.Hidden
//
// If a type also wants to say something harmless about itself, it declares Format and
// MarshalText of its own. These two methods serve every verb of fmt, both handlers of
// log/slog and encoding/json.
package redact

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Placeholder appears in place of a secret.
const Placeholder = "[redacted]"

// Hidden makes a type that embeds it show [Placeholder] and nothing else, whatever
// prints, logs or encodes the type.
//
// Hidden cannot protect a value in an unexported field of another package's type: fmt
// prints such fields without calling their methods. A [Secret] is safe there too.
type Hidden struct{}

// String returns [Placeholder].
func (Hidden) String() string { return Placeholder }

// GoString returns [Placeholder].
func (Hidden) GoString() string { return Placeholder }

// Format writes [Placeholder] for every verb.
func (Hidden) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Placeholder) }

// MarshalText returns [Placeholder]. Encoders of JSON and XML use it.
func (Hidden) MarshalText() ([]byte, error) { return []byte(Placeholder), nil }

// LogValue returns [Placeholder].
func (Hidden) LogValue() slog.Value { return slog.StringValue(Placeholder) }

type hidden = Hidden

// Secret contains a string that gives rights to its holder: a compact token, a short
// token, a code. It prints, logs and encodes as [Placeholder], also as a field of another
// value. Only [Secret.Reveal] returns the string. There is no decoder, because nobody can
// restore a redacted secret.
//
// The zero value is the empty secret. Compare with [Secret.Equal], not with ==. A Secret
// is immutable and safe for concurrent use.
type Secret struct {
	hidden
	// fmt prints the unexported fields of an enclosing value without calling their
	// methods. It does not follow a pointer there.
	p *string
}

// New returns a secret that contains s.
func New(s string) Secret { return Secret{p: &s} }

// Reveal returns the string itself. It returns the empty string for the zero Secret.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// IsEmpty reports whether the string is empty.
func (s Secret) IsEmpty() bool { return s.Reveal() == "" }

// Equal reports whether two secrets are equal. The time that it takes depends only on
// their lengths.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}
