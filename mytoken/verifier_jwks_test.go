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

// publishedKeys is an issuer that publishes its keys, with a verifier that fetches them.
type publishedKeys struct {
	*Verifier
	mu      sync.Mutex
	now     time.Time
	keys    *Keys
	answer  http.HandlerFunc // instead of the keys, if set
	fetches atomic.Int32
}

func newPublishedKeys(t *testing.T, active *Key) *publishedKeys {
	t.Helper()
	j := &publishedKeys{now: issueTime(), keys: testKeys(t, active)}
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
	j.Verifier = newVerifier(t, VerifierConfig{JWKSURL: server.URL + "/jwks", Clock: j.clock})
	return j
}

func (j *publishedKeys) clock() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.now
}

// pass moves the clock.
func (j *publishedKeys) pass(d time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.now = j.now.Add(d)
}

// answering replaces the answer to a fetch. nil restores the keys.
func (j *publishedKeys) answering(h http.HandlerFunc) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.answer = h
}

func answer500(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }

// endlessToken signs a token that does not expire.
func endlessToken(t *testing.T, k *Key, seq uint64) string {
	t.Helper()
	c := exampleClaims()
	c.Seq, c.Restrictions, c.Rotation = seq, nil, nil
	c.SetTimes(issueTime())
	return signClaims(t, k, c)
}

// The first token makes the verifier fetch the keys. It fetches them again when they are
// older than KeysMaxAge, and then refuses withdrawn keys.
func TestJWKSAge(t *testing.T) {
	first, second := testKey(t, EdDSA), testKey(t, EdDSA)
	j := newPublishedKeys(t, first)
	require.Zero(t, j.fetches.Load(), "NewVerifier fetches nothing")
	compact := endlessToken(t, first, 1)
	for range 3 {
		_, err := j.Verify(t.Context(), compact)
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, j.fetches.Load())

	require.NoError(t, j.keys.Replace(second))
	j.pass(defaultKeysMaxAge)
	_, err := j.Verify(t.Context(), compact)
	require.NoError(t, err, "the keys are not too old yet")
	j.pass(time.Second)
	_, err = j.Verify(t.Context(), compact)
	require.ErrorIs(t, err, ErrTokenKey, "the key was withdrawn, although the token is cached")
	require.EqualValues(t, 2, j.fetches.Load())
	_, err = j.Verify(t.Context(), endlessToken(t, second, 1))
	require.NoError(t, err)
}

// A token with an unknown key makes the verifier fetch the keys, at most once in
// fetchPause.
func TestJWKSUnknownKey(t *testing.T) {
	first, second, evil := testKey(t, EdDSA), testKey(t, EdDSA), testKey(t, EdDSA)
	j := newPublishedKeys(t, first)
	_, err := j.Verify(t.Context(), endlessToken(t, first, 1))
	require.NoError(t, err)
	j.pass(fetchPause)
	require.NoError(t, j.keys.Activate(second))
	_, err = j.Verify(t.Context(), endlessToken(t, second, 1))
	require.NoError(t, err)
	require.EqualValues(t, 2, j.fetches.Load())

	for n := range 20 {
		_, err = j.Verify(t.Context(), endlessToken(t, evil, uint64(n+1)))
		require.ErrorIs(t, err, ErrTokenKey)
	}
	require.EqualValues(t, 2, j.fetches.Load(), "the last fetch is too recent")
	j.pass(fetchPause)
	for n := range 20 {
		_, err = j.Verify(t.Context(), endlessToken(t, evil, uint64(n+1)))
		require.ErrorIs(t, err, ErrTokenKey)
	}
	require.EqualValues(t, 3, j.fetches.Load())

	// A token without "kid" may be signed with a new key too.
	third := testKey(t, ES256)
	require.NoError(t, j.keys.Replace(third))
	j.pass(fetchPause)
	compact := (&target{T: t, compact: endlessToken(t, third, 1)}).signedBy(rawSigner{third.raw}, 5, `{"alg":"ES256","typ":"MT+JWT"}`)
	_, err = j.Verify(t.Context(), compact)
	require.NoError(t, err)
	// A malformed token causes no fetch.
	j.pass(fetchPause)
	before := j.fetches.Load()
	for _, bad := range []string{"", "a.b.c", strings.Repeat("x", 1<<20), endlessToken(t, third, 1)[1:]} {
		_, err = j.Verify(t.Context(), bad)
		require.Error(t, err)
	}
	require.Equal(t, before, j.fetches.Load())
}

// While fetching fails, the verifier uses the old keys until they are older than
// KeysMaxStale.
func TestJWKSStale(t *testing.T) {
	key := testKey(t, EdDSA)
	j := newPublishedKeys(t, key)
	compact := endlessToken(t, key, 1)
	_, err := j.Verify(t.Context(), compact)
	require.NoError(t, err)
	j.answering(answer500)
	j.pass(defaultKeysMaxAge + time.Second)
	for range 3 {
		_, err = j.Verify(t.Context(), compact)
		require.NoError(t, err)
	}
	require.EqualValues(t, 2, j.fetches.Load(), "a failed fetch is not repeated at once")
	j.pass(fetchPause)
	_, err = j.Verify(t.Context(), compact)
	require.NoError(t, err)
	require.EqualValues(t, 3, j.fetches.Load())

	j.pass(defaultKeysMaxStale)
	for range 3 {
		_, err = j.Verify(t.Context(), compact)
		require.ErrorIs(t, err, ErrKeysUnavailable)
		var invalid *InvalidTokenError
		require.NotErrorAs(t, err, &invalid, "the token is not to blame")
	}
	require.EqualValues(t, 4, j.fetches.Load())

	j.answering(nil)
	j.pass(fetchPause)
	_, err = j.Verify(t.Context(), compact)
	require.NoError(t, err)
	j.pass(-time.Hour)
	_, err = j.Verify(t.Context(), compact)
	require.NoError(t, err)
	require.EqualValues(t, 6, j.fetches.Load(), "the clock was set back, so the age of the keys is unknown")
}

// A token with an unknown key is not to blame while newer keys cannot be fetched. Other
// tokens are still accepted, and malformed ones still refused.
func TestJWKSUnknownKeyWithoutNewerKeys(t *testing.T) {
	first, second := testKey(t, EdDSA), testKey(t, EdDSA)
	j := newPublishedKeys(t, first)
	old, fresh := endlessToken(t, first, 1), endlessToken(t, second, 1)
	_, err := j.Verify(t.Context(), old)
	require.NoError(t, err)
	j.pass(fetchPause)
	require.NoError(t, j.keys.Activate(second))
	j.answering(answer500)
	for range 2 { // the second call meets the pause
		_, err = j.Verify(t.Context(), fresh)
		require.ErrorIs(t, err, ErrKeysUnavailable)
		require.ErrorContains(t, err, "status 500")
		require.NotErrorAs(t, err, new(*InvalidTokenError), "the token is not to blame")
		_, err = j.Verify(t.Context(), old)
		require.NoError(t, err)
	}
	require.EqualValues(t, 2, j.fetches.Load())
	_, err = j.Verify(t.Context(), fresh[1:])
	require.ErrorAs(t, err, new(*InvalidTokenError))
	require.NotErrorIs(t, err, ErrKeysUnavailable)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	j.pass(fetchPause)
	asked, gate := make(chan struct{}), make(chan struct{})
	j.answering(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-gate
		_, _ = w.Write(j.keys.JWKS())
	})
	ended := make(chan error, 1)
	go func() {
		_, err := j.Verify(context.Background(), fresh)
		ended <- err
	}()
	<-asked
	_, err = j.Verify(ctx, fresh)
	require.ErrorIs(t, err, ErrKeysUnavailable)
	require.ErrorIs(t, err, context.Canceled)
	close(gate)
	require.NoError(t, <-ended)
}

// The verifier accepts no keys from a bad answer, and recovers with the next good one.
func TestJWKSBadAnswers(t *testing.T) {
	key := testKey(t, EdDSA)
	compact := endlessToken(t, key, 1)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(testKeys(t, key).JWKS())
	}))
	defer elsewhere.Close()
	for name, answer := range map[string]http.HandlerFunc{
		"500":       answer500,
		"404":       http.NotFound,
		"redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"null":      func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("null")) },
		"empty":     func(http.ResponseWriter, *http.Request) {},
		"not JSON":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"too large": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat(" ", 300<<10))) },
		"aborted": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"keys":[`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := newPublishedKeys(t, key)
			j.answering(answer)
			_, err := j.Verify(t.Context(), compact)
			require.ErrorIs(t, err, ErrKeysUnavailable)
			j.answering(nil)
			j.pass(fetchPause)
			_, err = j.Verify(t.Context(), compact)
			require.NoError(t, err)
		})
	}
	j := newPublishedKeys(t, key)
	j.answering(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) })
	_, err := j.Verify(t.Context(), compact)
	require.ErrorIs(t, err, ErrTokenKey, "an issuer without keys is no failure")
}

// While a fetch runs, callers without keys wait for it, and callers with old keys go on.
func TestJWKSOneFetchAtATime(t *testing.T) {
	key := testKey(t, EdDSA)
	j := newPublishedKeys(t, key)
	compact := endlessToken(t, key, 1)
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
		require.NoError(t, err, "a hanging fetch delays nobody else")
	}
	gate <- struct{}{}
	require.NoError(t, <-results)
	require.EqualValues(t, 2, j.fetches.Load())
}

// roundTripFunc answers requests without a network.
type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// If a fetch fails, the calls that waited for it do not try again one by one.
func TestJWKSFailureIsShared(t *testing.T) {
	key := testKey(t, EdDSA)
	published := testKeys(t, key).JWKS()
	forged := endlessToken(t, testKey(t, EdDSA), 1)
	for _, state := range []string{"with keys", "without keys"} {
		synctest.Test(t, func(t *testing.T) {
			fetches, gate := 0, make(chan struct{})
			fail, now := false, issueTime()
			v, err := NewVerifier(VerifierConfig{
				Issuer: testIssuer, JWKSURL: "https://mytoken.example.org/jwks", Clock: func() time.Time { return now },
				HTTPClient: &http.Client{Transport: roundTripFunc(func(*http.Request) (*http.Response, error) {
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
			synctest.Wait() // one call fetches, four wait for it
			close(gate)
			wg.Wait()
			require.Equal(t, 1, fetches, state)
		})
	}
}

// A fetch goes on when its caller gives up, because others need the keys too.
func TestJWKSFetchOutlivesItsCaller(t *testing.T) {
	key := testKey(t, EdDSA)
	j := newPublishedKeys(t, key)
	ctx, cancel := context.WithCancel(t.Context())
	j.answering(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		_, _ = w.Write(j.keys.JWKS())
	})
	_, err := j.Verify(ctx, endlessToken(t, key, 1))
	require.NoError(t, err)
	require.EqualValues(t, 1, j.fetches.Load())
}
