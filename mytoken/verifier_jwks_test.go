package mytoken

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// tokJWKS is an issuer that publishes keys, and a verifier that fetches them.
type tokJWKS struct {
	*Verifier
	mu      sync.Mutex
	now     time.Time
	keys    *Keys
	answer  http.HandlerFunc // instead of the keys, if set
	fetches atomic.Int32
}

func newTokJWKS(t *testing.T, active *Key) *tokJWKS {
	t.Helper()
	j := &tokJWKS{now: tokNow(), keys: tokKeys(t, active)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		j.fetches.Add(1)
		j.mu.Lock()
		answer := j.answer
		j.mu.Unlock()
		if answer != nil {
			answer(w, r)
			return
		}
		_, _ = w.Write(j.keys.JWKS())
	}))
	t.Cleanup(server.Close)
	var err error
	j.Verifier, err = NewVerifier(VerifierConfig{Issuer: tokIssuer, JWKSURL: server.URL + "/jwks", Clock: j.clock})
	require.NoError(t, err)
	return j
}

func (j *tokJWKS) clock() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.now
}

func (j *tokJWKS) pass(d time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.now = j.now.Add(d)
}

func (j *tokJWKS) answering(h http.HandlerFunc) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.answer = h
}

func tokFail(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }

// tokForever is a token that does not expire.
func tokForever(t *testing.T, k *Key, seq uint64) string {
	t.Helper()
	c := tokClaims()
	c.Seq, c.Restrictions, c.Rotation = seq, nil, nil
	c.SetTimes(tokNow())
	return tokCompact(t, k, c)
}

// Keys are fetched with the first token, kept, and fetched again when they are old; a key
// that is withdrawn is refused with the next fetch.
func TestJWKSAge(t *testing.T) {
	first, second := tokKey(t, EdDSA), tokKey(t, EdDSA)
	j := newTokJWKS(t, first)
	require.Zero(t, j.fetches.Load(), "nothing is fetched before it is needed")
	compact := tokForever(t, first, 1)
	for range 3 {
		_, err := j.Verify(t.Context(), compact)
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, j.fetches.Load())

	require.NoError(t, j.keys.Replace(second))
	j.pass(defaultKeysMaxAge)
	_, err := j.Verify(t.Context(), compact)
	require.NoError(t, err, "not fetched yet")
	j.pass(time.Second)
	_, err = j.Verify(t.Context(), compact)
	require.ErrorIs(t, err, ErrTokenKey, "withdrawn, although it was cached")
	require.EqualValues(t, 2, j.fetches.Load())
	_, err = j.Verify(t.Context(), tokForever(t, second, 1))
	require.NoError(t, err)
}

// A new key is found at once; what brings about a fetch cannot do so more often than once
// in fetchPause.
func TestJWKSUnknownKey(t *testing.T) {
	first, second, evil := tokKey(t, EdDSA), tokKey(t, EdDSA), tokKey(t, EdDSA)
	j := newTokJWKS(t, first)
	_, err := j.Verify(t.Context(), tokForever(t, first, 1))
	require.NoError(t, err)
	j.pass(fetchPause)
	require.NoError(t, j.keys.Activate(second))
	_, err = j.Verify(t.Context(), tokForever(t, second, 1))
	require.NoError(t, err)
	require.EqualValues(t, 2, j.fetches.Load())

	for n := range 20 {
		_, err = j.Verify(t.Context(), tokForever(t, evil, uint64(n+1)))
		require.ErrorIs(t, err, ErrTokenKey)
	}
	require.EqualValues(t, 2, j.fetches.Load(), "the last fetch is too recent")
	j.pass(fetchPause)
	for n := range 20 {
		_, err = j.Verify(t.Context(), tokForever(t, evil, uint64(n+1)))
		require.ErrorIs(t, err, ErrTokenKey)
	}
	require.EqualValues(t, 3, j.fetches.Load())

	// A token without kid may be signed with a new key as well.
	third := tokKey(t, ES256)
	require.NoError(t, j.keys.Replace(third))
	j.pass(fetchPause)
	compact := (&tokTarget{T: t, compact: tokForever(t, third, 1)}).signedBy(tokRawSigner{third.raw}, 5, `{"alg":"ES256","typ":"MT+JWT"}`)
	_, err = j.Verify(t.Context(), compact)
	require.NoError(t, err)
	// What cannot be about keys causes no fetch.
	j.pass(fetchPause)
	before := j.fetches.Load()
	for _, bad := range []string{"", "a.b.c", strings.Repeat("x", 1<<20), tokForever(t, third, 1)[1:]} {
		_, err = j.Verify(t.Context(), bad)
		require.Error(t, err)
	}
	require.Equal(t, before, j.fetches.Load())
}

// While the keys cannot be fetched, the old ones count, up to KeysMaxStale.
func TestJWKSStale(t *testing.T) {
	key := tokKey(t, EdDSA)
	j := newTokJWKS(t, key)
	compact := tokForever(t, key, 1)
	_, err := j.Verify(t.Context(), compact)
	require.NoError(t, err)
	j.answering(tokFail)
	j.pass(defaultKeysMaxAge + time.Second)
	for range 3 {
		_, err = j.Verify(t.Context(), compact)
		require.NoError(t, err)
	}
	require.EqualValues(t, 2, j.fetches.Load(), "a failure is not repeated at once")
	j.pass(fetchPause)
	_, err = j.Verify(t.Context(), compact)
	require.NoError(t, err)
	require.EqualValues(t, 3, j.fetches.Load())

	j.pass(defaultKeysMaxStale)
	for range 3 {
		_, err = j.Verify(t.Context(), compact)
		require.ErrorIs(t, err, ErrKeysUnavailable)
		var invalid *InvalidTokenError
		require.NotErrorAs(t, err, &invalid, "it is not about the token")
	}
	require.EqualValues(t, 4, j.fetches.Load())

	j.answering(nil)
	j.pass(fetchPause)
	_, err = j.Verify(t.Context(), compact)
	require.NoError(t, err)
	j.pass(-time.Hour)
	_, err = j.Verify(t.Context(), compact)
	require.NoError(t, err)
	require.EqualValues(t, 6, j.fetches.Load(), "with the clock set back, the age of the keys is not known")
}

// Answers that are not accepted, each with the old keys or without any.
func TestJWKSBadAnswers(t *testing.T) {
	key := tokKey(t, EdDSA)
	compact := tokForever(t, key, 1)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(tokKeys(t, key).JWKS())
	}))
	defer elsewhere.Close()
	for name, answer := range map[string]http.HandlerFunc{
		"500":       tokFail,
		"404":       http.NotFound,
		"redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"empty":     func(http.ResponseWriter, *http.Request) {},
		"not JSON":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"too large": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat(" ", 300<<10))) },
		"aborted": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"keys":[`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := newTokJWKS(t, key)
			j.answering(answer)
			_, err := j.Verify(t.Context(), compact)
			require.ErrorIs(t, err, ErrKeysUnavailable)
			j.answering(nil)
			j.pass(fetchPause)
			_, err = j.Verify(t.Context(), compact)
			require.NoError(t, err)
		})
	}
	j := newTokJWKS(t, key)
	j.answering(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) })
	_, err := j.Verify(t.Context(), compact)
	require.ErrorIs(t, err, ErrTokenKey, "an issuer without keys has no tokens")
}

// Without keys everybody waits for the one fetch; with old keys nobody but the one that
// fetches waits.
func TestJWKSOneFetchAtATime(t *testing.T) {
	key := tokKey(t, EdDSA)
	j := newTokJWKS(t, key)
	compact := tokForever(t, key, 1)
	asked, gate := make(chan struct{}, 10), make(chan struct{})
	j.answering(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-gate
		_, _ = w.Write(j.keys.JWKS())
	})
	results := make(chan error, 10)
	for range 5 {
		go func() {
			_, err := j.Verify(context.Background(), compact)
			results <- err
		}()
	}
	<-asked
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := j.Verify(impatient, compact)
	require.ErrorIs(t, err, ErrKeysUnavailable)
	require.ErrorIs(t, err, context.Canceled)
	gate <- struct{}{}
	for range 5 {
		require.NoError(t, <-results)
	}
	require.EqualValues(t, 1, j.fetches.Load())

	j.pass(defaultKeysMaxAge + time.Second)
	go func() {
		_, err := j.Verify(context.Background(), compact)
		results <- err
	}()
	<-asked
	for range 5 {
		_, err = j.Verify(t.Context(), compact)
		require.NoError(t, err, "answered although the fetch hangs")
	}
	gate <- struct{}{}
	require.NoError(t, <-results)
	require.EqualValues(t, 2, j.fetches.Load())
}

// tokTransport answers requests without a network.
type tokTransport func(*http.Request) (*http.Response, error)

func (f tokTransport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Calls that waited for a fetch which failed do not fetch one after the other.
func TestJWKSFailureIsShared(t *testing.T) {
	key := tokKey(t, EdDSA)
	published := tokKeys(t, key).JWKS()
	forged := tokForever(t, tokKey(t, EdDSA), 1)
	for _, state := range []string{"with keys", "without keys"} {
		synctest.Test(t, func(t *testing.T) {
			fetches, gate := 0, make(chan struct{})
			fail, now := false, tokNow()
			v, err := NewVerifier(VerifierConfig{
				Issuer: tokIssuer, JWKSURL: "https://mytoken.example.org/jwks", Clock: func() time.Time { return now },
				HTTPClient: &http.Client{Transport: tokTransport(func(*http.Request) (*http.Response, error) {
					if fetches++; !fail {
						return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(published))}, nil
					}
					<-gate
					return nil, errors.New("no route")
				})},
			})
			require.NoError(t, err)
			if state == "with keys" {
				_, err = v.Verify(t.Context(), forged)
				require.ErrorIs(t, err, ErrTokenKey)
				require.Equal(t, 1, fetches)
				now = now.Add(fetchPause)
			}
			fail, fetches = true, 0
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					if _, err := v.Verify(context.Background(), forged); err == nil {
						t.Error("accepted")
					}
				})
			}
			synctest.Wait() // one fetches, four wait for their turn
			close(gate)
			wg.Wait()
			require.Equal(t, 1, fetches, state)
		})
	}
}

// The call that fetches does not give up when its caller does: the others need the keys
// too.
func TestJWKSFetchOutlivesItsCaller(t *testing.T) {
	key := tokKey(t, EdDSA)
	j := newTokJWKS(t, key)
	ctx, cancel := context.WithCancel(t.Context())
	j.answering(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		_, _ = w.Write(j.keys.JWKS())
	})
	_, err := j.Verify(ctx, tokForever(t, key, 1))
	require.NoError(t, err)
	require.EqualValues(t, 1, j.fetches.Load())
}
