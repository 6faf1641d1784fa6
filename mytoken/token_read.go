package mytoken

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

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

// refineClaims sorts what decode met under the errors of this package.
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
