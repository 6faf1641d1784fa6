package seal

import (
	"bytes"

	"github.com/mytoken-go/sdk/internal/redact"
)

// redacted is embedded by the types that hold a secret. Only the name of the type shows.
type redacted = redact.Hidden

// material is key material. It is a function, because fmt reads unexported fields without
// asking any method. Of a function it finds only an address, not the bytes.
type material func() []byte

// hide copies b.
func hide(b []byte) material {
	c := bytes.Clone(b)
	return func() []byte { return c }
}
