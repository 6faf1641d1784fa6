package issuer_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// A revoked mytoken gets nothing, on no node, and what was kept for it is gone: after its
// own revocation, that of an ancestor, and the deletion of the user.
//
// proves P6, P7
func TestAccessTokenCacheEndsWithItsToken(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(s *cache, root, child *mytoken.Issued)
		reason issuer.TokenReason
		left   int
	}{
		"own":      {func(s *cache, _, child *mytoken.Issued) { revoke(s.T, s.Service, child.Token, false) }, issuer.TokenRevoked, 1},
		"ancestor": {func(s *cache, root, _ *mytoken.Issued) { revoke(s.T, s.Service, root.Token, true) }, issuer.TokenRevoked, 0},
		"user": {func(s *cache, _, _ *mytoken.Issued) {
			require.NoError(s, owner(s.T, s.Service, "alice").Delete(s.Context()))
		}, issuer.TokenUnknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCache(t, untilTheEnd, mytokentest.Options{})
			node, err := issuer.New(s.Config)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, node.Close(context.Background())) })
			root := login(t, s.Service, mytoken.Properties{Capabilities: allCapabilities})
			child := derive(t, s.Service, root.Token, mytoken.Properties{})
			s.ask(root.Token)
			s.ask(child.Token)
			require.Equal(t, 2, s.kept())
			c.end(s, root, child)
			require.Equal(t, c.left, s.kept())
			for _, i := range []*issuer.Issuer{s.Issuer, node} {
				_, err := i.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: child.Token, Client: client})
				requireTokenError(t, err, c.reason)
			}
			require.Equal(t, 2, s.asked())
		})
	}
}

// A revocation or the deletion of the user comes between the answer and its keeping.
// Nothing stays.
//
// proves P6, P7
func TestAccessTokenCacheAfterRevocation(t *testing.T) {
	for name, end := range map[string]func(s *cache, token mytoken.Secret){
		"revocation": func(s *cache, token mytoken.Secret) { revoke(s.T, s.Service, token, true) },
		"deletion": func(s *cache, _ mytoken.Secret) {
			require.NoError(s, owner(s.T, s.Service, "alice").Delete(s.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCache(t, untilTheEnd, mytokentest.Options{})
			token := login(t, s.Service, mytoken.Properties{Capabilities: allCapabilities})
			gate := newGate(t)
			s.faults.Reset(func(c storetest.Call) error {
				if c.Method == "ChangeTickets" && c.N == 1 && c.Before {
					gate.wait(t.Context())
				}
				return nil
			})
			_, err := accessToken(t, s.Service, token.Token)
			require.NoError(t, err)
			gate.await(t)
			end(s, token.Token)
			gate.open()
			require.NoError(t, s.Issuer.AwaitErrands(t.Context()))
			require.Zero(t, s.kept())
		})
	}
}

// After a new login the provider is asked: the user may have agreed to less.
//
// proves P1
func TestAccessTokenCacheEndsWithTheLogin(t *testing.T) {
	var granted knob[[]string]
	s := newCache(t, untilTheEnd, mytokentest.Options{Provider: optest.Options{
		Decide: func(optest.AuthorizationRequest) optest.Decision { return optest.Decision{Scopes: granted.get()} },
	}})
	granted.set([]string{"openid", "offline_access", "compute", "profile"})
	root := login(t, s.Service, mytoken.Properties{Capabilities: allCapabilities})
	child := derive(t, s.Service, root.Token, mytoken.Properties{})
	for _, token := range []mytoken.Secret{root.Token, child.Token} {
		require.Contains(t, s.ask(token).Scopes, "profile")
	}
	granted.set([]string{"openid", "offline_access", "compute"})
	_, err := s.Follow(t.Context(), "alice", reconnect(t, s.Service, child.Token))
	require.NoError(t, err)
	require.Zero(t, s.kept())
	for _, token := range []mytoken.Secret{root.Token, child.Token} {
		require.NotContains(t, s.ask(token).Scopes, "profile")
	}
}

// After the provider has ended the login, kept access tokens are handed out until they
// expire, and then the user has to log in again.
func TestAccessTokenCacheOfADeadGrant(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, config: func(c *issuer.Config) {
		c.Providers[0].AccessTokenCache, c.SuspectPause = untilTheEnd, time.Minute
	}})
	first, err := w.request(t.Context(), w.issuer, store.UseID{})
	require.NoError(t, err)
	require.NoError(t, w.issuer.AwaitErrands(t.Context()))
	w.site.op.EndGrants(w.subject)
	for range 3 {
		_, err = w.issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: w.token, Scopes: []string{"storage.read"}, Client: mytokentest.Client})
		require.Error(t, err)
		w.clock.Advance(2 * time.Minute)
		again, err := w.request(t.Context(), w.issuer, store.UseID{})
		require.NoError(t, err)
		require.True(t, first.Token.Equal(again.Token))
	}
	errAs[*issuer.ReconnectError](t, err)
	w.clock.Advance(2 * time.Hour)
	_, err = w.request(t.Context(), w.issuer, store.UseID{})
	errAs[*issuer.ReconnectError](t, err)
}

// Requests that share an answer keep it once. Losing it, or finding it damaged, costs a
// call to the provider and nothing else.
func TestAccessTokenCacheIsKeptOnce(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 99, config: func(c *issuer.Config) { c.Providers[0].AccessTokenCache = untilTheEnd }})
	const calls = 8
	gate := newGate(t)
	w.failOnce(optest.Fault{Wait: gate.wait})
	var results []<-chan accessResult
	for range calls {
		results = append(results, w.start(t.Context(), w.issuer, issuer.AccessTokenRequest{}))
	}
	gate.await(t)
	waitUntil(t, "all wait", func() bool { return w.issuer.Waiters() == calls })
	gate.open()
	for _, r := range results {
		require.NoError(t, await(t, r).err)
	}
	require.NoError(t, w.issuer.AwaitErrands(t.Context()))
	require.Equal(t, 1, w.store.Calls("ChangeTickets"))
	require.Len(t, w.events(optest.Refreshed), 1)

	for what, spoil := range map[string]func(){
		"lost": func() { w.store.Reset(failFirst("ChangeTickets", 3, true)) },
		"damaged": func() {
			require.NoError(t, w.issuer.AwaitErrands(t.Context()))
			items, _, err := w.inner.Sealed(t.Context(), store.Page{Limit: 100})
			require.NoError(t, err)
			for _, item := range items {
				if item.Place.Kind == store.PlaceTicketPayload {
					n, err := w.inner.Reseal(t.Context(), []store.Reseal{{Place: item.Place, Old: item.Sealed, New: slices.Concat(item.Sealed, []byte{1})}})
					require.NoError(t, err)
					require.Equal(t, 1, n)
				}
			}
		},
	} {
		w.store.Reset(nil)
		w.clock.Advance(2 * time.Hour)
		before, err := w.charged(t.Context())
		require.NoError(t, err)
		if what == "damaged" {
			_, err = w.request(t.Context(), w.issuer, store.UseID{})
			require.NoError(t, err)
			before++
		}
		spoil()
		asked := len(w.events(optest.Refreshed))
		for n := range 2 {
			_, err = w.request(t.Context(), w.issuer, store.UseID{})
			require.NoError(t, err, what)
			require.NoError(t, w.issuer.AwaitErrands(t.Context()))
			if what == "damaged" {
				require.Len(t, w.events(optest.Refreshed), asked+1, what)
			} else {
				require.Len(t, w.events(optest.Refreshed), asked+1+n, what)
				w.store.Reset(nil)
			}
		}
		w.requireCharged(t, before+2)
	}
}

// Whoever changes the configuration need not wait for what was kept before.
func TestAccessTokenCacheShortened(t *testing.T) {
	s := newCache(t, untilTheEnd, mytokentest.Options{})
	token := login(t, s.Service, mytoken.Properties{})
	first := s.ask(token.Token)
	s.Clock.Advance(2 * time.Minute)
	for _, of := range []issuer.AccessTokenCache{{MaxAge: time.Minute}, {}} {
		cfg := s.Config
		cfg.Providers = slices.Clone(cfg.Providers)
		cfg.Providers[0].AccessTokenCache = of
		node, err := issuer.New(cfg)
		require.NoError(t, err)
		at, err := node.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token.Token, Client: client})
		require.NoError(t, err)
		require.False(t, first.Token.Equal(at.Token))
		require.NoError(t, node.Close(t.Context()))
	}
	require.Equal(t, []string{freshEvent, freshEvent, freshEvent}, events(t, s.Service, token.ID)[1:])
}

// The store with the server keys opens no kept access token. Neither does any other part
// of the request.
//
// proves P7
func TestAccessTokenCacheIsSealed(t *testing.T) {
	s := newCache(t, untilTheEnd, mytokentest.Options{})
	token := login(t, s.Service, mytoken.Properties{Capabilities: allCapabilities})
	at := s.ask(token.Token, scoped("compute"))
	require.Equal(t, 1, s.kept())
	state := stateOf(t, s.Service)
	dump, err := s.Store.(interface {
		Dump(context.Context) ([]byte, error)
	}).Dump(t.Context())
	require.NoError(t, err)
	require.Empty(t, storetest.FindSecrets(dump, at.Token.Reveal(), token.Token.Reveal()))
	for _, item := range state.Sealed {
		if item.Place.Kind == store.PlaceTicketPayload {
			_, err := s.Config.Seal.Open(item.Place, item.Sealed)
			require.Error(t, err)
		}
	}
}

// Mistakes in the configuration are named.
func TestAccessTokenCacheConfig(t *testing.T) {
	s := start(t, mytokentest.Options{})
	for want, of := range map[string]issuer.AccessTokenCache{
		"MaxAge is -1s; it must not be negative":                         {MaxAge: -time.Second},
		"MaxShare is -1; it is a percentage, at most 100":                {MaxShare: -1},
		"MaxShare is 101; it is a percentage, at most 100":               {MaxShare: 101},
		"MinLeft is -1s; it must not be negative":                        {MinLeft: -time.Second},
		"more than one of MaxAge, MaxShare and MinLeft is set; keep one": {MaxAge: time.Second, MinLeft: time.Second},
	} {
		cfg := s.Config
		cfg.Providers = slices.Clone(cfg.Providers)
		cfg.Providers[0].AccessTokenCache = of
		_, err := issuer.New(cfg)
		require.ErrorContains(t, err, "issuer: Config.Providers[0].AccessTokenCache: "+want)
	}
}

// Access tokens are obtained, kept and handed out again while tokens are revoked, on two
// nodes. Nobody gets one whose request began after the revocation, and nothing is left.
//
// proves P3, P6
func TestAccessTokenCacheChurn(t *testing.T) {
	s := newCache(t, issuer.AccessTokenCache{MaxAge: 3 * time.Second}, mytokentest.Options{Provider: optest.Options{Rotation: optest.RotateStrict}})
	node, err := issuer.New(s.Config)
	require.NoError(t, err)
	nodes := []*issuer.Issuer{s.Issuer, node}
	root := login(t, s.Service, mytoken.Properties{Capabilities: allCapabilities})
	const tokens, callers, rounds = 3, 2, 6
	var children [tokens]*mytoken.Issued
	var revoked [tokens]atomic.Bool
	for k := range children {
		children[k] = derive(t, s.Service, root.Token, mytoken.Properties{Capabilities: allCapabilities})
	}
	var granted [tokens]atomic.Int64
	paralleltest.Do(tokens*callers, func(k int) {
		n := k % tokens
		for range rounds {
			late := revoked[n].Load()
			_, err := nodes[rand.N(2)].AccessToken(t.Context(), issuer.AccessTokenRequest{Token: children[n].Token, Client: client})
			switch {
			case err == nil:
				assert.False(t, late, "an access token after the revocation")
				granted[n].Add(1)
			case is[*issuer.BusyError](err): // others let time pass while it waited, and it was not charged
			case !is[*issuer.TokenError](err):
				assert.NoError(t, err)
			}
			s.Clock.Advance(time.Second)
		}
		if k < tokens {
			_, err := nodes[k%2].Revoke(t.Context(), issuer.RevokeRequest{Token: children[n].Token, Client: client})
			assert.NoError(t, err)
			revoked[n].Store(true)
		}
	})
	for _, i := range nodes {
		require.NoError(t, i.AwaitErrands(t.Context()))
	}
	require.Zero(t, s.kept())
	require.Positive(t, granted[0].Load()+granted[1].Load()+granted[2].Load())
	for n := range children {
		used := 0
		for _, e := range events(t, s.Service, children[n].ID) {
			if e == freshEvent || e == cachedEvent {
				used++
			}
		}
		require.EqualValues(t, granted[n].Load(), used)
	}
	require.NoError(t, node.Close(t.Context()))
}
