package issuer_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// BenchmarkAccessToken measures a complete request: a restricted token with a limit, the
// in-memory store, and a provider in the process behind real HTTP. The metric ns/floor is
// the time of a bare refresh over the same connection in the same run. x-floor is the
// time of the request divided by that.
//
// serial makes one request after the other. parallel asks for another token on each of
// GOMAXPROCS goroutines. shared asks for one token on eight times as many goroutines, so
// that requests share calls to the provider.
func BenchmarkAccessToken(b *testing.B) {
	for _, policy := range []struct {
		name     string
		rotation optest.Rotation
	}{{"rotation-off", optest.RotateOff}, {"rotation-strict", optest.RotateStrict}} {
		b.Run(policy.name+"/serial", func(b *testing.B) { benchAccess(b, policy.rotation, 1, 1) })
		b.Run(policy.name+"/parallel", func(b *testing.B) {
			benchAccess(b, policy.rotation, runtime.GOMAXPROCS(0), runtime.GOMAXPROCS(0))
		})
		b.Run(policy.name+"/shared", func(b *testing.B) { benchAccess(b, policy.rotation, 1, 8*runtime.GOMAXPROCS(0)) })
	}
}

func benchAccess(b *testing.B, rotation optest.Rotation, tokens, callers int) {
	site := newSite(b, optest.Options{Rotation: rotation, RefreshAlways: true})
	worlds := make([]*world, tokens)
	for k := range worlds {
		var err error
		worlds[k], err = site.world(b.Context(), worldOptions{
			limit: 1 << 40, bare: true, upstream: func(c *oidcupstream.Config) { c.HTTPClient = nil }, // as the floor
		})
		require.NoError(b, err)
	}
	before := benchFloor(b, site, callers, tokens)
	b.ResetTimer()
	benchSpread(callers, b.N, func(k int) {
		w := worlds[k%tokens]
		_, err := w.issuer.AccessToken(b.Context(), issuer.AccessTokenRequest{Token: w.token, Scopes: []string{"compute"}, Client: mytokentest.Client})
		if err != nil {
			b.Errorf("%v", err)
		}
	})
	b.StopTimer()
	perOp := b.Elapsed() / time.Duration(b.N)
	floor := (before + benchFloor(b, site, callers, tokens)) / 2
	b.ReportMetric(float64(perOp)/float64(floor), "x-floor")
	b.ReportMetric(float64(floor), "ns/floor")
	require.Zero(b, site.op.Reuses())
}

// benchSpread spreads n calls over the callers.
func benchSpread(callers, n int, call func(caller int)) {
	var all sync.WaitGroup
	for k := range callers {
		share := n / callers
		if k < n%callers {
			share++
		}
		all.Go(func() {
			for range share {
				call(k)
			}
		})
	}
	all.Wait()
}

// benchFloor returns the time of one bare refresh, with as many callers as there are
// logins: refreshes of one login cannot overlap.
func benchFloor(b *testing.B, site *site, callers, tokens int) time.Duration {
	b.Helper()
	callers = min(callers, tokens)
	cfg := site.op.ClientConfig(mytokentest.IssuerURL + "/redirect")
	cfg.Clock = mytokentest.NewClock(time.Time{}).Now
	provider, err := oidcupstream.New(cfg)
	require.NoError(b, err)
	refresh := make([]string, callers)
	for k := range refresh {
		refresh[k] = benchLogin(b, provider)
	}
	const rounds = 300
	begin := time.Now()
	benchSpread(callers, rounds*callers, func(k int) {
		tokens, err := provider.Refresh(b.Context(), oidcupstream.RefreshRequest{RefreshToken: refresh[k], Scopes: []string{"compute"}, Audiences: []string{worldAudience}})
		if err != nil {
			b.Errorf("%v", err)
			return
		}
		if tokens.RefreshToken != "" {
			refresh[k] = tokens.RefreshToken
		}
	})
	return time.Since(begin) / time.Duration(rounds*callers)
}

// benchLogin returns a refresh token.
func benchLogin(b *testing.B, provider *oidcupstream.Provider) string {
	b.Helper()
	const state, nonce, verifier = "state", "nonce", "a-code-verifier-that-is-long-enough-for-anybody"
	ctx, cancel := context.WithTimeout(b.Context(), soon)
	defer cancel()
	u, err := provider.AuthorizationURL(ctx, oidcupstream.AuthorizationRequest{State: state, Nonce: nonce, Verifier: verifier})
	require.NoError(b, err)
	redirect, err := optest.Login(ctx, u, "floor")
	require.NoError(b, err)
	code := queryOf(b, redirect).Get("code")
	tokens, err := provider.Exchange(ctx, oidcupstream.ExchangeRequest{Code: code, Nonce: nonce, Verifier: verifier})
	require.NoError(b, err)
	require.NotEmpty(b, tokens.RefreshToken)
	return tokens.RefreshToken
}
