package client

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/mytoken/internal/wire"
)

// use is the kind of a use, for rotation.
type use uint8

const (
	useUncounted use = iota
	useAT
	useOther
)

// rotates says whether a token has generations. What cannot be read may have.
func rotates(token Secret) bool { return mayRotate(token, useAT) || mayRotate(token, useOther) }

// mayRotate says whether the server may rotate a token because of a use. What cannot
// be read may: a short token, say. Nothing is verified: a holder who lies about his
// token harms himself.
func mayRotate(token Secret, u use) bool {
	r, readable := peekRotation(token.Reveal())
	switch {
	case u == useUncounted:
		return false
	case !readable:
		return true
	case u == useAT:
		return r.OnAT
	}
	return r.OnOther
}

// peekRotation reads the rotation out of a mytoken.
func peekRotation(token string) (r Rotation, readable bool) {
	var claims struct {
		TokenType string    `json:"token_type"`
		Rotation  *Rotation `json:"rotation"`
	}
	if !peek(token, &claims) || claims.TokenType != wire.GrantMytoken {
		return r, false
	}
	if claims.Rotation != nil {
		r = *claims.Rotation
	}
	return r, true
}

// peekExpiry reads the end out of a JWT.
func peekExpiry(token string) (expires time.Time, ok bool) {
	var claims struct {
		Expires float64 `json:"exp"` // NumericDate of RFC 7519 section 2
	}
	if !peek(token, &claims) || claims.Expires <= 0 || claims.Expires > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(claims.Expires), 0), true
}

// peek reads claims out of a JWT. Nothing is verified.
func peek(token string, claims any) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxTokenFile {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	return err == nil && json.Unmarshal(payload, claims) == nil
}
