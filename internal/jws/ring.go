package jws

import "fmt"

// Bounds of a ring.
const (
	// MaxKeys is the most keys that a ring holds.
	MaxKeys = 32
	// MaxTries is the most keys that Verify tries for a message without a kid.
	MaxTries = 4
)

// Ring is an immutable set of public keys with distinct ids. The zero value and nil have
// no key and refuse every message.
type Ring struct {
	keys  []*PublicKey
	byID  map[string]*PublicKey
	known map[Fingerprint]struct{}
}

// NewRing returns a ring, which may be empty. It returns [ErrSet] for more than [MaxKeys]
// keys, for a nil key, and for two keys with the same id, because a message could not
// tell them apart.
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

// Keys returns the keys in the order of the arguments of NewRing. The caller must not
// change the slice.
func (r *Ring) Keys() []*PublicKey {
	if r == nil {
		return nil
	}
	return r.keys
}

// Key returns the key with this id, or nil.
func (r *Ring) Key(id string) *PublicKey {
	if r == nil {
		return nil
	}
	return r.byID[id]
}

// Holds reports whether the ring has a key with this fingerprint.
func (r *Ring) Holds(f Fingerprint) bool {
	if r == nil {
		return false
	}
	_, ok := r.known[f]
	return ok
}

// Verify checks the signature of m and returns the key that made it. If the message has a
// kid, Verify uses only that key. The reference server writes messages without a kid. For
// them, Verify tries at most [MaxTries] keys of the message's algorithm.
//
// Verify returns [ErrUnknownKey] if there is no such key, [ErrAlgorithm] if the named key
// is pinned to another algorithm, and [ErrSignature] if the signature does not match. If
// a message without a kid matches no key, the error is both [ErrSignature] and
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
		return nil, fmt.Errorf("%w: there is no key for %s", ErrUnknownKey, m.Header.Algorithm)
	}
	return nil, errNoneMatches
}

// errNoneMatches wraps both errors. Without a kid, nobody can tell a forged message from
// one signed with an unknown key.
var errNoneMatches = fmt.Errorf("%w, or %w", ErrSignature, ErrUnknownKey)
