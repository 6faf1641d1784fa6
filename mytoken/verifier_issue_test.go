package mytoken

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/restriction"
)

// requireIssuable checks that Issue returns exactly what a verifier reads in the token,
// or refuses what Sign or a verifier refuses. v must not have a cache.
func requireIssuable(t testing.TB, v *Verifier, c Claims) {
	t.Helper()
	secret, issued, err := v.Issue(c)
	if err != nil {
		require.Nil(t, issued)
		require.True(t, secret.IsEmpty())
		signed, serr := v.source.(*Keys).Sign(c)
		if serr == nil {
			_, serr = v.Decode(t.Context(), signed.Reveal())
		}
		require.Error(t, serr, "Issue refuses a good token: %v", err)
		return
	}
	read, err := v.Decode(t.Context(), secret.Reveal())
	require.NoError(t, err, "Issue returned a token that nobody accepts")
	require.NotSame(t, read, issued)
	require.Equal(t, read, issued)
}

// Issue returns what Decode returns for the same token, for every algorithm and for keys
// in memory and elsewhere.
func TestIssueIsSignAndDecode(t *testing.T) {
	for _, alg := range []Algorithm{ES256, ES384, ES512, EdDSA, RS256, PS256} {
		key := testKey(t, alg)
		foreign, err := NewKey(remoteSigner{key.raw}, alg)
		require.NoError(t, err)
		for _, k := range []*Key{key, foreign} {
			v := newVerifier(t, VerifierConfig{Keys: testKeys(t, k), CacheSize: -1})
			requireIssuable(t, v, exampleClaims())
			requireIssuable(t, v, Claims{Issuer: testIssuer, OIDCIssuer: testProvider, OIDCSubject: "sub1", IssuedAt: issuedAt, NotBefore: issuedAt, Capabilities: capability.Set{}, JTI: newJTI()})
			unknown := exampleClaims()
			unknown.Restrictions[0].Extra = []restriction.Extra{{Key: "x", Value: []byte(`{"y" : 1}`)}}
			unknown.Name = "\u202e<\"\\\n"
			requireIssuable(t, v, unknown)

			bare := exampleClaims()
			bare.JTI, bare.Seq = JTI{}, 0
			_, tok, err := v.Issue(bare)
			require.NoError(t, err)
			require.False(t, tok.JTI().IsZero())
			require.EqualValues(t, 1, tok.Seq())
			require.Equal(t, k.ID(), tok.KeyID())
		}
	}
}

// Issue refuses what Sign refuses, and what its own verifier refuses.
func TestIssueRefuses(t *testing.T) {
	key := testKey(t, EdDSA)
	keys := testKeys(t, key)
	v := newVerifier(t, VerifierConfig{Keys: keys})
	many := restriction.List{}
	for len(many) <= restriction.MaxClauses {
		many = append(many, restriction.Clause{Scopes: []string{"a"}})
	}
	for name, tt := range map[string]struct {
		change func(*Claims)
		want   error
	}{
		"no times":           {func(c *Claims) { c.IssuedAt = 0 }, ErrTokenMalformed},
		"not UTF-8":          {func(c *Claims) { c.Name = "\xff" }, ErrTokenMalformed},
		"no provider":        {func(c *Claims) { c.OIDCIssuer = "" }, ErrTokenMalformed},
		"empty clause":       {func(c *Claims) { c.Restrictions = restriction.List{{}} }, ErrTokenRestrictions},
		"emptied list":       {func(c *Claims) { c.Restrictions = restriction.List{} }, ErrTokenRestrictions},
		"too many clauses":   {func(c *Claims) { c.Restrictions = many }, ErrTokenTooLarge},
		"too large a string": {func(c *Claims) { c.Name = strings.Repeat("x", MaxTokenBytes) }, ErrTokenTooLarge},
		"another issuer":     {func(c *Claims) { c.Issuer = "https://other.example.org" }, ErrTokenIssuer},
	} {
		t.Run(name, func(t *testing.T) {
			c := exampleClaims()
			tt.change(&c)
			secret, tok, err := v.Issue(c)
			require.ErrorIs(t, err, tt.want)
			require.True(t, secret.IsEmpty())
			require.Nil(t, tok)
		})
	}
	require.Empty(t, v.cache.entries)

	for name, tt := range map[string]struct {
		v    *Verifier
		want error
	}{
		"nil":         {nil, ErrVerifierConfig},
		"zero":        {new(Verifier), ErrVerifierConfig},
		"checks only": {newVerifier(t, VerifierConfig{Keys: testKeys(t, nil, key.Public())}), ErrNoSigningKey},
		"fetches":     {newVerifier(t, VerifierConfig{JWKSURL: "https://mytoken.example.org/jwks"}), ErrNoSigningKey},
	} {
		_, tok, err := tt.v.Issue(exampleClaims())
		require.ErrorIs(t, err, tt.want, name)
		require.Nil(t, tok, name)
	}
}

// Issue does not ask whether the token is valid now. The first use does.
func TestIssueDoesNotJudgeTimes(t *testing.T) {
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, testKey(t, EdDSA))})
	for want, change := range map[error]func(*Claims){
		ErrTokenExpired:     func(c *Claims) { c.ExpiresAt = issuedAt - 1 },
		ErrTokenNotYetValid: func(c *Claims) { c.NotBefore = issuedAt + 1000 },
	} {
		c := exampleClaims()
		change(&c)
		secret, _, err := v.Issue(c)
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), secret.Reveal())
		require.ErrorIs(t, err, want, "from the cache")
	}
}

// A key in memory is checked when it is loaded, so Issue does not check its signatures:
// it does not see that this test spoils the key afterwards. A signer elsewhere may be
// spoilt at any time, and each signature is checked.
func TestIssueChecksForeignSignatures(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		raw, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		require.NoError(t, err)
		var signer crypto.Signer = raw
		if foreign {
			signer = remoteSigner{raw}
		}
		key, err := NewKey(signer, "")
		require.NoError(t, err)
		v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key), CacheSize: -1})
		_, _, err = v.Issue(exampleClaims())
		require.NoError(t, err)

		other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		require.NoError(t, err)
		pub := raw.PublicKey
		*raw = *other
		raw.PublicKey = pub
		secret, tok, err := v.Issue(exampleClaims())
		if foreign {
			require.ErrorIs(t, err, ErrSigning)
			require.ErrorIs(t, err, ErrTokenSignature)
			require.Nil(t, tok)
			_, err = testKeys(t, key).Sign(exampleClaims())
			require.ErrorIs(t, err, ErrTokenSignature)
			continue
		}
		require.NoError(t, err)
		_, err = v.Decode(t.Context(), secret.Reveal())
		require.ErrorIs(t, err, ErrTokenSignature, "the key was not spoilt")
	}
}

// NewKey refuses a key in memory whose halves do not belong together.
func TestNewKeyOfTwoHalves(t *testing.T) {
	raw, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	raw.PublicKey = other.PublicKey
	_, err = NewKey(raw, "")
	require.ErrorIs(t, err, ErrKey)
	require.ErrorContains(t, err, "private and public key do not belong together")
}

// hookedSigner calls a function before each signature.
type hookedSigner struct {
	crypto.Signer
	before func()
}

func (s hookedSigner) Sign(rnd io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.before()
	return s.Signer.Sign(rnd, digest, opts)
}

// A signer that panics is an error, and the keys go on.
func TestSignerPanics(t *testing.T) {
	broken := true
	key, err := NewKey(hookedSigner{testKey(t, ES384).raw, func() {
		if broken {
			panic("the token was pulled out")
		}
	}}, "")
	require.NoError(t, err)
	keys := testKeys(t, key)
	v := newVerifier(t, VerifierConfig{Keys: keys})
	for _, sign := range []func() error{
		func() error { _, err := keys.Sign(exampleClaims()); return err },
		func() error { _, _, err := v.Issue(exampleClaims()); return err },
	} {
		broken = true
		err := sign()
		require.ErrorIs(t, err, ErrSigning)
		require.ErrorAs(t, err, new(*rescue.Panic))
		require.NotContains(t, err.Error(), "pulled out")
		broken = false
		require.NoError(t, sign())
	}
}

// proves P6: a key that is withdrawn while it signs issues nothing, and a key that is
// withdrawn later takes its issued tokens along, also out of the cache.
func TestIssueWithWithdrawnKey(t *testing.T) {
	var keys *Keys
	next := testKey(t, ES256)
	stolen := false
	key, err := NewKey(hookedSigner{testKey(t, ES256).raw, func() {
		if stolen {
			require.NoError(t, keys.Replace(next))
		}
	}}, "")
	require.NoError(t, err)
	keys = testKeys(t, key)
	v := newVerifier(t, VerifierConfig{Keys: keys})
	first, tok, err := v.Issue(exampleClaims())
	require.NoError(t, err)
	require.Equal(t, key.ID(), tok.KeyID())

	stolen = true
	secret, tok, err := v.Issue(exampleClaims())
	require.ErrorIs(t, err, ErrTokenKey)
	require.ErrorAs(t, err, new(*InvalidTokenError))
	require.True(t, secret.IsEmpty())
	require.Nil(t, tok)

	require.Len(t, v.cache.entries, 1)
	_, err = v.Verify(t.Context(), first.Reveal())
	require.ErrorIs(t, err, ErrTokenKey)
	require.Empty(t, v.cache.entries)
	require.Zero(t, cacheUnits(t, v.cache))

	_, tok, err = v.Issue(exampleClaims())
	require.NoError(t, err)
	require.Equal(t, next.ID(), tok.KeyID())
}

// The first use of an issued token finds it in the cache, and so does the second.
func TestIssuedTokenIsCached(t *testing.T) {
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, testKey(t, ES384))})
	secret, issued, err := v.Issue(exampleClaims())
	require.NoError(t, err)
	for range 2 {
		read, err := v.Verify(t.Context(), secret.Reveal())
		require.NoError(t, err)
		require.Same(t, issued, read)
		require.Equal(t, 1, cacheUnits(t, v.cache))
	}
	spelling := secret.Reveal()
	spelling = spelling[:len(spelling)-4] + "AAAA"
	_, err = v.Verify(t.Context(), spelling)
	require.ErrorIs(t, err, ErrTokenSignature, "an issued token vouches for its own string alone")
}

// Whoever issues many tokens evicts no more than a quarter of the tokens in use. Those
// that were used last stay. The issued ones take what is free.
func TestIssuedTokensDoNotFlushTheCache(t *testing.T) {
	const room = 8
	key := testKey(t, EdDSA)
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key), CacheSize: room})
	seq := uint64(0)
	issue := func(size int) (string, *Token) {
		t.Helper()
		seq++
		c := exampleClaims()
		c.Seq, c.Name = seq, strings.Repeat("x", size)
		secret, tok, err := v.Issue(c)
		require.NoError(t, err)
		cacheUnits(t, v.cache)
		return secret.Reveal(), tok
	}
	cached := func(compact string) bool { return v.cache.entries[sumOf(compact)] != nil }

	var fresh []string
	for range 3 * room {
		compact, _ := issue(1)
		fresh = append(fresh, compact)
	}
	require.Equal(t, room, cacheUnits(t, v.cache), "nobody else needs the room")
	for n, compact := range fresh {
		require.Equal(t, n >= 2*room, cached(compact), n)
	}

	var hot []string
	for n := range room {
		c := exampleClaims()
		c.Seq = uint64(1000 + n)
		hot = append(hot, signClaims(t, key, c))
	}
	use := func(compacts []string) {
		for _, compact := range compacts {
			_, err := v.Verify(t.Context(), compact)
			require.NoError(t, err)
			cacheUnits(t, v.cache)
		}
	}
	use(hot)
	require.Equal(t, room/issuedShare, v.cache.issued.used, "the newest of them have their share")
	for n := range room {
		require.Equal(t, n >= room/issuedShare, cached(hot[n]), n)
	}
	used := hot[room/issuedShare:]
	use(used)
	for range 100 {
		issue(1)
	}
	for _, compact := range used {
		require.True(t, cached(compact), "a token in use was evicted")
	}

	// A token that is presented leaves the share, and counts among those in use.
	compact, tok := issue(1)
	read, err := v.Verify(t.Context(), compact)
	require.NoError(t, err)
	require.Same(t, tok, read)
	require.Equal(t, 1, v.cache.issued.used)
	for range 100 {
		issue(1)
	}
	require.True(t, cached(compact))
	require.False(t, cached(used[0]), "the least recently used one made room")
	require.True(t, cached(used[1]))

	// A token that needs most of the share is not kept. It evicts nothing.
	before := len(v.cache.entries)
	large, _ := issue(6 << 10)
	require.False(t, cached(large))
	require.Len(t, v.cache.entries, before)
}

// A cache for one token works, with issued and with presented ones.
func TestSmallestCache(t *testing.T) {
	key := testKey(t, EdDSA)
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key), CacheSize: 1})
	first, _, err := v.Issue(exampleClaims())
	require.NoError(t, err)
	require.Equal(t, 1, cacheUnits(t, v.cache))
	c := exampleClaims()
	c.Seq = 2
	presented := signClaims(t, key, c)
	_, err = v.Verify(t.Context(), presented)
	require.NoError(t, err)
	require.NotNil(t, v.cache.entries[sumOf(presented)])
	require.Equal(t, 1, cacheUnits(t, v.cache))
	_, _, err = v.Issue(exampleClaims())
	require.NoError(t, err)
	require.NotNil(t, v.cache.entries[sumOf(presented)], "an issued token does not displace the one in use")
	_, err = v.Verify(t.Context(), first.Reveal())
	require.NoError(t, err)
	require.Equal(t, 1, cacheUnits(t, v.cache))
}

// Tokens may be issued and presented in parallel, also while keys change. Whatever was
// issued is accepted until its key is withdrawn, and never afterwards.
func TestIssueConcurrent(t *testing.T) {
	keys := testKeys(t, testKey(t, EdDSA))
	v := newVerifier(t, VerifierConfig{Keys: keys, CacheSize: 16})
	var mu sync.Mutex
	var issued []string
	// during issues and presents tokens while change runs. allowed is an error that both
	// may return.
	during := func(allowed error, change func()) {
		var wg sync.WaitGroup
		stop := make(chan struct{})
		work := func() error {
			secret, tok, err := v.Issue(exampleClaims())
			if err != nil {
				return err
			}
			mu.Lock()
			issued = append(issued, secret.Reveal())
			mu.Unlock()
			read, err := v.Verify(t.Context(), secret.Reveal())
			if err == nil && read.KeyID() != tok.KeyID() {
				return errors.New("another token")
			}
			return err
		}
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if err := work(); err != nil && (allowed == nil || !errors.Is(err, allowed)) {
						t.Error(err)
						return
					}
				}
			})
		}
		change()
		close(stop)
		wg.Wait()
		cacheUnits(t, v.cache)
	}
	during(nil, func() {
		for range 20 {
			require.NoError(t, keys.Activate(testKey(t, EdDSA)))
		}
	})
	during(ErrTokenKey, func() {
		for range 100 {
			require.NoError(t, keys.Replace(testKey(t, EdDSA)))
		}
	})
	require.NoError(t, keys.Replace(testKey(t, EdDSA)))
	require.NotEmpty(t, issued)
	for _, compact := range issued {
		_, err := v.Verify(t.Context(), compact)
		require.ErrorIs(t, err, ErrTokenKey)
	}
	require.Zero(t, cacheUnits(t, v.cache))
}
