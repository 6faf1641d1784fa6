package seal

import (
	"errors"
	"fmt"
)

// Errors that callers branch on. No message holds a secret, a plaintext or sealed bytes.
// The length of each is bounded.
var (
	// ErrOpen: authentication failed. The value belongs to another place, was sealed
	// under another secret, or was changed. The error does not tell which.
	ErrOpen = errors.New("seal: cannot be opened")
	// ErrFormat: the input is not of a form that this package writes.
	ErrFormat = errors.New("seal: unknown format")
	// ErrKeyUnknown: the value is sealed under a server key that is not in the ring. The
	// error is a [*KeyUnknownError].
	ErrKeyUnknown = errors.New("seal: server key not in the ring")
	// ErrNoKey: there is no key in a zero [Ring], [Box], [Key], [DataKey] or [Secret]. A
	// Secret made of an empty string or without a purpose is zero too.
	ErrNoKey = errors.New("seal: no key")
	// ErrDuplicateKey: the same key is in the ring twice.
	ErrDuplicateKey = errors.New("seal: key is in the ring twice")
	// ErrPlace: a place has no kind or no id, or a box's row has no name.
	ErrPlace = errors.New("seal: no place to seal for")
	// ErrUnsettled: each time [Rewrap] went over the store, it found values under another
	// key than the active one. Some node still has that other key active. Make the new
	// key active there and run Rewrap again.
	ErrUnsettled = errors.New("seal: another node still seals under an old key")
	// ErrBatch: [Rewrap] was given a batch of less than one value.
	ErrBatch = errors.New("seal: batch of less than one")
)

// KeyUnknownError says under which server key a value is sealed. errors.Is finds
// [ErrKeyUnknown] in it.
type KeyUnknownError struct {
	ID KeyID
}

func (e *KeyUnknownError) Error() string {
	return fmt.Sprintf("%v: %v", ErrKeyUnknown, e.ID)
}

// Is reports whether target is ErrKeyUnknown.
func (e *KeyUnknownError) Is(target error) bool { return target == ErrKeyUnknown }

// malformed says what is wrong with the input. reason is a constant, so that it holds no
// secret.
func malformed(reason string) error { return fmt.Errorf("%w: %s", ErrFormat, reason) }
