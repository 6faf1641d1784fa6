package seal

// Box seals what a service keeps in tables of its own, such as the compact tokens of jobs
// that wait. Each value is bound to the name of its row and does not open in another row.
// Boxes and rings do not open each other's values, even under the same keys. A Box is
// immutable and safe for concurrent use. A nil or zero Box returns [ErrNoKey] wherever it
// needs a key.
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

// Seal seals under the active key. The row names table, row and column, for example
// "jobs/4711/token". It must be unique and never change. It need not be secret. Seal
// returns [ErrNoKey], or [ErrPlace] if row is empty.
func (b *Box) Seal(row string, plaintext []byte) ([]byte, error) {
	if row == "" {
		return nil, ErrPlace
	}
	return b.keys().seal(boxed, []byte(row), plaintext)
}

// Open opens what Seal returned for the same row. It returns [ErrOpen], [ErrFormat],
// [ErrKeyUnknown], [ErrNoKey] or [ErrPlace].
func (b *Box) Open(row string, sealed []byte) ([]byte, error) {
	if row == "" {
		return nil, ErrPlace
	}
	return b.keys().open(boxed, []byte(row), sealed)
}

// Reseal puts a value under the active key. If it is under the active key already, Reseal
// returns no value and false. It returns the errors of Open. Store the result only if the
// row still holds the old value.
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
