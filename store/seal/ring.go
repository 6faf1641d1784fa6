package seal

import (
	"fmt"

	"github.com/mytoken-go/sdk/store"
)

// RingConfig holds server keys.
type RingConfig struct {
	// Active is the key under which new values are sealed. Required.
	Active Key
	// Others are keys under which older values may be sealed; they are for
	// reading only. Empty is fine. Their order is that in which codes are
	// looked up.
	Others []Key
}

// keys returns all keys, the active one first.
func (c *RingConfig) keys() ([]Key, error) {
	keys := append([]Key{c.Active}, c.Others...)
	seen := make(map[KeyID]bool, len(keys))
	for _, k := range keys {
		if k.IsZero() {
			return nil, ErrNoKey
		}
		id := k.ID()
		if seen[id] {
			return nil, fmt.Errorf("%w: %v", ErrDuplicateKey, id)
		}
		seen[id] = true
	}
	return keys, nil
}

// outer derives the keys of the outer layer for one use.
func outer(keys []Key, use string) outerKeys {
	out := make(outerKeys, 0, len(keys))
	for _, k := range keys {
		out = append(out, outerKey{id: k.ID(), key: hide(k.derive(use, keySize))})
	}
	return out
}

// Ring seals what a store keeps, and opens it again. It is immutable and safe
// for concurrent use. A place, see [store.Place], is part of everything that is
// sealed: at another place it does not open. The zero Ring fails with
// [ErrNoKey].
type Ring struct {
	redacted
	outer   outerKeys
	lookups []material // same order
}

// NewRing returns a ring with these keys. It fails with [ErrNoKey] if one of
// them is zero and with [ErrDuplicateKey] if one is there twice.
func NewRing(config RingConfig) (*Ring, error) {
	keys, err := config.keys()
	if err != nil {
		return nil, err
	}
	r := &Ring{outer: outer(keys, "mytoken seal v1 store")}
	for _, k := range keys {
		r.lookups = append(r.lookups, hide(k.derive("mytoken seal v1 look-up", keySize)))
	}
	return r, nil
}

// Active returns the id of the key under which the ring seals.
func (r *Ring) Active() KeyID {
	if len(r.keys()) == 0 {
		return KeyID{}
	}
	return r.outer[0].id
}

func (r *Ring) keys() outerKeys {
	if r == nil {
		return nil
	}
	return r.outer
}

// Seal seals in one layer, under the active server key: for what the server
// has to read without a token. Sealing the same again gives another value: who
// repeats a step of the store repeats it with the value sealed first. It fails
// with [ErrNoKey] or [ErrPlace], and keeps nothing it was given.
func (r *Ring) Seal(place store.Place, plaintext []byte) (store.Sealed, error) {
	binding, err := bind(place)
	if err != nil {
		return nil, err
	}
	return r.keys().seal(oneLayer, binding, plaintext)
}

// Open opens what [Ring.Seal] returned for the same place. It fails with
// [ErrOpen], [ErrFormat], [ErrKeyUnknown], [ErrNoKey] or [ErrPlace].
func (r *Ring) Open(place store.Place, sealed store.Sealed) ([]byte, error) {
	binding, err := bind(place)
	if err != nil {
		return nil, err
	}
	return r.keys().open(oneLayer, binding, sealed)
}

// SealWith seals in two layers: under key, and above it under the active server
// key. Neither key opens it alone. It fails as [Ring.Seal] does.
func (r *Ring) SealWith(place store.Place, key InnerKey, plaintext []byte) (store.Sealed, error) {
	binding, k, err := bindWith(place, key)
	if err != nil {
		return nil, err
	}
	inner := make([]byte, 0, gcmSize+len(plaintext))
	inner = gcm(k).Seal(inner, nil, plaintext, binding)
	return r.keys().seal(twoLayers, binding, inner)
}

// OpenWith opens what [Ring.SealWith] returned for the same place and key. It
// fails as [Ring.Open] does; a wrong key is [ErrOpen].
func (r *Ring) OpenWith(place store.Place, key InnerKey, sealed store.Sealed) ([]byte, error) {
	binding, k, err := bindWith(place, key)
	if err != nil {
		return nil, err
	}
	inner, err := r.keys().open(twoLayers, binding, sealed)
	if err != nil {
		return nil, err
	}
	plaintext, err := gcm(k).Open(nil, nil, inner, binding)
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

// Reseal puts the item under the active server key. Only the outer layer
// changes, so no token is needed. It reports false, and nothing else, if the
// item is under the active key already; then the item is not opened. It fails
// as [Ring.Open] does.
func (r *Ring) Reseal(item store.SealedItem) (store.Sealed, bool, error) {
	binding, err := bind(item.Place)
	if err != nil {
		return nil, false, err
	}
	return r.keys().reseal(binding, item.Sealed)
}

func bind(place store.Place) ([]byte, error) {
	if place.Kind == 0 || place.ID == "" {
		return nil, ErrPlace
	}
	return place.AAD(), nil
}

func bindWith(place store.Place, key InnerKey) ([]byte, []byte, error) {
	if key == nil {
		return nil, nil, ErrNoKey
	}
	k := key.innerKey()
	if k == nil {
		return nil, nil, ErrNoKey
	}
	binding, err := bind(place)
	return binding, k, err
}
