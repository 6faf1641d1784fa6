package mytoken

import "github.com/mytoken-go/sdk/internal/redact"

// Redacted is what a [Secret] shows of itself.
const Redacted = redact.Placeholder

// Secret holds a string whose possession is a right: a compact token, a short
// token, a code. It shows [Redacted] wherever values are printed, logged or
// encoded, also as a field of another value; its method Reveal is the only way to
// the string. It has no decoder, on purpose: what was redacted cannot come back.
//
// The zero value is the empty secret. Compare with its method Equal, not with ==.
// A Secret is immutable and safe for concurrent use.
type Secret = redact.Secret

// NewSecret wraps s.
func NewSecret(s string) Secret { return redact.New(s) }
