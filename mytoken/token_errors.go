package mytoken

import (
	"errors"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/jws"
)

// Why a string is not accepted as a token. [Verifier.Verify] wraps each of them
// in an [InvalidTokenError]. No message holds the token or a part of it that is
// a secret.
var (
	// ErrTokenTooLarge: a limit is exceeded (see [MaxTokenBytes]); nothing was
	// decoded.
	ErrTokenTooLarge = jws.ErrTooLarge
	// ErrTokenMalformed: not a compact signature in its one accepted spelling,
	// or claims that are not strict JSON of the right types.
	ErrTokenMalformed = jws.ErrMalformed
	// ErrTokenHeader: the header asks for an extension, or brings a key.
	ErrTokenHeader = jws.ErrHeader
	// ErrTokenType: "typ" or "token_type" is not that of a mytoken.
	ErrTokenType = jws.ErrType
	// ErrTokenAlgorithm: the algorithm is unknown, forbidden, or not that of the
	// key.
	ErrTokenAlgorithm = jws.ErrAlgorithm
	// ErrTokenKey: signed with a key that is not, or not any more, the issuer's.
	ErrTokenKey = jws.ErrUnknownKey
	// ErrTokenSignature: the signature does not match.
	ErrTokenSignature = jws.ErrSignature
	// ErrTokenVersion: a version of the token format that is not understood.
	ErrTokenVersion = errors.New("mytoken: version of the token not supported")
	// ErrTokenIssuer: "iss" or "aud" names somebody else.
	ErrTokenIssuer = errors.New("mytoken: token of another issuer")
	// ErrTokenSubject: "sub" does not follow from "oidc_sub" and "oidc_iss".
	ErrTokenSubject = errors.New("mytoken: subject of the token does not match")
	// ErrTokenExpired: after "exp".
	ErrTokenExpired = errors.New("mytoken: token has expired")
	// ErrTokenNotYetValid: before "nbf" or "iat"; see [NotYetValidError].
	ErrTokenNotYetValid = errors.New("mytoken: token is not valid yet")
	// ErrTokenRestrictions: the restrictions cannot be understood.
	ErrTokenRestrictions = errors.New("mytoken: restrictions of the token not accepted")
)

// NotYetValidError is an [ErrTokenNotYetValid] that says from when on the token is
// valid. Its signature was checked.
type NotYetValidError struct {
	From time.Time
}

func (e *NotYetValidError) Error() string {
	return ErrTokenNotYetValid.Error() + ": not before " + e.From.UTC().Format(time.RFC3339)
}

// Is reports whether target is [ErrTokenNotYetValid].
func (e *NotYetValidError) Is(target error) bool { return target == ErrTokenNotYetValid }

// InvalidTokenError says that a string is not a token that the verifier accepts,
// and why: Err is, or wraps, one of the ErrToken… values. Whatever else a
// verifier answers is not about the token, but about the verifier's own means.
type InvalidTokenError struct {
	Err error
}

// Error returns the reason.
func (e *InvalidTokenError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *InvalidTokenError) Unwrap() error { return e.Err }

// CapabilityError says that the token lacks a capability
// (insufficient_capabilities).
type CapabilityError struct {
	Needed capability.Capability
}

func (e *CapabilityError) Error() string {
	return fmt.Sprintf("mytoken: the token does not have the capability %q", string(e.Needed))
}
