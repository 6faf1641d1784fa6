package client

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/internal/wire"
	"github.com/mytoken-go/sdk/restriction"
)

// use is the kind of a use, as rotation distinguishes them.
type use uint8

const (
	useUncounted use = iota
	useAT
	useOther
)

// rotates reports whether a token may have several generations.
func rotates(token mytoken.Secret) bool { return mayRotate(token, useAT) || mayRotate(token, useOther) }

// mayRotate reports whether the server may rotate a token because of a use. An unreadable
// token, such as a short token, may rotate. Nothing is verified: a holder who changes the
// token harms only themselves.
func mayRotate(token mytoken.Secret, u use) bool {
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

// peekRotation reads the rotation in a mytoken.
func peekRotation(token string) (r mytoken.Rotation, readable bool) {
	var claims struct {
		TokenType string   `json:"token_type"`
		Rotation  rotation `json:"rotation"`
	}
	if !peek(token, &claims) || claims.TokenType != wire.GrantMytoken {
		return r, false
	}
	return mytoken.Rotation(claims.Rotation), true
}

// peekRestrictions reads the restrictions in a mytoken. A list that this package cannot
// read counts as unreadable.
func peekRestrictions(token string) (list restriction.List, readable bool) {
	var claims struct {
		TokenType    string         `json:"token_type"`
		Restrictions jsontext.Value `json:"restrictions"`
	}
	if !peek(token, &claims) || claims.TokenType != wire.GrantMytoken {
		return nil, false
	}
	if isNull(claims.Restrictions) {
		return nil, true
	}
	list, err := restriction.Parse(claims.Restrictions)
	return list, err == nil
}

// peekCapabilities reads the capabilities in a mytoken, or nil if this package cannot read
// them. A mytoken has at least one.
func peekCapabilities(token string) capability.Set {
	var claims struct {
		TokenType    string         `json:"token_type"`
		Capabilities jsontext.Value `json:"capabilities"`
	}
	if !peek(token, &claims) || claims.TokenType != wire.GrantMytoken {
		return nil
	}
	set, err := capability.Parse(claims.Capabilities)
	if err != nil {
		return nil
	}
	return set
}

// peekExpiry reads when a JWT expires.
func peekExpiry(token string) (expires time.Time, ok bool) {
	var claims struct {
		Expires float64 `json:"exp"` // NumericDate of RFC 7519 section 2
	}
	readable := peek(token, &claims)
	return numericDate(claims.Expires, readable)
}

// peekBeginning reads from when a JWT is valid.
func peekBeginning(token string) (begins time.Time, ok bool) {
	var claims struct {
		NotBefore float64 `json:"nbf"` // NumericDate of RFC 7519 section 2
	}
	readable := peek(token, &claims)
	return numericDate(claims.NotBefore, readable)
}

func numericDate(seconds float64, readable bool) (t time.Time, ok bool) {
	if !readable || seconds <= 0 || seconds > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// peek reads claims of a JWT. It verifies nothing.
func peek(token string, claims any) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxTokenFile {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	return err == nil && json.Unmarshal(payload, claims) == nil
}
