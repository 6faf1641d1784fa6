package jws

import "fmt"

// Bounds of a ring.
const (
	// MaxKeys is the number of keys that a ring holds at most.
	MaxKeys = 32
	// MaxTries is the number of keys that are tried at most for a message
	// without a kid.
	MaxTries = 4
)

// Ring is an immutable set of public keys with different ids. The zero value, and
// nil, hold no key and verify nothing.
type Ring struct {
	keys  []*PublicKey
	byID  map[string]*PublicKey
	known map[Fingerprint]struct{}
}

// NewRing makes a ring; it may be empty. It refuses with [ErrSet] more than
// [MaxKeys] keys, a nil key, and two keys with one id, because a message that
// names the id would be ambiguous.
func NewRing(keys ...*PublicKey) (*Ring, error) {
	if len(keys) > MaxKeys {
		return nil, fmt.Errorf("%w: %d keys, at most %d are allowed", ErrSet, len(keys), MaxKeys)
	}
	r := &Ring{
		keys:  make([]*PublicKey, 0, len(keys)),
		byID:  make(map[string]*PublicKey, len(keys)),
		known: make(map[Fingerprint]struct{}, len(keys)),
	}
	for i, k := range keys {
		if k == nil {
			return nil, fmt.Errorf("%w: key %d is missing", ErrSet, i)
		}
		if r.byID[k.id] != nil {
			return nil, fmt.Errorf("%w: two keys with the id %.64q", ErrSet, k.id)
		}
		r.keys = append(r.keys, k)
		r.byID[k.id] = k
		r.known[k.fingerprint] = struct{}{}
	}
	return r, nil
}

// Keys returns the keys in the order in which they were given. The caller must
// not change the slice.
func (r *Ring) Keys() []*PublicKey {
	if r == nil {
		return nil
	}
	return r.keys
}

// Key returns the key with an id, or nil.
func (r *Ring) Key(id string) *PublicKey {
	if r == nil {
		return nil
	}
	return r.byID[id]
}

// Holds reports whether a key with this fingerprint is in the ring.
func (r *Ring) Holds(f Fingerprint) bool {
	if r == nil {
		return false
	}
	_, ok := r.known[f]
	return ok
}

// Verify checks the signature of m and returns the key that it matches. A
// message with a kid is checked with that key only. A message without one, as
// the reference server writes them, is checked with the keys whose algorithm is
// its own, at most [MaxTries] of them.
//
// Errors: [ErrUnknownKey] if there is no such key, [ErrAlgorithm] if the named
// key is for another algorithm, [ErrSignature]. If the message names no key and
// those that were tried do not match, the error is [ErrSignature] as well as
// [ErrUnknownKey].
func (r *Ring) Verify(m *Message) (*PublicKey, error) {
	if m.Header.KeyID != "" {
		k := r.Key(m.Header.KeyID)
		if k == nil {
			return nil, fmt.Errorf("%w: kid %.64q", ErrUnknownKey, m.Header.KeyID)
		}
		if err := k.verify(m); err != nil {
			return nil, err
		}
		return k, nil
	}
	tries := 0
	for _, k := range r.Keys() {
		if k.algorithm != m.Header.Algorithm {
			continue
		}
		if k.verify(m) == nil {
			return k, nil
		}
		if tries++; tries == MaxTries {
			break
		}
	}
	if tries == 0 {
		return nil, fmt.Errorf("%w: none for %s", ErrUnknownKey, m.Header.Algorithm)
	}
	return nil, errNoneMatches
}

// errNoneMatches is both: without a kid, a forgery cannot be told from a message
// signed with a key that is not known.
var errNoneMatches = fmt.Errorf("%w, or %w", ErrSignature, ErrUnknownKey)
