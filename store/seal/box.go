package seal

// Box seals secrets that a service keeps in tables of its own, such as the compact tokens
// of waiting jobs. Each value is bound to the name of its row and does not open in
// another row. Boxes and rings do not open each other's values, even under the same keys.
// A Box is immutable and safe for concurrent use. The methods of a nil or zero Box return
// [ErrNoKey].
type Box struct {
	redacted
	outer outerKeys
}

// NewBox returns a box with these keys. It returns the errors of [NewRing].
func NewBox(config RingConfig) (*Box, error) {
	keys, err := config.keys()
	if err != nil {
		return nil, err
	}
	return &Box{outer: outer(keys, "mytoken seal v1 box")}, nil
}

// Seal seals plaintext under the active key. row names table, row and column, for example
// "jobs/4711/token". It must be unique and must never change. It need not be secret. Seal
// returns [ErrPlace] if row is empty, and [ErrNoKey] for a nil or zero Box.
func (b *Box) Seal(row string, plaintext []byte) ([]byte, error) {
	if row == "" {
		return nil, ErrPlace
	}
	return b.keys().seal(boxed, []byte(row), plaintext)
}

// Open returns the plaintext of a value that Seal returned for the same row. It returns
// [ErrOpen], [ErrFormat], [ErrKeyUnknown], [ErrNoKey] or [ErrPlace].
func (b *Box) Open(row string, sealed []byte) ([]byte, error) {
	if row == "" {
		return nil, ErrPlace
	}
	return b.keys().open(boxed, []byte(row), sealed)
}

// Reseal seals a value again, under the active key, and returns it with true. If the
// value is under the active key already, Reseal does not open it, and returns nil and
// false. It returns the errors of [Box.Open]. Store the result only if the row still
// holds the old value.
func (b *Box) Reseal(row string, sealed []byte) ([]byte, bool, error) {
	if row == "" {
		return nil, false, ErrPlace
	}
	return b.keys().reseal([]byte(row), sealed)
}

func (b *Box) keys() outerKeys {
	if b == nil {
		return nil
	}
	return b.outer
}
