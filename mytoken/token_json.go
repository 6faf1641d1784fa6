package mytoken

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// maxPayloadDepth bounds the nesting of a payload: one level for the payload itself, and
// the levels that restrictions may have below it.
const maxPayloadDepth = 1 + restriction.MaxDepth

var errNotStrictObject = errors.New("not a JSON object, or not strict JSON")

// eachMember calls visit for each member of the JSON object in data, in order. It is
// strict: no name twice on any level, valid UTF-8, nothing after the object. Name and
// value are valid only during the call.
func eachMember(data []byte, visit func(name []byte, value jsontext.Value) error) error {
	v := memberVisitor{visit: visit}
	err := json.Unmarshal(data, &v)
	switch {
	case v.err != nil:
		return v.err // as it is, without the library's words
	case err != nil:
		return errNotStrictObject
	}
	return nil
}

// memberVisitor reads an object with a decoder that the library lends it. Making its own
// would cost more.
type memberVisitor struct {
	visit func(name []byte, value jsontext.Value) error
	err   error // what visit returned
}

// UnmarshalJSONFrom implements the interface of the JSON library.
func (v *memberVisitor) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '{' {
		return errNotStrictObject
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	buffer := make([]byte, 0, 32) // for names: the next ReadValue overwrites what the last one returned
	for dec.PeekKind() != '}' {
		quoted, err := dec.ReadValue()
		if err != nil {
			return err
		}
		name, err := jsontext.AppendUnquote(buffer[:0], quoted)
		if err != nil {
			return err
		}
		buffer = name
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if v.err = v.visit(name, value); v.err != nil {
			return v.err
		}
	}
	_, err := dec.ReadToken()
	return err
}

var (
	errNotText      = errors.New("need a string")
	errNotInteger   = errors.New("need a whole number within its bounds")
	errConfirmation = errors.New("bound to a key of its holder, which cannot be checked here")
)

// claimError says which claim is wrong.
type claimError struct {
	name  string
	cause error
}

func (e *claimError) Error() string { return "claim " + strconv.Quote(e.name) + ": " + e.cause.Error() }
func (e *claimError) Unwrap() error { return e.cause }

// refineClaims wraps an error of decode in the error of this package that fits.
func refineClaims(err error) error {
	kind := ErrTokenMalformed
	switch {
	case errors.Is(err, restriction.ErrTooLarge), errors.Is(err, capability.ErrTooLarge):
		kind = ErrTokenTooLarge
	case errors.Is(err, ErrTokenRestrictions):
		return err
	case isClaim(err, "restrictions"):
		kind = ErrTokenRestrictions
	}
	return fmt.Errorf("%w: %w", kind, err)
}

func isClaim(err error, name string) bool {
	claim, ok := errors.AsType[*claimError](err)
	return ok && claim.name == name
}

// readText reads a JSON string that a decoder returned.
func readText(value jsontext.Value) (string, error) {
	if value.Kind() != '"' {
		return "", errNotText
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), nil // the decoder has checked it
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return "", errNotText
	}
	return string(text), nil
}

// readInteger reads a JSON number that is written as a whole number.
func readInteger(value jsontext.Value, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || value.Kind() != '0' || n < least || n > most {
		return 0, errNotInteger
	}
	return n, nil
}
