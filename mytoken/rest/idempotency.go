package rest

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"strings"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// maxIdempotencyKey bounds a key, in characters.
const maxIdempotencyKey = 255

var errIdempotencyKey = &requestError{http.StatusBadRequest, wire.HeaderIdempotencyKey + ": send it once, and write the key in double quotes: " +
	"1 to 255 printable ASCII characters, such as 128 random bits in hexadecimal"}

// useID returns the id of a use from the header Idempotency-Key (protocol section 5.0.9),
// or the zero id without such a header. operation and arguments are part of the id, so
// that the key of one request does not make another one free. The issuer binds the id to
// the token.
func (c *call) useID(operation string, arguments ...string) (id issuer.UseID, err error) {
	values := c.r.Header.Values(wire.HeaderIdempotencyKey)
	if len(values) == 0 {
		return id, nil
	}
	key, ok := quoted(values[0])
	if !ok || len(values) > 1 {
		return id, errIdempotencyKey
	}
	h := sha256.New()
	for _, part := range append([]string{"mytoken: idempotency key", key, operation}, arguments...) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return issuer.UseID(h.Sum(nil)[:len(id)]), nil
}

// quoted reads a structured field that is a string without parameters (RFC 9651 section
// 3.3.3).
func quoted(field string) (text string, ok bool) {
	field = strings.Trim(field, " \t")
	if len(field) < 2 || field[0] != '"' || field[len(field)-1] != '"' {
		return "", false
	}
	var b strings.Builder
	inner := field[1 : len(field)-1]
	for i := 0; i < len(inner); i++ {
		switch ch := inner[i]; {
		case ch == '\\':
			if i++; i == len(inner) || inner[i] != '"' && inner[i] != '\\' {
				return "", false
			}
		case ch < ' ' || ch > '~' || ch == '"':
			return "", false
		}
		b.WriteByte(inner[i])
	}
	return b.String(), b.Len() > 0 && b.Len() <= maxIdempotencyKey
}
