package pages

import (
	"math"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
)

// rotationWords says in words when a token is replaced. It says nothing if it never is.
func rotationWords(r *mytoken.Rotation) string {
	if !rotates(r) {
		return ""
	}
	var when []string
	if r.OnAT {
		when = append(when, "after each access token")
	}
	if r.OnOther {
		when = append(when, "after each other use")
	}
	text := "The token is replaced by a new one " + strings.Join(when, " and ") + "."
	if r.Lifetime > 0 {
		text += " Each one lasts " + lifetimeWords(generation(r)) + "."
	}
	if r.AutoRevoke {
		text += " If an old one is used again, all are revoked."
	}
	return text
}

// rotates reports whether some use replaces the token.
func rotates(r *mytoken.Rotation) bool { return r != nil && (r.OnAT || r.OnOther) }

// generation returns how long each token lasts that rotation puts in place of another.
func generation(r *mytoken.Rotation) time.Duration {
	return time.Duration(min(r.Lifetime, math.MaxInt64/uint64(time.Second))) * time.Second
}
