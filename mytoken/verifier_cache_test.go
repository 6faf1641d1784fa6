package mytoken

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proves P6: once a key is withdrawn, its tokens are refused, even those in the cache.
func TestWithdrawnKey(t *testing.T) {
	old, next := testKey(t, ES256), testKey(t, ES256)
	keys := testKeys(t, old)
	v := newVerifier(t, VerifierConfig{Keys: keys})
	compact := signClaims(t, old, exampleClaims())
	for range 3 {
		_, err := v.Verify(t.Context(), compact)
		require.NoError(t, err)
	}
	require.Len(t, v.cache.entries, 1)

	require.NoError(t, keys.Activate(next))
	_, err := v.Verify(t.Context(), compact)
	require.NoError(t, err, "the old key still checks")

	require.NoError(t, keys.Withdraw(old.ID()))
	for range 3 {
		_, err := v.Verify(t.Context(), compact)
		require.ErrorIs(t, err, ErrTokenKey)
	}
	require.Empty(t, v.cache.entries, "the entry left the cache with its key")

	require.NoError(t, keys.Add(old.Public()))
	_, err = v.Verify(t.Context(), compact)
	require.NoError(t, err)
	require.NoError(t, keys.Replace(next))
	_, err = v.Verify(t.Context(), compact)
	require.ErrorIs(t, err, ErrTokenKey)
}

// An entry of the cache names its key by the key itself and its algorithm. The id alone
// is not enough.
func TestReplacedKey(t *testing.T) {
	key := testKey(t, RS256)
	keys := testKeys(t, key)
	v := newVerifier(t, VerifierConfig{Keys: keys})
	compact, _, err := signAndDecode(v, exampleClaims())
	require.NoError(t, err)
	require.Len(t, v.cache.entries, 1)
	again, err := NewPublicKey(key.Public().Key(), RS256)
	require.NoError(t, err)
	require.NoError(t, keys.Replace(nil, again))
	_, err = v.Verify(t.Context(), compact)
	require.NoError(t, err)
	require.Len(t, v.cache.entries, 1, "it is the same key, read again")

	other, err := NewPublicKey(key.Public().Key(), PS256)
	require.NoError(t, err)
	require.Equal(t, key.ID(), other.ID())
	require.NoError(t, keys.Replace(nil, other))
	_, err = v.Verify(t.Context(), compact)
	require.ErrorIs(t, err, ErrTokenAlgorithm)
}

// The times of a token are checked each time, also those of a cached one.
func TestCachedTokenExpires(t *testing.T) {
	now := issueTime()
	key := testKey(t, EdDSA)
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key), Clock: func() time.Time { return now }, Leeway: -1})
	compact := signClaims(t, key, exampleClaims())
	at := func(seconds int64) error {
		now = time.Unix(issuedAt+seconds, 999_999_999)
		_, err := v.Verify(t.Context(), compact)
		return err
	}
	require.NoError(t, at(0))
	require.NoError(t, at(1000), "the last second")
	require.ErrorIs(t, at(1001), ErrTokenExpired)
	require.ErrorIs(t, at(-1), ErrTokenNotYetValid)
	require.NoError(t, at(500))
	require.Len(t, v.cache.entries, 1)
}

// Leeway applies to nbf and iat, never to exp (D92).
func TestLeeway(t *testing.T) {
	key := testKey(t, EdDSA)
	compact := signClaims(t, key, exampleClaims())
	for leeway, early := range map[time.Duration]int64{-1: 0, 0: 60, time.Second: 1, 5 * time.Minute: 300} {
		var now time.Time
		v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key), Leeway: leeway, Clock: func() time.Time { return now }})
		for seconds, want := range map[int64]error{-early: nil, -early - 1: ErrTokenNotYetValid, 1000: nil, 1001: ErrTokenExpired} {
			now = time.Unix(issuedAt+seconds, 0)
			_, err := v.Verify(t.Context(), compact)
			require.ErrorIs(t, err, want, "%s, %d s", leeway, seconds)
		}
	}
}

// A token is not valid before the later of nbf and iat. Decode does not mind.
func TestBeginAndIssue(t *testing.T) {
	key := testKey(t, EdDSA)
	keys := testKeys(t, key)
	for _, size := range []int{-1, 8} {
		var now time.Time
		v := newVerifier(t, VerifierConfig{Keys: keys, Leeway: -1, CacheSize: size, Clock: func() time.Time { return now }})
		for _, claim := range []string{"nbf", "iat"} {
			compact := signPayload(t, key, payloadWith(map[string]string{claim: fmt.Sprint(issuedAt + 100)}))
			for seconds, want := range map[int64]error{99: ErrTokenNotYetValid, 100: nil} {
				now = time.Unix(issuedAt+seconds, 0)
				tok, err := v.Verify(t.Context(), compact)
				require.ErrorIs(t, err, want, claim)
				require.Equal(t, want == nil, tok != nil)
				_, err = v.Decode(t.Context(), compact)
				require.NoError(t, err, "Decode ignores the times")
			}
		}
	}
}

// The cache holds accepted tokens only. A refused token is checked again each time.
func TestCacheHoldsTheAccepted(t *testing.T) {
	key := testKey(t, EdDSA)
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key)})
	compact := signClaims(t, key, exampleClaims())
	first, err := v.Verify(t.Context(), compact)
	require.NoError(t, err)
	second, err := v.Verify(t.Context(), compact)
	require.NoError(t, err)
	require.Same(t, first, second)
	for range 2 {
		_, err = v.Verify(t.Context(), compact[:len(compact)-4])
		require.Error(t, err)
		_, err = v.Verify(t.Context(), signPayload(t, key, payloadWith(map[string]string{"iss": `"x"`})))
		require.Error(t, err)
	}
	require.Len(t, v.cache.entries, 1)
}

// cacheUnits returns how much room the entries of a cache take. It checks the accounts of
// the cache.
func cacheUnits(t *testing.T, c *tokenCache) (all int) {
	t.Helper()
	for _, list := range []*tokenList{&c.recent, &c.issued} {
		units := 0
		for e := list.Front(); e != nil; e = e.Next() {
			entry := e.Value.(*cachedToken)
			require.Same(t, list, entry.in)
			require.Same(t, e, c.entries[entry.sum])
			units += entry.units
		}
		require.Equal(t, units, list.used)
		all += units
	}
	require.Len(t, c.entries, c.recent.Len()+c.issued.Len())
	require.LessOrEqual(t, all, c.room)
	return all
}

// The cache evicts the least recently used tokens, counts a large token as several, and
// never holds more than its size.
func TestCacheIsBounded(t *testing.T) {
	key := testKey(t, EdDSA)
	keys := testKeys(t, key)
	v := newVerifier(t, VerifierConfig{Keys: keys, Leeway: -1, CacheSize: 8})
	sized := func(n, size int) string {
		c := exampleClaims()
		c.Name = fmt.Sprintf("%03d%0*d", n, size, 0)
		return signClaims(t, key, c)
	}
	account := func() int { t.Helper(); return cacheUnits(t, v.cache) }
	hot := sized(0, 1)
	hotToken, err := v.Verify(t.Context(), hot)
	require.NoError(t, err)
	for n := range 50 {
		_, err := v.Verify(t.Context(), sized(n+1, 1))
		require.NoError(t, err)
		again, err := v.Verify(t.Context(), hot)
		require.NoError(t, err)
		require.Same(t, hotToken, again, "a token in use is not evicted")
		account()
	}
	require.Equal(t, 8, account())
	_, err = v.Verify(t.Context(), sized(100, 6<<10)) // 8 KiB and more
	require.NoError(t, err)
	require.LessOrEqual(t, v.cache.recent.Len(), 6)
	account()
	before := v.cache.recent.Len()
	_, err = v.Verify(t.Context(), sized(101, 30<<10))
	require.NoError(t, err)
	require.Equal(t, before, v.cache.recent.Len(), "a token that needs more than half of the cache is not kept")
}

// proves P7: an entry of the cache holds neither the compact token nor its signature. The
// test walks all fields, so it also sees those that are added later.
func TestCacheHoldsNoCompactToken(t *testing.T) {
	key := testKey(t, EdDSA)
	v := newVerifier(t, VerifierConfig{Keys: testKeys(t, key)})
	presented := signClaims(t, key, exampleClaims())
	_, err := v.Verify(t.Context(), presented)
	require.NoError(t, err)
	other := exampleClaims()
	other.Seq++
	issued, _, err := v.Issue(other)
	require.NoError(t, err)
	require.Len(t, v.cache.entries, 2)
	var secrets []string
	for _, compact := range []string{presented, issued.Reveal()} {
		secret := compact[strings.LastIndexByte(compact, '.')+1:]
		raw, err := base64.RawURLEncoding.DecodeString(secret)
		require.NoError(t, err)
		secrets = append(secrets, secret, string(raw))
	}
	clean := func(text string) {
		for _, secret := range secrets {
			require.NotContains(t, text, secret)
		}
	}

	texts := 0
	var walk func(v reflect.Value, depth int)
	walk = func(v reflect.Value, depth int) {
		require.Less(t, depth, 30)
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() && v.Type() != reflect.TypeFor[*tokenList]() { // it leads to the other entries
				walk(v.Elem(), depth+1)
			}
		case reflect.Struct:
			for _, field := range v.Fields() {
				walk(field, depth+1)
			}
		case reflect.String:
			texts++
			clean(v.String())
		case reflect.Slice, reflect.Array:
			if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
				texts++
				clean(string(v.Bytes()))
				return
			}
			for i := range v.Len() {
				walk(v.Index(i), depth+1)
			}
		}
	}
	for _, entry := range v.cache.entries {
		walk(reflect.ValueOf(entry.Value), 0)
	}
	require.Greater(t, texts, 10, "the walk has seen the claims")
}

// Verifications may run in parallel, also while keys change.
func TestCacheConcurrent(t *testing.T) {
	old, next := testKey(t, EdDSA), testKey(t, EdDSA)
	keys := testKeys(t, old)
	v := newVerifier(t, VerifierConfig{Keys: keys, Leeway: -1, CacheSize: 4})
	var compacts []string
	for i := range 8 {
		c := exampleClaims()
		c.Seq = uint64(i + 1)
		compacts = append(compacts, signClaims(t, old, c))
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 300 {
				n := (i*7 + worker) % len(compacts)
				tok, err := v.Verify(t.Context(), compacts[n])
				if err != nil || tok.Seq() != uint64(n+1) {
					t.Errorf("token %d: %v", n, err)
					return
				}
			}
		})
	}
	wg.Wait()
	// Withdraw a key while tokens are verified. Afterwards none is accepted.
	withdrawn := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				after := false
				select {
				case <-withdrawn:
					after = true
				default:
				}
				for _, compact := range compacts {
					if _, err := v.Verify(t.Context(), compact); after && err == nil {
						t.Error("accepted after the key was withdrawn")
						return
					}
				}
				if after {
					return
				}
			}
		})
	}
	require.NoError(t, keys.Activate(next))
	require.NoError(t, keys.Withdraw(old.ID()))
	close(withdrawn)
	wg.Wait()
}
