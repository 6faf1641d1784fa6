package seal_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

func TestNewRingRefuses(t *testing.T) {
	a, b := seal.NewKey(), seal.NewKey()
	for name, c := range map[string]struct {
		config seal.RingConfig
		want   error
	}{
		"nothing":                {seal.RingConfig{}, seal.ErrNoKey},
		"no active key":          {seal.RingConfig{Others: []seal.Key{a}}, seal.ErrNoKey},
		"a zero key":             {seal.RingConfig{Active: a, Others: []seal.Key{b, {}}}, seal.ErrNoKey},
		"active among others":    {seal.RingConfig{Active: a, Others: []seal.Key{b, a}}, seal.ErrDuplicateKey},
		"the same twice":         {seal.RingConfig{Active: a, Others: []seal.Key{b, b}}, seal.ErrDuplicateKey},
		"the same, parsed again": {seal.RingConfig{Active: a, Others: []seal.Key{must(seal.ParseKey(a.Reveal()))}}, seal.ErrDuplicateKey},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := seal.NewRing(c.config)
			assert.ErrorIs(t, err, c.want)
			assert.Nil(t, r)
			x, err := seal.NewBox(c.config)
			assert.ErrorIs(t, err, c.want)
			assert.Nil(t, x)
		})
	}
}

// TestRingKeepsNoSlice changes the configuration after NewRing.
func TestRingKeepsNoSlice(t *testing.T) {
	a, b := seal.NewKey(), seal.NewKey()
	config := seal.RingConfig{Active: a, Others: []seal.Key{b}}
	r := must(seal.NewRing(config))
	config.Others[0] = seal.NewKey()
	old := must(ring(t, b).Seal(places()[0], []byte("x")))
	assert.Equal(t, []byte("x"), must(r.Open(places()[0], old)))
}

func TestRoundTrip(t *testing.T) {
	r := ring(t, seal.NewKey())
	key, secret := seal.NewDataKey(), seal.FromSecret(seal.PurposeTokenKey, "a token")
	rapid.Check(t, func(t *rapid.T) {
		place := rapid.SampledFrom(places()).Draw(t, "place")
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")
		one := must(r.Seal(place, plaintext))
		assert.Len(t, one, len(plaintext)+37)
		assert.True(t, bytes.Equal(plaintext, must(r.Open(place, one))))
		for _, k := range []seal.InnerKey{key, secret} {
			two := must(r.SealWith(place, k, plaintext))
			assert.Len(t, two, len(plaintext)+65)
			assert.True(t, bytes.Equal(plaintext, must(r.OpenWith(place, k, two))))
		}
	})
}

// TestSealedDiffers checks that sealing the same plaintext twice gives different values.
func TestSealedDiffers(t *testing.T) {
	r := ring(t, seal.NewKey())
	place, key := places()[0], seal.NewDataKey()
	seen := map[string]bool{}
	for range 1000 {
		v := must(r.SealWith(place, key, []byte("refresh token")))
		require.Equal(t, r.Active(), seal.KeyID(v[1:9]))
		nonce := string(v[9:21])
		require.False(t, seen[nonce], "nonce repeated")
		seen[nonce] = true
	}
}

// proves P7: swapped rows open nothing.
func TestSwappedPlaces(t *testing.T) {
	r := ring(t, seal.NewKey())
	key := seal.NewDataKey()
	for i, from := range places() {
		one := must(r.Seal(from, []byte("secret")))
		two := must(r.SealWith(from, key, []byte("secret")))
		for j, to := range places() {
			if i == j {
				continue
			}
			_, err := r.Open(to, one)
			assert.ErrorIs(t, err, seal.ErrOpen, "%v opens at %v", from, to)
			_, err = r.OpenWith(to, key, two)
			assert.ErrorIs(t, err, seal.ErrOpen, "%v opens at %v", from, to)
			_, changed, err := ring(t, seal.NewKey(), seal.NewKey()).Reseal(store.SealedItem{Place: to, Sealed: one})
			assert.ErrorIs(t, err, seal.ErrKeyUnknown)
			assert.False(t, changed)
		}
	}
}

// TestResealRefusesSwappedPlaces checks that replacing keys does not make a moved value
// valid.
func TestResealRefusesSwappedPlaces(t *testing.T) {
	a, b := seal.NewKey(), seal.NewKey()
	ps := places()
	v := must(ring(t, a).Seal(ps[0], []byte("secret")))
	_, changed, err := ring(t, b, a).Reseal(store.SealedItem{Place: ps[1], Sealed: v})
	assert.ErrorIs(t, err, seal.ErrOpen)
	assert.False(t, changed)
}

// proves P7: neither key alone opens a value, and another secret does not open it at all.
func TestWrongKeys(t *testing.T) {
	a := seal.NewKey()
	r := ring(t, a)
	place := store.TokenKeyPlace(tokenID(1), 1)
	key := seal.NewDataKey()
	secret := seal.FromSecret(seal.PurposeTokenKey, "token")

	byKey := must(r.SealWith(place, key, []byte("secret")))
	bySecret := must(r.SealWith(place, secret, []byte("secret")))
	for name, k := range map[string]seal.InnerKey{
		"another data key": seal.NewDataKey(),
		"another secret":   seal.FromSecret(seal.PurposeTokenKey, "tokeN"),
		"another purpose":  seal.FromSecret(seal.PurposeSuccessor, "token"),
		// purpose and secret are not simply joined
		"a shifted border": seal.FromSecret(seal.PurposeTokenKey+"t", "oken"),
	} {
		_, err := r.OpenWith(place, k, byKey)
		assert.ErrorIs(t, err, seal.ErrOpen, name)
		_, err = r.OpenWith(place, k, bySecret)
		assert.ErrorIs(t, err, seal.ErrOpen, name)
	}

	t.Run("the server key alone", func(t *testing.T) {
		plaintext, err := r.Open(place, byKey)
		assert.ErrorIs(t, err, seal.ErrFormat)
		assert.Nil(t, plaintext)
	})
	t.Run("the inner key alone", func(t *testing.T) {
		_, err := ring(t, seal.NewKey()).OpenWith(place, key, byKey)
		assert.ErrorIs(t, err, seal.ErrKeyUnknown)
	})
	t.Run("another server key under the same id", func(t *testing.T) {
		other := ring(t, seal.NewKey())
		forged := bytes.Clone(byKey)
		id := other.Active()
		copy(forged[1:9], id[:])
		_, err := other.OpenWith(place, key, forged)
		assert.ErrorIs(t, err, seal.ErrOpen)
	})
	t.Run("one layer where two are expected", func(t *testing.T) {
		one := must(r.Seal(place, []byte("chosen by who has the server key but no token")))
		_, err := r.OpenWith(place, key, one)
		assert.ErrorIs(t, err, seal.ErrFormat)
	})
}

func TestNothingToSealWith(t *testing.T) {
	r := ring(t, seal.NewKey())
	place, key := places()[0], seal.NewDataKey()
	v := must(r.SealWith(place, key, []byte("x")))
	for name, k := range map[string]seal.InnerKey{
		"nil":             nil,
		"zero data key":   seal.DataKey{},
		"zero secret":     seal.Secret{},
		"empty secret":    seal.FromSecret(seal.PurposeTicketKey, ""),
		"without purpose": seal.FromSecret("", "code"),
	} {
		_, err := r.SealWith(place, k, []byte("x"))
		assert.ErrorIs(t, err, seal.ErrNoKey, name)
		_, err = r.OpenWith(place, k, v)
		assert.ErrorIs(t, err, seal.ErrNoKey, name)
	}
	for _, place := range []store.Place{{}, {Kind: store.PlaceAbout}, {ID: "x"}, {N: 1}} {
		_, err := r.Seal(place, []byte("x"))
		assert.ErrorIs(t, err, seal.ErrPlace)
		_, err = r.Open(place, v)
		assert.ErrorIs(t, err, seal.ErrPlace)
		_, err = r.SealWith(place, key, []byte("x"))
		assert.ErrorIs(t, err, seal.ErrPlace)
		_, err = r.OpenWith(place, key, v)
		assert.ErrorIs(t, err, seal.ErrPlace)
		_, _, err = r.Reseal(store.SealedItem{Place: place, Sealed: v})
		assert.ErrorIs(t, err, seal.ErrPlace)
	}
}

func TestZeroRing(t *testing.T) {
	place, key := places()[0], seal.NewDataKey()
	v := must(ring(t, seal.NewKey()).Seal(place, []byte("x")))
	for _, r := range []*seal.Ring{nil, {}} {
		_, err := r.Seal(place, []byte("x"))
		assert.ErrorIs(t, err, seal.ErrNoKey)
		_, err = r.Open(place, v)
		assert.ErrorIs(t, err, seal.ErrNoKey)
		_, err = r.SealWith(place, key, []byte("x"))
		assert.ErrorIs(t, err, seal.ErrNoKey)
		_, err = r.OpenWith(place, key, v)
		assert.ErrorIs(t, err, seal.ErrNoKey)
		_, _, err = r.Reseal(store.SealedItem{Place: place, Sealed: v})
		assert.ErrorIs(t, err, seal.ErrNoKey)
		assert.Empty(t, r.Lookup(store.TicketState, "code"))
		assert.Zero(t, r.Active())
	}
}

func TestKeyRotation(t *testing.T) {
	a, b, c := seal.NewKey(), seal.NewKey(), seal.NewKey()
	place, key := places()[0], seal.NewDataKey()
	underA := must(ring(t, a).SealWith(place, key, []byte("secret")))

	rotated := ring(t, b, a)
	assert.Equal(t, b.ID(), rotated.Active())
	assert.Equal(t, []byte("secret"), must(rotated.OpenWith(place, key, underA)), "old values are read")
	underB := must(rotated.SealWith(place, key, []byte("secret")))
	_, err := ring(t, a).OpenWith(place, key, underB)
	assert.ErrorIs(t, err, seal.ErrKeyUnknown, "new values are written under the new key only")
	assert.Equal(t, []byte("secret"), must(ring(t, a, b).OpenWith(place, key, underB)), "a node that is not there yet reads them")

	_, err = ring(t, b, c).OpenWith(place, key, underA)
	require.ErrorIs(t, err, seal.ErrKeyUnknown)
	var unknown *seal.KeyUnknownError
	require.ErrorAs(t, err, &unknown)
	assert.Equal(t, a.ID(), unknown.ID)
	assert.Contains(t, err.Error(), a.ID().String())
	assert.NotContains(t, err.Error(), a.Reveal())
}

func TestReseal(t *testing.T) {
	a, b := seal.NewKey(), seal.NewKey()
	key := seal.NewDataKey()
	before, after, rotated := ring(t, a), ring(t, b), ring(t, b, a)
	for _, place := range places() {
		one := must(before.Seal(place, []byte("one")))
		two := must(before.SealWith(place, key, []byte("two")))

		newOne, changed, err := rotated.Reseal(store.SealedItem{Place: place, Sealed: one})
		require.NoError(t, err)
		require.True(t, changed)
		assert.Equal(t, []byte("one"), must(after.Open(place, newOne)))

		newTwo, changed, err := rotated.Reseal(store.SealedItem{Place: place, Sealed: two})
		require.NoError(t, err)
		require.True(t, changed)
		assert.Equal(t, []byte("two"), must(after.OpenWith(place, key, newTwo)))
		assert.Equal(t, innerBytes(t, a, place, two), innerBytes(t, b, place, newTwo), "the inner layer stays as it was")

		same, changed, err := rotated.Reseal(store.SealedItem{Place: place, Sealed: newTwo})
		require.NoError(t, err)
		assert.False(t, changed)
		assert.Nil(t, same)
	}
}

func TestConcurrentUse(t *testing.T) {
	r := ring(t, seal.NewKey(), seal.NewKey())
	key := seal.NewDataKey()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range uint64(50) {
				place := store.RefreshTokenPlace(grantID(byte(i)), n)
				v, err := r.SealWith(place, key, []byte("secret"))
				if !assert.NoError(t, err) {
					return
				}
				got, err := r.OpenWith(place, key, v)
				assert.NoError(t, err)
				assert.Equal(t, []byte("secret"), got)
			}
		})
	}
	wg.Wait()
}

// TestSlices checks that the package neither changes nor keeps the slices that it is
// given, and that the slices that it returns belong to the caller.
func TestSlices(t *testing.T) {
	r := ring(t, seal.NewKey())
	place, key := places()[0], seal.NewDataKey()
	plaintext := []byte("secret")
	v := must(r.SealWith(place, key, plaintext))
	assert.Equal(t, "secret", string(plaintext))
	was := bytes.Clone(v)
	got := must(r.OpenWith(place, key, v))
	assert.Equal(t, was, []byte(v))
	clear(got)
	assert.Equal(t, "secret", string(must(r.OpenWith(place, key, v))))

	b := key.Reveal()
	clear(b)
	assert.NotEqual(t, b, key.Reveal())
	b = key.Reveal()
	same := must(seal.ParseDataKey(b))
	clear(b)
	assert.Equal(t, key.Reveal(), same.Reveal())
}
