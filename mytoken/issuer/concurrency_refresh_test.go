package issuer_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// manyScopes returns the k-th non-empty set of scopes.
func manyScopes(k int) []string {
	all := []string{"openid", "profile", "email", "compute", "storage.read", "storage.write"}
	var out []string
	for n, scope := range all {
		if (k+1)>>n&1 == 1 {
			out = append(out, scope)
		}
	}
	return out
}

// 50 requests at once cannot share a call, and the provider takes a refresh token that is
// presented twice for a stolen one. All are answered, and no refresh token is presented
// twice. This holds for several processes on one store, too.
//
// proves P5
func TestStrictRotationUnderLoad(t *testing.T) {
	const requests, perToken = 50, 8 // more of one token would be refused
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprintf("nodes=%d", nodes), func(t *testing.T) {
			rounds := loadRounds
			if underRace && nodes > 1 {
				rounds /= 4 // one after the other waits for the lease
			}
			steps := storetest.NewFaulty(memstore.New(), nil)
			s := start(t, mytokentest.Options{
				Store: steps, Provider: optest.Options{Rotation: optest.RotateStrict},
				Config: func(c *issuer.Config) { c.WaitLimit = soon }, // the machine may be busy
			})
			tokens := []mytoken.Secret{login(t, s, mytoken.Properties{Capabilities: allCapabilities}).Token}
			for len(tokens) <= requests/perToken {
				tokens = append(tokens, derive(t, s, tokens[0], mytoken.Properties{}).Token)
			}
			issuers := []*issuer.Issuer{s.Issuer}
			for len(issuers) < nodes {
				node, err := issuer.New(s.Config)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, node.Close(context.Background())) })
				issuers = append(issuers, node)
			}
			for range rounds {
				paralleltest.Do(requests, func(k int) {
					at, err := issuers[k%nodes].AccessToken(t.Context(), issuer.AccessTokenRequest{
						Token: tokens[k/perToken], Scopes: manyScopes(k), Client: mytokentest.Client,
					})
					if err != nil {
						assert.NoError(t, err)
						return
					}
					assert.Len(t, at.Scopes, len(manyScopes(k)))
				})
			}
			require.Zero(t, s.Provider.Reuses())
			require.Equal(t, requests*rounds, s.Provider.Count(optest.Refreshed))
			if nodes == 1 {
				require.LessOrEqual(t, steps.Calls("BeginRefresh"), requests*rounds, "nobody tries again and again")
			}
		})
	}
}

// The provider does not answer for one login, and its requests pile up. Everything else
// goes on: another token, introspection, derivation and revocation.
//
// proves P5
func TestSlowProviderDelaysNobodyElse(t *testing.T) {
	site := newSite(t, optest.Options{Rotation: optest.RotateStrict})
	hot, err := site.world(t.Context(), worldOptions{limit: 100})
	require.NoError(t, err)
	// Another user of the same issuer.
	service := &mytokentest.Service{Issuer: hot.issuer, Provider: site.op, Clock: hot.clock}
	other, err := service.Login(t.Context(), "somebody else", mytoken.Properties{})
	require.NoError(t, err)

	gate := newGate(t)
	hot.failOnce(optest.Fault{Wait: gate.wait})
	waiting := []<-chan accessResult{hot.start(t.Context(), hot.issuer, refreshFirst)}
	gate.await(t)
	for k := range 20 {
		waiting = append(waiting, hot.start(t.Context(), hot.issuer, issuer.AccessTokenRequest{Scopes: []string{"compute", "storage.read"}[k%2:]}))
	}
	waitUntil(t, "all wait", func() bool { return hot.issuer.Waiters() == 21 })

	for range 5 {
		_, err = hot.issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: other.Token, Client: mytokentest.Client})
		require.NoError(t, err)
	}
	info, err := hot.issuer.Introspect(t.Context(), issuer.IntrospectRequest{Token: hot.token, Client: mytokentest.Client})
	require.NoError(t, err)
	require.EqualValues(t, 21, info.Counters[0].ATUsed, "in flight is charged")
	child, err := hot.issuer.Derive(t.Context(), issuer.DeriveRequest{Token: hot.token, Client: mytokentest.Client})
	require.NoError(t, err)
	_, err = hot.issuer.Revoke(t.Context(), issuer.RevokeRequest{Token: child.Token, Client: mytokentest.Client})
	require.NoError(t, err)
	require.Equal(t, 21, hot.issuer.Waiters(), "and all the while they wait")

	gate.open()
	for _, w := range waiting {
		require.NoError(t, await(t, w).err)
	}
	require.NoError(t, hot.close(t.Context()))
}

// Callers come and go while the provider is slow, refuses, or loses answers. After Close,
// no goroutine of the issuer is left, and each delivered use is charged once.
//
// proves P3, P5
func TestNothingIsLeftRunning(t *testing.T) {
	w := newWorld(t, optest.RotateGrace, worldOptions{limit: 1000})
	var n atomic.Int64
	w.fault(func(optest.FaultPoint) optest.Fault {
		switch n.Add(1) % 4 {
		case 0:
			return optest.Fault{Refuse: "temporarily_unavailable"}
		case 1:
			return optest.Fault{Wait: func(context.Context) { runtime.Gosched() }}
		}
		return optest.Fault{}
	})
	var delivered atomic.Int64
	paralleltest.Do(100, func(k int) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if k%3 == 0 {
			go cancel()
		}
		_, err := w.issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: w.token, Scopes: distinctScopes[k%4], Client: mytokentest.Client})
		if err == nil {
			delivered.Add(1)
		}
	})
	require.NoError(t, w.close(t.Context()))
	require.Positive(t, delivered.Load())
	w.requireCharged(t, delivered.Load())
	stacks := make([]byte, 1<<20)
	waitUntil(t, "no flight is left", func() bool {
		return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("issuer/internal/refresh.(*Refresher).joinAt"))
	})
}
