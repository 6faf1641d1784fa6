package seal_test

import (
	"bytes"
	"crypto/cipher"
	"strings"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// BenchmarkUnwrapRefreshToken goes from a compact token to the refresh token: HKDF of the
// token, the grant's key out of two layers, the refresh token out of two layers. It
// reports two ratios. x-floor compares with four bare AES-GCM decryptions of the same
// ciphertexts. Their ciphers are set up beforehand, which only a server could do that
// keeps the keys of all grants in memory. x-primitives compares with these decryptions,
// the derivation of the keys and the set-up of the ciphers, without any of this package's
// code.
func BenchmarkUnwrapRefreshToken(b *testing.B) {
	server := seal.NewKey()
	r := ring(b, server)
	token := strings.Repeat("a compact token ", 50) // 800 bytes
	refresh := []byte(strings.Repeat("refresh token ", 20))
	key := seal.NewDataKey()
	keyPlace, refreshPlace := store.TokenKeyPlace(tokenID(1), 1), store.RefreshTokenPlace(grantID(1), 1)
	wrapped := must(r.SealWith(keyPlace, seal.FromSecret(seal.PurposeTokenKey, token), key.Reveal()))
	sealed := must(r.SealWith(refreshPlace, key, refresh))

	unwrap := func() []byte {
		dek := must(seal.ParseDataKey(must(r.OpenWith(keyPlace, seal.FromSecret(seal.PurposeTokenKey, token), wrapped))))
		return must(r.OpenWith(refreshPlace, dek, sealed))
	}
	if !bytes.Equal(unwrap(), refresh) {
		b.Fatal("not the refresh token")
	}

	var floor, primitives []func()
	primitives = append(primitives, func() { refHKDF([]byte(token), []byte("mytoken seal v1 secret: token key v1")) })
	bare := func(aead cipher.AEAD, v, additional []byte) {
		must(aead.Open(nil, v[:12], v[12:], additional))
		floor = append(floor, func() { _, _ = aead.Open(nil, v[:12], v[12:], additional) })
	}
	for _, v := range []struct {
		place  store.Place
		inner  []byte
		sealed store.Sealed
	}{
		{keyPlace, refSecret(string(seal.PurposeTokenKey), token), wrapped},
		{refreshPlace, key.Reveal(), sealed},
	} {
		binding := refBinding(v.place)
		bare(refOuter(refKeyBytes(b, server), "store", binding), v.sealed[9:], join(v.sealed[:9], binding))
		storeKey := refExpand(refKeyBytes(b, server), []byte("mytoken seal v1 store"), 32)
		primitives = append(primitives, func() {
			refGCM(refExpand(storeKey, binding, 32))
			refGCM(v.inner)
		})
		bare(refGCM(v.inner), innerBytes(b, server, v.place, v.sealed), binding)
	}

	b.ReportAllocs()
	for b.Loop() {
		unwrap()
	}
	perOp := float64(b.Elapsed()) / float64(b.N)
	b.ReportMetric(perOp/perRun(floor), "x-floor")
	b.ReportMetric(perOp/perRun(append(primitives, floor...)), "x-primitives")
}

// BenchmarkSealWith seals one refresh token for the store.
func BenchmarkSealWith(b *testing.B) {
	r, key := ring(b, seal.NewKey()), seal.NewDataKey()
	place, refresh := store.RefreshTokenPlace(grantID(1), 1), []byte(strings.Repeat("refresh token ", 20))
	b.ReportAllocs()
	for b.Loop() {
		must(r.SealWith(place, key, refresh))
	}
}

// BenchmarkLookup looks up a code while one key is being replaced.
func BenchmarkLookup(b *testing.B) {
	r := ring(b, seal.NewKey(), seal.NewKey())
	b.ReportAllocs()
	for b.Loop() {
		r.Lookup(store.TicketPolling, "abcdefghijklmnopqrstuv")
	}
}

// perRun returns the nanoseconds that a run of all steps takes.
func perRun(steps []func()) float64 {
	const runs = 20_000
	start := time.Now()
	for range runs {
		for _, step := range steps {
			step()
		}
	}
	return float64(time.Since(start)) / runs
}
