package client_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/client"
)

// sourceOf returns a source of access tokens of the fake.
func sourceOf(t *testing.T, f *fake, opts client.SourceOptions) *client.TokenSource {
	t.Helper()
	c := f.client(t, func(cfg *client.Config) { cfg.Attempts = 1 })
	return c.NewHolder(client.NewMemoryStore(aToken)).TokenSource(opts)
}

// The source replaces a token a margin before it expires, and not earlier.
func TestTokenSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		source := sourceOf(t, f, client.SourceOptions{Early: 10 * time.Minute})
		first, err := source.Token()
		require.NoError(t, err)
		require.Equal(t, "Bearer", first.Type())
		require.Equal(t, time.Now().Add(time.Hour).Unix(), first.Expiry.Unix())
		time.Sleep(50*time.Minute - time.Second)
		again, err := source.Token()
		require.NoError(t, err)
		require.Equal(t, first.AccessToken, again.AccessToken)
		time.Sleep(time.Second)
		next, err := source.Token()
		require.NoError(t, err)
		require.NotEqual(t, first.AccessToken, next.AccessToken)
		require.Equal(t, 2, f.count("/access"))
	})
}

// The source uses a short-lived token for half of its lifetime.
func TestTokenSourceShortLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: 10 * time.Second}
		source := sourceOf(t, f, client.SourceOptions{})
		for range 100 {
			token, err := source.Token()
			require.NoError(t, err)
			end, _ := f.end(token.AccessToken)
			require.GreaterOrEqual(t, time.Until(end), 5*time.Second)
			time.Sleep(time.Second)
		}
		require.Equal(t, 20, f.count("/access"))
	})
}

// Concurrent callers share one request.
func TestTokenSourceSharesRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		f.answer = func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			time.Sleep(time.Second)
			answer(w, 200, f.accessToken())
		}
		source := sourceOf(t, f, client.SourceOptions{})
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				_, err := source.Token()
				assert.NoError(t, err)
			})
		}
		group.Wait()
		require.Equal(t, 1, f.count("/access"))
	})
}

// While the server is down, the source returns the last token until it expires.
func TestTokenSourceServerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		source := sourceOf(t, f, client.SourceOptions{Early: 30 * time.Minute})
		first, err := source.Token()
		require.NoError(t, err)
		f.setDown(errRefused)
		for range 59 {
			time.Sleep(time.Minute)
			token, err := source.Token()
			require.NoError(t, err)
			require.Equal(t, first.AccessToken, token.AccessToken)
		}
		time.Sleep(time.Minute)
		_, err = source.Token()
		require.ErrorAs(t, err, new(*client.NetworkError))
		f.setDown(nil)
		next, err := source.Token()
		require.NoError(t, err)
		require.NotEqual(t, first.AccessToken, next.AccessToken)
	})
}

// The source keeps a token without an expiry.
func TestTokenSourceWithoutExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			answer(w, 200, map[string]string{"access_token": "for-ever"})
		}}
		source := sourceOf(t, f, client.SourceOptions{})
		for range 3 {
			token, err := source.Token()
			require.NoError(t, err)
			require.True(t, token.Expiry.IsZero())
			time.Sleep(1000 * time.Hour)
		}
		require.Equal(t, 1, f.count("/access"))
	})
}

// An early request that hangs delays only its caller.
func TestTokenSourceHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		f.answer = func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			time.Sleep(10 * time.Second)
			answer(w, 200, f.accessToken())
		}
		source := sourceOf(t, f, client.SourceOptions{Early: 10 * time.Minute})
		first, err := source.Token()
		require.NoError(t, err)
		time.Sleep(50 * time.Minute)
		asked := make(chan string)
		go func() {
			token, err := source.Token()
			assert.NoError(t, err)
			asked <- token.AccessToken
		}()
		synctest.Wait()
		begin := time.Now()
		token, err := source.Token()
		require.NoError(t, err)
		require.Equal(t, first.AccessToken, token.AccessToken)
		require.Zero(t, time.Since(begin))
		require.NotEqual(t, first.AccessToken, <-asked)
	})
}

// The source does not return a token that expires while an early request hangs and fails.
func TestTokenSourceHangsTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		f := &fake{life: time.Hour}
		f.answer = func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
			if away.Load() {
				time.Sleep(15 * time.Second)
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			answer(w, 200, f.accessToken())
		}
		source := sourceOf(t, f, client.SourceOptions{Early: 10 * time.Second})
		first, err := source.Token()
		require.NoError(t, err)
		away.Store(true)
		time.Sleep(time.Hour - 10*time.Second)
		token, err := source.Token()
		require.True(t, time.Now().After(first.Expiry))
		require.ErrorAs(t, err, new(*client.Error), "%v", token)
	})
}

// A suspended process has the lock of the mytoken. The source gives up waiting, and
// returns the last token while that is valid.
func TestTokenSourceLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{life: time.Hour}
		store := client.NewMemoryStore(aToken)
		source := f.client(t, nil).NewHolder(store).TokenSource(client.SourceOptions{Early: 5 * time.Minute})
		first, err := source.Token()
		require.NoError(t, err)
		unlock, err := store.Lock(t.Context())
		require.NoError(t, err)
		time.Sleep(56 * time.Minute)
		again, err := source.Token()
		require.NoError(t, err)
		require.Equal(t, first.AccessToken, again.AccessToken)
		time.Sleep(2 * time.Minute)
		_, err = source.Token()
		require.ErrorContains(t, err, "lock of the mytoken")
		unlock()
		_, err = source.Token()
		require.NoError(t, err)
	})
}
