// Package redact keeps secrets out of what programs print, log and encode.
//
// It offers two ways. Choose the first one that fits:
//
//   - A field of type [Secret] prints as [Placeholder]. The type around it needs no
//     methods, and the rest of it stays readable.
//
//   - A type that must hold a secret in a plain field embeds [Hidden] and prints as
//     [Placeholder] as a whole. Embed it under an unexported alias, so that the field
//     is no part of an API:
//
//     type hidden = redact.Hidden
//
// A type that also wants to say something harmless about itself declares Format and
// MarshalText of its own. These two reach every verb of fmt, both handlers of log/slog
// and encoding/json.
package redact

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Placeholder is what stands in place of a secret.
const Placeholder = "[redacted]"

// Hidden is embedded by types that show [Placeholder] and nothing else, whatever prints,
// logs or encodes them.
//
// Hidden cannot protect a value in an unexported field of another package's type: fmt
// reads such fields without asking any method. A [Secret] is safe there too.
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

// Secret holds a string that gives rights to its holder: a compact token, a short token,
// a code. It prints, logs and encodes as [Placeholder], also as a field of another value.
// Only [Secret.Reveal] returns the string. There is no decoder, on purpose: a redacted
// secret cannot come back.
//
// The zero value is the empty secret. Compare with [Secret.Equal], not with ==.
// A Secret is immutable and safe for concurrent use.
type Secret struct {
	hidden
	// fmt prints the unexported fields of an enclosing value without asking any method.
	// It does not follow a pointer there.
	p *string
}

// New wraps s.
func New(s string) Secret { return Secret{p: &s} }

// Reveal returns the string itself.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// IsEmpty reports whether the string is empty.
func (s Secret) IsEmpty() bool { return s.Reveal() == "" }

// Equal compares two secrets. The time it takes depends on their lengths only.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}
