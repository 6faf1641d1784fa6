package seal

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
)

// material is key material. It is a function so that nothing that prints or
// compares by reflection, fields of fields included, gets at the bytes: it
// finds an address.
type material func() []byte

// hide copies b.
func hide(b []byte) material {
	c := bytes.Clone(b)
	return func() []byte { return c }
}

// redacted is embedded in what holds a secret. Only the type's name shows.
type redacted struct{}

const redactedText = "[redacted]"

// String returns "[redacted]".
func (redacted) String() string { return redactedText }

// GoString returns "[redacted]".
func (redacted) GoString() string { return redactedText }

// Format writes "[redacted]" for every verb.
func (redacted) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redactedText) }

// MarshalText returns "[redacted]".
func (redacted) MarshalText() ([]byte, error) { return []byte(redactedText), nil }

// MarshalJSON returns "[redacted]" as a JSON string.
func (redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedText + `"`), nil }

// LogValue returns "[redacted]".
func (redacted) LogValue() slog.Value { return slog.StringValue(redactedText) }
