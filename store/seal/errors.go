package seal

import (
	"errors"
	"fmt"
)

// Errors that callers branch on. No message contains a secret, a plaintext or sealed
// bytes. The length of each message is bounded.
var (
	// ErrOpen: authentication failed. The value belongs to another place, or is sealed
	// under another secret, or somebody changed it. The error does not tell which.
	ErrOpen = errors.New("seal: cannot be opened")
	// ErrFormat: this package does not write values or texts of this form. The message
	// says what is wrong.
	ErrFormat = errors.New("seal: unknown format")
	// ErrKeyUnknown: the value is sealed under a server key that is not in the ring. The
	// error is a [*KeyUnknownError].
	ErrKeyUnknown = errors.New("seal: server key not in the ring")
	// ErrNoKey: a zero [Ring], [Box], [Key], [DataKey] or [Secret] has no key. A Secret
	// made from an empty string or without a purpose is zero too.
	ErrNoKey = errors.New("seal: no key")
	// ErrDuplicateKey: the same key is in the ring twice.
	ErrDuplicateKey = errors.New("seal: key is in the ring twice")
	// ErrPlace: a place has no kind or no id, or a box's row has no name.
	ErrPlace = errors.New("seal: the place or row to seal for is empty")
	// ErrUnsettled: every time [Rewrap] went through the store, it found values under
	// another key than the active one. Some node still seals under that key. Make the new
	// key active on that node and run Rewrap again.
	ErrUnsettled = errors.New("seal: another node still seals under an old key: make the new key active there")
	// ErrBatch: the batch for [Rewrap] is less than 1.
	ErrBatch = errors.New("seal: batch is less than 1")
)

// KeyUnknownError says which server key is missing in the ring. errors.Is(err,
// [ErrKeyUnknown]) reports true for it.
type KeyUnknownError struct {
	ID KeyID // of the key under which the value is sealed
}

func (e *KeyUnknownError) Error() string {
	return fmt.Sprintf("%v: %v", ErrKeyUnknown, e.ID)
}

// Is reports whether target is ErrKeyUnknown.
func (e *KeyUnknownError) Is(target error) bool { return target == ErrKeyUnknown }

// malformed returns an [ErrFormat] that says what is wrong with the input. reason is a
// constant, so that it contains no secret.
func malformed(reason string) error { return fmt.Errorf("%w: %s", ErrFormat, reason) }
