package sqlstore

import (
	"database/sql"
	"fmt"

	"github.com/mytoken-go/sdk/store"
)

// fixed scans a byte string into an array.
type fixed []byte

func scan(into []byte) fixed { return into }

// Scan implements [database/sql.Scanner]. NULL gives zeros.
func (f fixed) Scan(v any) error {
	if v == nil {
		clear(f)
		return nil
	}
	b, ok := v.([]byte)
	if !ok || len(b) != len(f) {
		return fmt.Errorf("sqlstore: a column does not hold an id of %d bytes", len(f))
	}
	copy(f, b)
	return nil
}

// orZero scans a column that may be NULL. NULL gives zero.
type orZero[T any] struct{ into *T }

// Scan implements [database/sql.Scanner].
func (o orZero[T]) Scan(v any) error {
	var n sql.Null[T]
	err := n.Scan(v)
	*o.into = n.V
	return err
}

// verdict scans death: whether a token is dead. It sets into to whether that is the case
// if dead is true, and to the contrary otherwise.
//
// NULL is no verdict. A MariaDB node answers like this, without an error, when it gives up
// a statement in favour of another node's transaction. Then Scan returns errChanged.
type verdict struct {
	into *bool
	dead bool
}

// Scan implements [database/sql.Scanner].
func (v verdict) Scan(value any) error {
	var n sql.NullBool
	if err := n.Scan(value); err != nil {
		return err
	}
	if !n.Valid {
		return errChanged
	}
	*v.into = n.Bool == v.dead
	return nil
}

// pathOf scans the ids of the ancestors. One column holds all of them, one after the
// other. NULL gives none.
type pathOf []store.TokenID

// Scan implements [database/sql.Scanner].
func (p *pathOf) Scan(v any) error {
	b, ok := v.([]byte)
	size := len(store.TokenID{})
	if v != nil && !ok || len(b)%size != 0 {
		return fmt.Errorf("sqlstore: a column does not hold a list of ids of %d bytes", size)
	}
	*p = nil
	for ; len(b) > 0; b = b[size:] {
		*p = append(*p, store.TokenID(b[:size]))
	}
	return nil
}

// joined returns ids as one value. It is the reverse of [pathOf].
func joined(ancestors []store.TokenID) []byte {
	out := make([]byte, 0, len(ancestors)*len(store.TokenID{}))
	for _, a := range ancestors {
		out = append(out, a[:]...)
	}
	return out
}
