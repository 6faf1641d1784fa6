package mytoken

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Rotation says when the next generation replaces a token (protocol section 4.1). With
// the zero value that never happens.
type Rotation struct {
	OnAT       bool   // after an access token was obtained
	OnOther    bool   // after any other use
	Lifetime   uint64 // of each generation, in seconds; 0 = no limit
	AutoRevoke bool   // revoke the tree when an outdated generation is presented
}

// maxRotationLifetime bounds the lifetime of a generation, in seconds: 100 years of 365
// days.
const maxRotationLifetime = 100 * 365 * 24 * 60 * 60

// ErrRotation reports JSON text that is not a rotation object.
var ErrRotation = errors.New("mytoken: malformed rotation")

// Validate returns [ErrRotation] if Lifetime is longer than 100 years of 365 days.
func (r Rotation) Validate() error {
	if r.Lifetime > maxRotationLifetime {
		return fmt.Errorf("%w: lifetime of %d seconds, at most %d are allowed", ErrRotation, r.Lifetime, uint64(maxRotationLifetime))
	}
	return nil
}

func (r *Rotation) clone() *Rotation {
	if r == nil {
		return nil
	}
	copied := *r
	return &copied
}

// maxRotationBytes bounds the JSON text of a rotation object.
const maxRotationBytes = 1 << 10

// UnmarshalJSON is strict. It reads an object with the four names of protocol section
// 4.1, each at most once, in its exact case, with a value of its type. It refuses an
// unknown name, because ignoring it could let a token live longer than was asked for. On
// an error, which wraps [ErrRotation], r stays unchanged.
func (r *Rotation) UnmarshalJSON(data []byte) error {
	if len(data) > maxRotationBytes {
		return fmt.Errorf("%w: more than %d bytes", ErrRotation, maxRotationBytes)
	}
	var read Rotation
	err := eachMember(data, func(name []byte, value jsontext.Value) error {
		switch string(name) {
		case "on_AT":
			return readRotationBool(value, &read.OnAT)
		case "on_other":
			return readRotationBool(value, &read.OnOther)
		case "auto_revoke":
			return readRotationBool(value, &read.AutoRevoke)
		case "lifetime":
			seconds, err := strconv.ParseUint(string(value), 10, 64)
			if err != nil {
				return errors.New("lifetime is not a whole number of seconds")
			}
			read.Lifetime = seconds
			return nil
		}
		return fmt.Errorf("unknown name %.32q", name)
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRotation, err)
	}
	if err := read.Validate(); err != nil {
		return err
	}
	*r = read
	return nil
}

func readRotationBool(value jsontext.Value, to *bool) error {
	switch value.Kind() {
	case 't':
		*to = true
	case 'f':
		*to = false
	default:
		return errors.New("a value is neither true nor false")
	}
	return nil
}

// MarshalJSON omits members that are false or 0 (protocol section 4.1).
func (r Rotation) MarshalJSON() ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	text := []byte{'{'}
	member := func(name, value string) {
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(text, `"`+name+`":`+value...)
	}
	if r.OnAT {
		member("on_AT", "true")
	}
	if r.OnOther {
		member("on_other", "true")
	}
	if r.Lifetime > 0 {
		member("lifetime", strconv.FormatUint(r.Lifetime, 10))
	}
	if r.AutoRevoke {
		member("auto_revoke", "true")
	}
	return append(text, '}'), nil
}

// Expiry returns when the lifetime of a generation that is issued at now ends. It returns
// the zero time if r is nil or has no lifetime.
func (r *Rotation) Expiry(now time.Time) time.Time {
	if r == nil || r.Lifetime == 0 {
		return time.Time{}
	}
	return now.Add(time.Duration(r.Lifetime) * time.Second)
}
