package mytoken

import (
	"errors"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/jws"
)

// The reasons why [Verifier.Verify] refuses a string. It wraps each of them in an
// [InvalidTokenError]. No message shows a secret part of the token.
var (
	// ErrTokenTooLarge: the token exceeds a limit, such as the number of clauses. A token
	// above [MaxTokenBytes] is not decoded at all.
	ErrTokenTooLarge = jws.ErrTooLarge
	// ErrTokenMalformed: the string is not a compact signature in its one accepted
	// spelling, or the claims are not strict JSON of the right types.
	ErrTokenMalformed = jws.ErrMalformed
	// ErrTokenHeader: the header asks for an extension or contains a key.
	ErrTokenHeader = jws.ErrHeader
	// ErrTokenType: "typ" or "token_type" is not that of a mytoken.
	ErrTokenType = jws.ErrType
	// ErrTokenAlgorithm: the algorithm is unknown, forbidden, or not that of the key.
	ErrTokenAlgorithm = jws.ErrAlgorithm
	// ErrTokenKey: the token was not signed with a key that the issuer has now.
	ErrTokenKey = jws.ErrUnknownKey
	// ErrTokenSignature: the signature does not match.
	ErrTokenSignature = jws.ErrSignature
	// ErrTokenVersion: this package does not know the version of the token format.
	ErrTokenVersion = errors.New("mytoken: version of the token not supported")
	// ErrTokenIssuer: "iss" or "aud" names another issuer.
	ErrTokenIssuer = errors.New("mytoken: token of another issuer")
	// ErrTokenSubject: "sub" does not follow from "oidc_sub" and "oidc_iss".
	ErrTokenSubject = errors.New("mytoken: subject of the token does not match")
	// ErrTokenExpired: "exp" has passed.
	ErrTokenExpired = errors.New("mytoken: token has expired")
	// ErrTokenNotYetValid: "nbf" or "iat" lies in the future; see [NotYetValidError].
	ErrTokenNotYetValid = errors.New("mytoken: token is not valid yet")
	// ErrTokenRestrictions: the restrictions cannot be read.
	ErrTokenRestrictions = errors.New("mytoken: restrictions of the token not accepted")
)

// NotYetValidError is an [ErrTokenNotYetValid] for a token whose signature was checked.
type NotYetValidError struct {
	// From is when the token becomes valid.
	From time.Time
}

// Error says from when the token is valid.
func (e *NotYetValidError) Error() string {
	return ErrTokenNotYetValid.Error() + ": not before " + e.From.UTC().Format(time.RFC3339)
}

// Is reports whether target is [ErrTokenNotYetValid].
func (e *NotYetValidError) Is(target error) bool { return target == ErrTokenNotYetValid }

// InvalidTokenError says that a verifier refuses a token. Any other error of a verifier
// is about the verifier, not about the token.
type InvalidTokenError struct {
	// Err is, or wraps, the ErrToken… value that says why.
	Err error
}

// Error returns the reason.
func (e *InvalidTokenError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *InvalidTokenError) Unwrap() error { return e.Err }

// CapabilityError says that the token lacks a capability. The protocol calls this
// insufficient_capabilities.
type CapabilityError struct {
	Needed capability.Capability
}

// Error names the missing capability.
func (e *CapabilityError) Error() string {
	return fmt.Sprintf("mytoken: the token does not have the capability %q", string(e.Needed))
}
