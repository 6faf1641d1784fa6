package seal

import (
	"errors"
	"fmt"
)

// Errors that callers branch on. No message holds a secret, a plaintext or
// sealed bytes, and each is of bounded length.
var (
	// ErrOpen: authentication failed. The value belongs to another place, was
	// sealed under another secret, or was changed. Which of these is not told.
	ErrOpen = errors.New("seal: cannot be opened")
	// ErrFormat: what was to be read is not of a form that this package
	// writes.
	ErrFormat = errors.New("seal: unknown format")
	// ErrKeyUnknown: sealed under a server key that is not in the ring. The
	// error is a *KeyUnknownError.
	ErrKeyUnknown = errors.New("seal: server key not in the ring")
	// ErrNoKey: a zero Ring, Box, Key, DataKey or Secret. Also a Secret made
	// of an empty string or without a purpose.
	ErrNoKey = errors.New("seal: no key")
	// ErrDuplicateKey: a ring with the same key twice.
	ErrDuplicateKey = errors.New("seal: key is in the ring twice")
	// ErrPlace: a place without kind or id, or a box's row without a name.
	ErrPlace = errors.New("seal: no place to seal for")
	// ErrUnsettled: [Rewrap] went over the store again and again, and always
	// found values under another key than the active one: a node that still
	// has another key active is writing.
	ErrUnsettled = errors.New("seal: another node still seals under an old key")
	// ErrBatch: [Rewrap] was told to take less than one value at a time.
	ErrBatch = errors.New("seal: batch of less than one")
)

// KeyUnknownError says under which server key a value is sealed. It is
// [ErrKeyUnknown].
type KeyUnknownError struct {
	ID KeyID
}

func (e *KeyUnknownError) Error() string {
	return fmt.Sprintf("%v: %v", ErrKeyUnknown, e.ID)
}

// Is reports whether target is ErrKeyUnknown.
func (e *KeyUnknownError) Is(target error) bool { return target == ErrKeyUnknown }

// malformed says what of the format is wrong; reason is a constant.
func malformed(reason string) error { return fmt.Errorf("%w: %s", ErrFormat, reason) }
