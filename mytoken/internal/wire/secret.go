package wire

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/go-json-experiment/json"
)

// redacted is what a Secret shows of itself.
const redacted = "[redacted]"

// Secret is a token or a code on its way. JSON carries it; fmt and log/slog do
// not. The zero value is the empty secret.
type Secret struct {
	// A pointer, because fmt prints the unexported fields of an enclosing value
	// without asking any method, and then stops at the address.
	p *string
}

// NewSecret wraps s.
func NewSecret(s string) Secret { return Secret{p: &s} }

// Reveal returns the string itself.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// IsEmpty reports whether there is nothing to reveal.
func (s Secret) IsEmpty() bool { return s.Reveal() == "" }

// String returns a placeholder.
func (s Secret) String() string { return redacted }

// GoString returns a placeholder.
func (s Secret) GoString() string { return redacted }

// Format writes a placeholder, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON writes the string itself.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.Reveal()) }

// UnmarshalJSON reads a string or null.
func (s *Secret) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	*s = NewSecret(text)
	return nil
}
