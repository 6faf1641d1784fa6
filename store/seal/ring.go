package seal

import (
	"fmt"

	"github.com/mytoken-go/sdk/store"
)

// RingConfig holds the server keys of a [Ring] or a [Box].
type RingConfig struct {
	// Active seals new values. Required.
	Active Key
	// Others are keys under which older values may be sealed. They only open values.
	// Others may be empty. [Ring.Lookup] returns ids in the order of the keys.
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

// Ring seals secrets for a store, and opens them again. Every sealed value is bound to
// its [store.Place] and does not open at another place. A Ring is immutable and safe for
// concurrent use. It keeps no slice that it is given. The methods of a nil or zero Ring
// that need a key return [ErrNoKey].
type Ring struct {
	redacted
	outer   outerKeys
	lookups []material // same order
}

// NewRing returns a ring with these keys. It returns [ErrNoKey] if one of them is zero,
// and [ErrDuplicateKey] if the same key occurs twice.
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

// Active returns the id of the key under which the ring seals. It is zero for a nil or
// zero Ring.
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

// Seal seals plaintext in one layer, under the active server key. Use it for values that
// the server has to read without a token. Sealing the same plaintext again gives another
// value. So when you repeat a step of the store, pass the value that you sealed first.
// Seal returns [ErrPlace] if the place has no kind or no id, and [ErrNoKey] for a nil or
// zero Ring.
func (r *Ring) Seal(place store.Place, plaintext []byte) (store.Sealed, error) {
	binding, err := bind(place)
	if err != nil {
		return nil, err
	}
	return r.keys().seal(oneLayer, binding, plaintext)
}

// Open returns the plaintext of a value that [Ring.Seal] returned for the same place. It
// returns [ErrOpen], [ErrFormat], [ErrKeyUnknown], [ErrNoKey] or [ErrPlace].
func (r *Ring) Open(place store.Place, sealed store.Sealed) ([]byte, error) {
	binding, err := bind(place)
	if err != nil {
		return nil, err
	}
	return r.keys().open(oneLayer, binding, sealed)
}

// SealWith seals plaintext in two layers: the inner one under key, the outer one under
// the active server key. Neither key alone opens the value. SealWith returns the errors
// of [Ring.Seal], and [ErrNoKey] if key is nil or zero.
func (r *Ring) SealWith(place store.Place, key InnerKey, plaintext []byte) (store.Sealed, error) {
	binding, k, err := bindWith(place, key)
	if err != nil {
		return nil, err
	}
	inner := make([]byte, 0, gcmSize+len(plaintext))
	inner = gcm(k).Seal(inner, nil, plaintext, binding)
	return r.keys().seal(twoLayers, binding, inner)
}

// OpenWith returns the plaintext of a value that [Ring.SealWith] returned for the same
// place and key. It returns [ErrOpen] for a wrong key, [ErrNoKey] if key is nil or zero,
// and otherwise the errors of [Ring.Open].
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

// Reseal seals the item again, under the active server key, and returns the new value
// with true. Only the outer layer changes, so Reseal needs no token. If the item is under
// the active key already, Reseal does not open it, and returns nil and false. It returns
// the errors of [Ring.Open].
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
