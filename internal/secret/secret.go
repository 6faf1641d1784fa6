// Package secret holds the type of strings whose possession is a right.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what a [Secret] shows of itself.
const Redacted = "[redacted]"

// Secret holds a string whose possession is a right: a compact token, a short
// token, a code. It shows [Redacted] wherever values are printed, logged or
// encoded, also as a field of another value; [Secret.Reveal] is the only way to
// the string. It has no decoder, on purpose: what was redacted cannot come back.
//
// The zero value is the empty secret. Compare with [Secret.Equal], not with ==.
// A Secret is immutable and safe for concurrent use.
type Secret struct {
	// A pointer, because fmt prints the unexported fields of an enclosing value
	// without asking any method, and then stops at the address.
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

// IsEmpty reports whether there is nothing to reveal.
func (s Secret) IsEmpty() bool { return s.p == nil || *s.p == "" }

// Equal compares in a time that depends on the lengths only.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns [Redacted].
func (s Secret) String() string { return Redacted }

// GoString returns [Redacted].
func (s Secret) GoString() string { return Redacted }

// Format writes [Redacted], whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// MarshalText returns [Redacted]. Encoders of JSON and XML use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// LogValue returns [Redacted].
func (s Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }
