package jws

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxHeaderBytes is the greatest length of a header, in bytes of its base64url form.
const MaxHeaderBytes = 4 << 10

// Header is the protected header of a message. A compact signature has no other. Decoding
// refuses members that could weaken a check, and ignores all others that are not here, as
// RFC 7515 section 4 demands.
type Header struct {
	Algorithm Algorithm
	KeyID     string // empty if the message names no key
	Type      string // as written
}

// decodeHeader decodes a header strictly. It must be one JSON object without repeated
// names, with names in their exact case, and with strings where strings belong.
// decodeHeader refuses "crit" and every member by which a message could bring or name a
// key of its own.
func decodeHeader(data []byte) (Header, error) {
	var h Header
	if err := json.Unmarshal(data, &h); err != nil {
		return Header{}, refineHeader(err)
	}
	return h, nil
}

// refineHeader turns an error of the JSON library into an error of this package that does
// not quote the input.
func refineHeader(err error) error {
	var refused *headerError
	if errors.As(err, &refused) {
		return refused
	}
	return fmt.Errorf("%w: the header is not strict JSON", ErrMalformed)
}

// UnmarshalJSONFrom reads the members one by one. The JSON library calls it.
func (h *Header) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '{' {
		return errHeaderObject
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		switch member := name.String(); member {
		case "alg":
			var alg string
			if alg, err = readString(dec, member); err == nil {
				h.Algorithm = Algorithm(alg)
			}
		case "kid":
			if h.KeyID, err = readString(dec, member); err == nil && h.KeyID == "" {
				err = &headerError{ErrMalformed, "kid is empty"}
			}
		case "typ":
			h.Type, err = readString(dec, member)
		case "crit":
			err = &headerError{ErrHeader, "crit demands extensions, and there are none"}
		case "jwk", "jku", "x5c", "x5u", "x5t", "x5t#S256":
			err = &headerError{ErrHeader, "a token cannot bring its own key (" + member + ")"}
		default:
			err = dec.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// headerError carries a reason through the JSON library.
type headerError struct {
	kind   error
	detail string
}

func (e *headerError) Error() string { return e.kind.Error() + ": " + e.detail }
func (e *headerError) Unwrap() error { return e.kind }

var errHeaderObject = &headerError{ErrMalformed, "the header is not a JSON object"}

func readString(dec *jsontext.Decoder, member string) (string, error) {
	if dec.PeekKind() != '"' {
		return "", &headerError{ErrMalformed, member + " is not a string"}
	}
	tok, err := dec.ReadToken()
	if err != nil {
		return "", err
	}
	return tok.String(), nil
}
