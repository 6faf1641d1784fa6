package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/rescue"
)

// pairs has two keys of each algorithm. Tests share them, because RSA keys take long to
// make. They must not change them.
var pairs = map[Algorithm]func(testing.TB) [2]crypto.Signer{}

func init() {
	rsaPair := onePair(RS256)
	for _, a := range allAlgorithms {
		if pairs[a] = rsaPair; a.family() != familyRSA {
			pairs[a] = onePair(a)
		}
	}
}

func onePair(a Algorithm) func(testing.TB) [2]crypto.Signer {
	var once sync.Once
	var pair [2]crypto.Signer
	return func(t testing.TB) [2]crypto.Signer {
		once.Do(func() { pair = [2]crypto.Signer{generate(t, a), generate(t, a)} })
		return pair
	}
}

// A key in memory is checked when it is loaded, and none of its signatures is. Each
// signature of a foreign signer is checked, also if a key in memory is inside.
func TestSignChecksForeignSigners(t *testing.T) {
	for _, a := range allAlgorithms {
		key := pairs[a](t)[0]
		for name, c := range map[string]struct {
			signer crypto.Signer
			checks int
		}{"memory": {key, 0}, "foreign": {opaque{key}, 3}, "embedded": {struct{ crypto.Signer }{key}, 3}} {
			s, err := NewSigner(c.signer, a, "")
			require.NoError(t, err)
			n := 0
			s.public.checker = countingChecker{s.public.checker, &n}
			for range 3 {
				_, err = s.Sign([]byte(`{}`), testTyp)
				require.NoError(t, err)
			}
			require.Equal(t, c.checks, n, "%s, %s", a, name)
		}
	}
}

// halves is a signer whose private key belongs to another public key.
type halves struct {
	crypto.Signer
	pub crypto.PublicKey
}

func (h halves) Public() crypto.PublicKey { return h.pub }

// sometimes is a signer that goes wrong after its first signatures.
type sometimes struct {
	good, bad crypto.Signer
	left      *atomic.Int64
}

func (s sometimes) Public() crypto.PublicKey { return s.good.Public() }
func (s sometimes) Sign(r io.Reader, d []byte, opts crypto.SignerOpts) ([]byte, error) {
	if s.left.Add(-1) >= 0 {
		return s.good.Sign(r, d, opts)
	}
	return s.bad.Sign(r, d, opts)
}

// A foreign signer that uses the wrong key is caught at each signature, not only at the
// first one. So is one that signs something else.
func TestForeignSignerWithWrongKey(t *testing.T) {
	for _, a := range allAlgorithms {
		good, bad := pairs[a](t)[0], pairs[a](t)[1]
		refused := func(s *Signer) {
			t.Helper()
			compact, err := s.Sign([]byte(`{}`), testTyp)
			require.ErrorIs(t, err, ErrSigning, a)
			require.ErrorIs(t, err, ErrSignature, a)
			require.Empty(t, compact)
		}
		s, err := NewSigner(halves{bad, good.Public()}, a, "")
		require.NoError(t, err, "nothing was signed yet")
		refused(s)
		refused(s)

		var left atomic.Int64
		left.Store(2)
		s, err = NewSigner(sometimes{good, bad, &left}, a, "")
		require.NoError(t, err)
		for range 2 {
			_, err = s.Sign([]byte(`{}`), testTyp)
			require.NoError(t, err)
		}
		refused(s)
		left.Store(1)
		_, err = s.Sign([]byte(`{}`), testTyp)
		require.NoError(t, err, "the signer is well again")

		s, err = NewSigner(deaf{good}, a, "")
		require.NoError(t, err)
		refused(s)
	}
}

// deaf is a signer that signs something else than what it is given.
type deaf struct{ crypto.Signer }

func (d deaf) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return d.Signer.Sign(r, make([]byte, len(digest)), opts)
}

// A private key in memory must belong to its public key, whatever its kind.
func TestHalvesOfTwoKeys(t *testing.T) {
	for _, a := range allAlgorithms {
		var mixed crypto.Signer
		other := pairs[a](t)[1].Public()
		switch key := pairs[a](t)[0].(type) {
		case *ecdsa.PrivateKey:
			copied := *key
			copied.PublicKey = *other.(*ecdsa.PublicKey)
			mixed = &copied
		case *rsa.PrivateKey:
			copied := *key
			copied.PublicKey = *other.(*rsa.PublicKey)
			mixed = &copied
		case ed25519.PrivateKey:
			mixed = append(key[:ed25519.SeedSize:ed25519.SeedSize], other.(ed25519.PublicKey)...)
		}
		_, err := NewSigner(mixed, a, "")
		require.ErrorIs(t, err, ErrKey, a)
		require.ErrorContains(t, err, "private and public key do not belong together", a)
	}
}

type panickingSigner struct{ crypto.Signer }

func (panickingSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	panic("the driver of the token is broken")
}

// A foreign signer that panics causes an error. The error keeps the panic for the log,
// and its text does not show it.
func TestPanickingSigner(t *testing.T) {
	for _, a := range allAlgorithms {
		s, err := NewSigner(panickingSigner{pairs[a](t)[0]}, a, "")
		require.NoError(t, err)
		compact, err := s.Sign([]byte(`{}`), testTyp)
		require.ErrorIs(t, err, ErrSigning, a)
		require.Empty(t, compact)
		require.NotContains(t, err.Error(), "driver")
		var p *rescue.Panic
		require.ErrorAs(t, err, &p)
		require.Contains(t, string(p.Stack), "panickingSigner")
	}
}
