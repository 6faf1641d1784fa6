package main

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// TestAccessTokenCache: with -access-token-cache a client gets its access token again, and
// without it does not.
func TestAccessTokenCache(t *testing.T) {
	const most = 50
	for condition, again := range map[string]bool{"age=5m": true, "share=50%": true, "left=10m": true, "left=2h": false, "": false} {
		t.Run(condition, func(t *testing.T) {
			op := startProvider(t, optest.Options{})
			args := []string{"-data", t.TempDir()}
			if condition != "" {
				args = append(args, "-access-token-cache", condition)
			}
			p := earnest(t, op, nil, args...)
			token, secrets := p.login()
			seen := make(map[string]bool)
			calls, repeated := 0, false
			for ; !repeated && calls < most; calls++ { // it is kept after the answer
				at := p.access(token)
				repeated = seen[at]
				seen[at] = true
				secrets = append(secrets, at)
				if !again && calls == 2 {
					break
				}
			}
			assert.Equal(t, again, repeated)
			assert.Equal(t, len(seen), op.Count(optest.Refreshed))
			p.stop()
			p.quiet(secrets...)
		})
	}
}

// TestRefreshTokensNeverRotate: with -refresh-tokens-never-rotate the requests of one login
// do not wait for each other, once one of them has shown that the provider is like that.
func TestRefreshTokensNeverRotate(t *testing.T) {
	var block atomic.Bool
	var both sync.WaitGroup
	both.Add(2)
	op, err := optest.Start(optest.Options{Rotation: optest.RotateOff, Faults: func(at optest.FaultPoint) optest.Fault {
		if at.Endpoint != optest.EndpointRefresh || !block.Load() {
			return optest.Fault{}
		}
		return optest.Fault{Wait: func(context.Context) { // until the other one has come
			both.Done()
			both.Wait()
		}}
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, op.Close()) })
	p := earnest(t, op, nil, "-data", t.TempDir(), "-refresh-tokens-never-rotate")
	token, _ := p.login()
	p.access(token)
	block.Store(true)
	var done sync.WaitGroup
	for _, scope := range []string{"profile", "email"} {
		done.Go(func() {
			status, got := p.api("token/access", object{"grant_type": "mytoken", "mytoken": token, "scope": scope})
			assert.Equal(t, http.StatusOK, status, "%v", got)
		})
	}
	done.Wait()
	p.stop()
}
