package wire

import (
	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/internal/redact"
)

// Secret is a token or a code. JSON carries it; fmt and log/slog redact it. The zero
// value is the empty secret.
type Secret struct{ redact.Secret }

// NewSecret wraps s.
func NewSecret(s string) Secret { return Secret{redact.New(s)} }

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
