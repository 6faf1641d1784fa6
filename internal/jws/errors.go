package jws

import "errors"

// What a caller can branch on. Package mytoken exports them under its own names,
// hence the prefix of the messages. No message holds key material or any part of
// a token that is a secret.
var (
	// ErrTooLarge reports input above a limit; nothing of it was decoded.
	ErrTooLarge = errors.New("mytoken: input exceeds a limit")
	// ErrMalformed reports a string that is not a compact signature in its one
	// accepted spelling.
	ErrMalformed = errors.New("mytoken: malformed token")
	// ErrHeader reports a header that asks for something that is not supported,
	// such as "crit" or a key of its own.
	ErrHeader = errors.New("mytoken: token header not accepted")
	// ErrType reports that "typ" is missing or another one than required.
	ErrType = errors.New("mytoken: wrong type of token")
	// ErrAlgorithm reports an algorithm that is unknown, forbidden, or not the
	// one of the key.
	ErrAlgorithm = errors.New("mytoken: signature algorithm not accepted")
	// ErrUnknownKey reports that the ring holds no key for the message.
	ErrUnknownKey = errors.New("mytoken: token signed with an unknown key")
	// ErrSignature reports a signature that does not match.
	ErrSignature = errors.New("mytoken: signature of the token does not match")
	// ErrKey reports a key that is missing, weak or unsuitable.
	ErrKey = errors.New("mytoken: unsuitable key")
	// ErrSet reports a JWK set that is refused as a whole.
	ErrSet = errors.New("mytoken: key set not accepted")
	// ErrSigning reports that a signer failed or answered with nonsense.
	ErrSigning = errors.New("mytoken: signing failed")
)
