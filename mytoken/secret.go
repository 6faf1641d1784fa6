package mytoken

import "github.com/mytoken-go/sdk/internal/redact"

// Secret holds a string that gives rights to its holder: a compact token, a short token,
// or a code. It prints, logs and encodes as "[redacted]", also inside another value. Only
// its method Reveal returns the string. A Secret cannot be decoded, because "[redacted]"
// would be read as a secret.
//
// The zero value is the empty secret. Compare with its method Equal, not with ==. A
// Secret is immutable and safe for concurrent use.
type Secret = redact.Secret

// NewSecret returns a Secret that holds s.
func NewSecret(s string) Secret { return redact.New(s) }
