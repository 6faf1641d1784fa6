package seal

import (
	"bytes"

	"github.com/mytoken-go/sdk/internal/redact"
)

// redacted makes the types that embed it print, log and encode as a placeholder.
type redacted = redact.Hidden

// material is key material. It is a function because fmt prints unexported fields without
// calling their methods. Of a function, fmt prints only an address.
type material func() []byte

// hide returns a copy of b as key material.
func hide(b []byte) material {
	c := bytes.Clone(b)
	return func() []byte { return c }
}
