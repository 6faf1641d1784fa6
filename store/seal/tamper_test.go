package seal_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// opener is one way to seal and open, with everything but the value fixed.
type opener struct {
	name   string
	sealed []byte
	open   func([]byte) ([]byte, error)
}

// openers returns each way once. The rings have two keys, because a changed id must not
// lead to the other key.
func openers(t testing.TB, key, other seal.Key) []opener {
	r, b := ring(t, key, other), box(t, key, other)
	place := store.RefreshTokenPlace(grantID(1), 1)
	dataKey := must(seal.ParseDataKey(bytes.Repeat([]byte{7}, 32)))
	secret := seal.FromSecret(seal.PurposeTicketKey, "code")
	plaintext := []byte("refresh token")
	return []opener{
		{"one layer", must(r.Seal(place, plaintext)), func(v []byte) ([]byte, error) { return r.Open(place, v) }},
		{"data key", must(r.SealWith(place, dataKey, plaintext)), func(v []byte) ([]byte, error) { return r.OpenWith(place, dataKey, v) }},
		{"secret", must(r.SealWith(place, secret, plaintext)), func(v []byte) ([]byte, error) { return r.OpenWith(place, secret, v) }},
		{"box", must(b.Seal("row", plaintext)), func(v []byte) ([]byte, error) { return b.Open("row", v) }},
	}
}

// TestTampering checks that a value does not open after any bit of it was flipped, or
// anything was cut off or added.
func TestTampering(t *testing.T) {
	for _, o := range openers(t, seal.NewKey(), seal.NewKey()) {
		t.Run(o.name, func(t *testing.T) {
			assert.Equal(t, "refresh token", string(must(o.open(o.sealed))))
			refused := func(v []byte, what string, at int) {
				got, err := o.open(v)
				assert.Nil(t, got, "%s %d", what, at)
				assert.True(t, errors.Is(err, seal.ErrOpen) || errors.Is(err, seal.ErrFormat) || errors.Is(err, seal.ErrKeyUnknown), "%s %d: %v", what, at, err)
			}
			for bit := range 8 * len(o.sealed) {
				v := bytes.Clone(o.sealed)
				v[bit/8] ^= 1 << (bit % 8)
				refused(v, "bit", bit)
			}
			for n := range len(o.sealed) {
				refused(o.sealed[:n], "first bytes", n)
				refused(o.sealed[n+1:], "cut at the front", n)
			}
			refused(append(bytes.Clone(o.sealed), 0), "appended", 0)
			refused(append(bytes.Clone(o.sealed), o.sealed...), "doubled", 0)
		})
	}
}

// TestWaysAreSeparate checks that a value sealed in one way does not open in another.
func TestWaysAreSeparate(t *testing.T) {
	all := openers(t, seal.NewKey(), seal.NewKey())
	for i, from := range all {
		for j, to := range all {
			if i == j {
				continue
			}
			for first := range 256 {
				v := bytes.Clone(from.sealed)
				v[0] = byte(first)
				_, err := to.open(v)
				assert.Error(t, err, "%s opens as %s", from.name, to.name)
			}
		}
	}
}

// FuzzOpen opens values as they may be in a database that an attacker has written to.
// Only values that were sealed open. All others give a typed error and no panic.
func FuzzOpen(f *testing.F) {
	key := must(seal.ParseKey(refKeyText(bytes.Repeat([]byte{9}, 32))))
	other := must(seal.ParseKey(refKeyText(bytes.Repeat([]byte{8}, 32))))
	ways := openers(f, key, other)
	for _, o := range ways {
		f.Add(o.sealed, uint8(store.PlaceRefreshToken), "id", uint64(1))
		f.Add(o.sealed[:37], uint8(0), "", uint64(0))
	}
	f.Add([]byte{}, uint8(1), "id", uint64(1))
	f.Add(make([]byte, 64), uint8(255), "id", uint64(1<<63))
	secret := seal.NewDataKey()
	active, rotated := ring(f, key, other), ring(f, other, key)
	boxes := box(f, key, other)

	f.Fuzz(func(t *testing.T, sealed []byte, kind uint8, id string, n uint64) {
		was := bytes.Clone(sealed)
		known := func(err error) bool {
			return errors.Is(err, seal.ErrOpen) || errors.Is(err, seal.ErrFormat) || errors.Is(err, seal.ErrKeyUnknown) || errors.Is(err, seal.ErrPlace)
		}
		for _, o := range ways {
			got, err := o.open(sealed)
			if bytes.Equal(sealed, o.sealed) {
				assert.NoError(t, err)
				continue
			}
			// The seeds were sealed by another process with the same keys.
			if err != nil && !known(err) || err == nil && string(got) != "refresh token" {
				t.Fatalf("%s: %q, %v", o.name, got, err)
			}
		}
		place := store.Place{Kind: store.PlaceKind(kind), ID: id, N: n}
		_, err := active.Open(place, sealed)
		assert.True(t, known(err), "%v", err)
		_, err = active.OpenWith(place, secret, sealed)
		assert.True(t, known(err), "%v", err)
		if id != "row" {
			_, err = boxes.Open(id, sealed)
			assert.True(t, known(err), "%v", err)
		}
		_, changed, err := rotated.Reseal(store.SealedItem{Place: place, Sealed: sealed})
		assert.False(t, changed)
		assert.True(t, err == nil || known(err), "%v", err)
		assert.Equal(t, was, sealed)
	})
}
