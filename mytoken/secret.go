package mytoken

import "github.com/mytoken-go/sdk/internal/redact"

// Secret holds a string that gives rights to its holder: a compact token, a short token,
// a code. It prints, logs and encodes as "[redacted]", also as a field of another value.
// Only its method Reveal returns the string. There is no decoder, on purpose: a redacted
// secret cannot come back.
//
// The zero value is the empty secret. Compare with its method Equal, not with ==. A
// Secret is immutable and safe for concurrent use.
type Secret = redact.Secret

// NewSecret wraps s.
func NewSecret(s string) Secret { return redact.New(s) }
