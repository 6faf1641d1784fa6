package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/restriction"
)

var rotating = &mytoken.Rotation{OnAT: true, OnOther: true, AutoRevoke: true}

// Every use saves the successor of a rotating token.
func TestHolderRotates(t *testing.T) {
	s := start(t, nil)
	ctx := t.Context()
	store := client.NewMemoryStore(s.token(mytoken.Properties{Rotation: rotating}))
	h := s.client.NewHolder(store)
	for n, use := range []func() error{
		func() error { _, err := h.AccessToken(ctx, client.AccessTokenRequest{}); return err },
		func() error { _, err := h.Derive(ctx, client.DeriveRequest{}); return err },
		func() error { _, err := h.History(ctx); return err },
		func() error { _, err := h.Subtree(ctx); return err },
		func() error { _, err := h.List(ctx); return err },
		func() error {
			child, err := h.Derive(ctx, client.DeriveRequest{})
			require.NoError(t, err)
			return h.RevokeByID(ctx, child.ID, true)
		},
	} {
		before := s.generation(store)
		require.NoError(t, use(), n)
		require.Greater(t, s.generation(store), before, n)
	}
	before := s.generation(store)
	_, err := h.Introspect(ctx)
	require.NoError(t, err)
	_, err = h.Transfer(ctx)
	require.NoError(t, err)
	require.Equal(t, before, s.generation(store))
	require.NoError(t, h.Revoke(ctx, true))
	_, err = h.AccessToken(ctx, client.AccessTokenRequest{})
	require.True(t, client.IsCode(err, client.CodeInvalidToken), "%v", err)
}

// The user logs in again while a use is under way, and does not mind the lock. The
// successor of the old token does not replace the new login.
func TestLoginDuringUse(t *testing.T) {
	var login func()
	s := start(t, func(o *setup) {
		o.wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r)
				if r.URL.Path == "/api/v0/token/access" {
					login()
				}
			})
		}
	})
	store := client.NewMemoryStore(s.token(mytoken.Properties{Rotation: rotating}))
	again := s.token(mytoken.Properties{Rotation: rotating})
	login = func() { assert.NoError(t, store.Save(t.Context(), again)) }
	_, err := s.client.NewHolder(store).AccessToken(t.Context(), client.AccessTokenRequest{})
	require.NoError(t, err)
	kept, err := store.Load(t.Context())
	require.NoError(t, err)
	require.True(t, kept.Equal(again))
}

// Many goroutines use one rotating token, through two holders.
func TestHolderConcurrent(t *testing.T) {
	s := start(t, nil)
	store := client.NewMemoryStore(s.token(mytoken.Properties{Rotation: rotating}))
	one, two := s.client.NewHolder(store), s.client.NewHolder(store)
	var group sync.WaitGroup
	const callers, uses = 8, 5
	for i := range callers {
		h := one
		if i%2 == 1 {
			h = two
		}
		group.Go(func() {
			for range uses {
				_, err := h.AccessToken(t.Context(), client.AccessTokenRequest{})
				assert.NoError(t, err)
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 1+callers*uses, s.generation(store))
}

// If the answer with a rotated token is lost, the next answer within the grace period
// brings the same successor.
//
// proves P8
func TestLostAnswerOfARotatingToken(t *testing.T) {
	var lose atomic.Int32
	var legacy atomic.Bool
	s := start(t, func(o *setup) {
		o.wrap = func(current http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h := current
				if legacy.Load() {
					h = withoutKeys(h)
				}
				if r.URL.Path == "/api/v0/token/access" && lose.Add(-1) >= 0 {
					h.ServeHTTP(&discard{http.Header{}}, r)
					panic(http.ErrAbortHandler)
				}
				h.ServeHTTP(w, r)
			})
		}
	})
	store := client.NewMemoryStore(s.token(mytoken.Properties{
		Rotation: rotating, Restrictions: restriction.List{{UsagesAT: restriction.Usages(9)}},
	}))
	h := s.client.NewHolder(store)
	lose.Store(2)
	_, err := h.AccessToken(t.Context(), client.AccessTokenRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 2, s.generation(store))
	_, err = h.AccessToken(t.Context(), client.AccessTokenRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 3, s.generation(store))

	require.EqualValues(t, 2, s.usedAT(h), "two uses, whatever was repeated")

	// A use of a token that does not rotate is repeated, too, and counts once.
	plain := s.client.NewHolder(client.NewMemoryStore(s.token(mytoken.Properties{Restrictions: restriction.List{{UsagesAT: restriction.Usages(9)}}})))
	lose.Store(3)
	_, err = plain.AccessToken(t.Context(), client.AccessTokenRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 1, s.usedAT(plain))

	// At another server it is not.
	legacy.Store(true)
	old, err := client.New(client.Config{Issuer: s.URL, Clock: stepClock{s.Clock}})
	require.NoError(t, err)
	lose.Store(1)
	_, err = old.NewHolder(client.NewMemoryStore(s.token(mytoken.Properties{}))).AccessToken(t.Context(), client.AccessTokenRequest{})
	require.ErrorAs(t, err, new(*client.NetworkError))
	require.EqualValues(t, -1, lose.Add(-1), "the use was repeated")
}

// usedAT returns how many access tokens the first clause of the token was charged for.
func (s *server) usedAT(h *client.Holder) int64 {
	s.t.Helper()
	info, err := h.Introspect(s.t.Context())
	require.NoError(s.t, err)
	return info.Used[0].AT
}

// withoutKeys makes a server of this SDK one that does not know keys of requests.
func withoutKeys(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Del("Idempotency-Key"); r.URL.Path != "/.well-known/mytoken-configuration" {
			h.ServeHTTP(w, r)
			return
		}
		document := httptest.NewRecorder()
		h.ServeHTTP(document, r)
		var body map[string]any
		if err := json.Unmarshal(document.Body.Bytes(), &body); err != nil {
			panic(err)
		}
		delete(body, "idempotency_key_supported")
		answer(w, document.Code, body)
	})
}

// discard is a ResponseWriter whose answer goes nowhere.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// The holder saves the successor before it returns the answer. If it cannot, it withholds
// the answer and saves the successor before the next use.
func TestSuccessorIsSavedFirst(t *testing.T) {
	s := start(t, nil)
	store := &failingStore{MemoryStore: client.NewMemoryStore(s.token(mytoken.Properties{Rotation: rotating}))}
	h := s.client.NewHolder(store)
	full := errors.New("disk full")
	store.fails = full
	for range 2 {
		at, err := h.AccessToken(t.Context(), client.AccessTokenRequest{})
		require.ErrorIs(t, err, full)
		require.ErrorAs(t, err, new(*client.SaveError))
		require.Nil(t, at)
	}
	store.fails = nil
	_, err := h.AccessToken(t.Context(), client.AccessTokenRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 3, s.generation(store), "the second use reached the server")
}

// Another process that does not lock was faster. The holder then uses the token that is
// in the store.
func TestFasterProcess(t *testing.T) {
	s := start(t, nil)
	store := client.NewMemoryStore(s.token(mytoken.Properties{Rotation: rotating}))
	old, err := store.Load(t.Context())
	require.NoError(t, err)
	for range 2 { // the server refuses the old token after that
		_, err := s.client.NewHolder(store).AccessToken(t.Context(), client.AccessTokenRequest{})
		require.NoError(t, err)
	}
	late := &lateStore{MemoryStore: store, first: old}
	_, err = s.client.NewHolder(late).AccessToken(t.Context(), client.AccessTokenRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 4, s.generation(store))

	// If the store has no other token, the holder returns the refusal.
	lonely := s.client.NewHolder(client.NewMemoryStore(old))
	_, err = lonely.AccessToken(t.Context(), client.AccessTokenRequest{})
	require.True(t, client.IsCode(err, client.CodeInvalidToken), "%v", err)
}

// lateStore returns an old token from the first two loads.
type lateStore struct {
	*client.MemoryStore
	first mytoken.Secret
	loads atomic.Int32
}

func (s *lateStore) Load(ctx context.Context) (mytoken.Secret, error) {
	if s.loads.Add(1) <= 2 {
		return s.first, nil
	}
	return s.MemoryStore.Load(ctx)
}

// A sent request with a rotating token goes on after its context has ended, and its
// successor is saved.
func TestCancelledUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := &fake{}
		f.answer = func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
			cancel()
			assert.NoError(t, r.Context().Err())
			answer(w, 200, map[string]any{"access_token": "a", "token_update": map[string]any{"mytoken": "the-next-token"}})
		}
		store := client.NewMemoryStore(jwt(1, `{"on_AT":true}`))
		h := f.client(t, nil).NewHolder(store)
		_, err := h.AccessToken(ctx, client.AccessTokenRequest{})
		require.NoError(t, err)
		token, err := store.Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, "the-next-token", token.Reveal())
		_, err = h.AccessToken(ctx, client.AccessTokenRequest{})
		require.ErrorIs(t, err, context.Canceled)
	})
}

// A server may rotate a token that does not say so.
func TestUnexpectedRotation(t *testing.T) {
	f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		answer(w, 200, map[string]any{"access_token": "a", "token_update": map[string]any{"mytoken": "the-next-token"}})
	}}
	store := client.NewMemoryStore(jwt(1, `null`))
	_, err := f.client(t, nil).NewHolder(store).AccessToken(t.Context(), client.AccessTokenRequest{})
	require.NoError(t, err)
	token, err := store.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, "the-next-token", token.Reveal())
}

// The holder saves such an unsaved successor before the next use too, and then the
// successor of that use.
func TestUnexpectedRotationIsSavedLater(t *testing.T) {
	var store *failingStore
	var saved []mytoken.Secret // in the store at each request
	generation := 1
	f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		token, err := store.Load(t.Context())
		assert.NoError(t, err)
		saved = append(saved, token)
		generation++
		answer(w, 200, map[string]any{"access_token": "a", "token_update": map[string]any{"mytoken": jwt(generation, `null`).Reveal()}})
	}}
	store = &failingStore{MemoryStore: client.NewMemoryStore(jwt(1, `null`)), fails: errors.New("disk full")}
	h := f.client(t, nil).NewHolder(store)
	for range 2 {
		_, err := h.AccessToken(t.Context(), client.AccessTokenRequest{})
		require.ErrorAs(t, err, new(*client.SaveError))
	}
	require.Len(t, saved, 1, "the second use reached the server")
	store.fails = nil
	_, err := h.AccessToken(t.Context(), client.AccessTokenRequest{})
	require.NoError(t, err)
	require.True(t, saved[1].Equal(jwt(2, `null`)))
	token, err := store.Load(t.Context())
	require.NoError(t, err)
	require.True(t, token.Equal(jwt(3, `null`)))
}

// If another process has saved a token meanwhile, that one is newer and stays.
func TestUnexpectedRotationComesLate(t *testing.T) {
	store := client.NewMemoryStore(jwt(1, `null`))
	f := &fake{answer: func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		assert.NoError(t, store.Save(t.Context(), aToken))
		answer(w, 200, map[string]any{"access_token": "a", "token_update": map[string]any{"mytoken": "the-next-token"}})
	}}
	_, err := f.client(t, nil).NewHolder(store).AccessToken(t.Context(), client.AccessTokenRequest{})
	require.NoError(t, err)
	token, err := store.Load(t.Context())
	require.NoError(t, err)
	require.True(t, token.Equal(aToken))
}
