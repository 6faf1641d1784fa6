package jws

import "errors"

// The errors of this package. Package mytoken exports them, so their texts begin with its
// name. No text contains key material or a secret part of a token.
var (
	// ErrTooLarge reports input above a limit. None of it was decoded.
	ErrTooLarge = errors.New("mytoken: input exceeds a limit")
	// ErrMalformed reports a string that is not a compact signature in the accepted
	// spelling.
	ErrMalformed = errors.New("mytoken: malformed token")
	// ErrHeader reports a header with "crit" or with a key of its own.
	ErrHeader = errors.New("mytoken: token header not accepted")
	// ErrType reports a "typ" that is missing or not the required one.
	ErrType = errors.New("mytoken: wrong type of token")
	// ErrAlgorithm reports an algorithm that is unknown, forbidden, or not that of the
	// key.
	ErrAlgorithm = errors.New("mytoken: signature algorithm not accepted")
	// ErrUnknownKey reports a message for which the ring has no key.
	ErrUnknownKey = errors.New("mytoken: token signed with an unknown key")
	// ErrSignature reports a signature that does not match.
	ErrSignature = errors.New("mytoken: signature of the token does not match")
	// ErrKey reports a key that is missing, weak or unsuitable.
	ErrKey = errors.New("mytoken: unsuitable key")
	// ErrSet reports a JWK set, or a list of keys, that this package refuses as a whole.
	ErrSet = errors.New("mytoken: key set not accepted")
	// ErrSigning reports a signer that failed or did not return a signature, or a missing
	// typ.
	ErrSigning = errors.New("mytoken: signing failed")
)
