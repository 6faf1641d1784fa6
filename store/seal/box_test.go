package seal_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

func TestBoxRoundTrip(t *testing.T) {
	b := box(t, seal.NewKey())
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.StringN(1, 100, -1).Draw(t, "row")
		plaintext := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "plaintext")
		v := must(b.Seal(row, plaintext))
		assert.Equal(t, plaintext, must(b.Open(row, v)))
		for _, other := range []string{row + "x", row[:len(row)-1] + "~~", "x" + row} {
			_, err := b.Open(other, v)
			assert.ErrorIs(t, err, seal.ErrOpen)
		}
	})
}

func TestBoxRefuses(t *testing.T) {
	key := seal.NewKey()
	b := box(t, key)
	v := must(b.Seal("row", []byte("x")))
	_, err := b.Seal("", []byte("x"))
	assert.ErrorIs(t, err, seal.ErrPlace)
	_, err = b.Open("", v)
	assert.ErrorIs(t, err, seal.ErrPlace)
	_, _, err = b.Reseal("", v)
	assert.ErrorIs(t, err, seal.ErrPlace)
	_, err = box(t, seal.NewKey()).Open("row", v)
	assert.ErrorIs(t, err, seal.ErrKeyUnknown)
	_, err = b.Open("row", nil)
	assert.ErrorIs(t, err, seal.ErrFormat)
	for _, zero := range []*seal.Box{nil, {}} {
		_, err = zero.Seal("row", []byte("x"))
		assert.ErrorIs(t, err, seal.ErrNoKey)
		_, err = zero.Open("row", v)
		assert.ErrorIs(t, err, seal.ErrNoKey)
		_, _, err = zero.Reseal("row", v)
		assert.ErrorIs(t, err, seal.ErrNoKey)
	}
}

// TestBoxAndRingAreSeparate checks that boxes and rings with the same key do not open
// each other's values. They do not even if a row's name is a place's encoding and the
// first byte is changed.
func TestBoxAndRingAreSeparate(t *testing.T) {
	key := seal.NewKey()
	r, b := ring(t, key), box(t, key)
	place := places()[0]
	row := string(place.AAD())
	fromRing, fromBox := must(r.Seal(place, []byte("x"))), must(b.Seal(row, []byte("x")))

	_, err := b.Open(row, fromRing)
	assert.ErrorIs(t, err, seal.ErrFormat)
	_, err = r.Open(place, fromBox)
	assert.ErrorIs(t, err, seal.ErrFormat)

	fromRing[0], fromBox[0] = fromBox[0], fromRing[0]
	_, err = b.Open(row, fromRing)
	assert.ErrorIs(t, err, seal.ErrOpen)
	_, err = r.Open(place, fromBox)
	assert.ErrorIs(t, err, seal.ErrOpen)

	other := seal.NewKey()
	_, _, err = ring(t, other, key).Reseal(store.SealedItem{Place: place, Sealed: fromBox})
	assert.ErrorIs(t, err, seal.ErrOpen)
	_, _, err = box(t, other, key).Reseal(row, fromRing)
	assert.ErrorIs(t, err, seal.ErrOpen)
}

func TestBoxReseal(t *testing.T) {
	a, b := seal.NewKey(), seal.NewKey()
	v := must(box(t, a).Seal("row", []byte("token")))
	rotated := box(t, b, a)
	assert.Equal(t, []byte("token"), must(rotated.Open("row", v)))
	moved, changed, err := rotated.Reseal("row", v)
	require.NoError(t, err)
	require.True(t, changed)
	assert.Equal(t, []byte("token"), must(box(t, b).Open("row", moved)))
	_, changed, err = rotated.Reseal("row", moved)
	require.NoError(t, err)
	assert.False(t, changed)
	_, _, err = rotated.Reseal("another row", v)
	assert.ErrorIs(t, err, seal.ErrOpen)
}
