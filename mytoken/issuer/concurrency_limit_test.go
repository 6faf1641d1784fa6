package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// nodesOf returns issuers on one store: processes of one service.
func nodesOf(t testing.TB, w *world, n int) []*issuer.Issuer {
	t.Helper()
	nodes := []*issuer.Issuer{w.issuer}
	for len(nodes) < n {
		node, err := w.node(nil)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, node.Close(context.Background())) })
		nodes = append(nodes, node)
	}
	return nodes
}

const (
	loadRounds   = 20
	loadRequests = 200
	loadLimit    = 10
)

// 200 requests at once compete for ten uses. Ten are delivered and charged, and 190 are
// refused with the reason. Requests that overlap share a call to the provider.
//
// proves P3
func TestLimitIsExactUnderLoad(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprintf("nodes=%d", nodes), func(t *testing.T) {
			site := newSite(t, optest.Options{Rotation: optest.RotateStrict})
			for range loadRounds {
				w, err := site.world(t.Context(), worldOptions{limit: loadLimit})
				require.NoError(t, err)
				issuers := nodesOf(t, w, nodes)
				var delivered, refused atomic.Int64
				paralleltest.Do(loadRequests, func(k int) {
					_, err := issuers[k%nodes].AccessToken(t.Context(), issuer.AccessTokenRequest{Token: w.token, Client: mytokentest.Client})
					switch {
					case err == nil:
						delivered.Add(1)
					case is[*issuer.RefusedError](err):
						refused.Add(1)
					default:
						assert.NoError(t, err)
					}
				})
				require.EqualValues(t, loadLimit, delivered.Load())
				require.EqualValues(t, loadRequests-loadLimit, refused.Load())
				w.requireCharged(t, loadLimit)
				calls := len(w.events(optest.Refreshed))
				require.True(t, calls >= 1 && calls <= loadLimit, "%d calls", calls)
				require.Zero(t, w.reuses())
			}
		})
	}
}

// The same for a tree: uses of children count against the root.
//
// proves P3, P4
func TestInheritedLimitIsExactUnderLoad(t *testing.T) {
	site := newSite(t, optest.Options{Rotation: optest.RotateStrict})
	for range loadRounds / 4 {
		w, err := site.world(t.Context(), worldOptions{limit: loadLimit})
		require.NoError(t, err)
		tokens := []mytoken.Secret{w.token}
		for _, parent := range []int{0, 0, 1} {
			child, err := w.issuer.Derive(t.Context(), issuer.DeriveRequest{Token: tokens[parent], Client: mytokentest.Client})
			require.NoError(t, err)
			tokens = append(tokens, child.Token)
		}
		nodes := nodesOf(t, w, 2)
		var delivered atomic.Int64
		paralleltest.Do(80, func(k int) {
			_, err := nodes[k%2].AccessToken(t.Context(), issuer.AccessTokenRequest{Token: tokens[k/2%len(tokens)], Client: mytokentest.Client})
			if err == nil {
				delivered.Add(1)
			} else if !is[*issuer.RefusedError](err) {
				assert.NoError(t, err)
			}
		})
		require.EqualValues(t, loadLimit, delivered.Load())
		w.requireCharged(t, loadLimit)
	}
}

// The same while the provider refuses every other request. Refused uses are refunded, and
// other requests use them.
//
// proves P3
func TestRefundsUnderLoad(t *testing.T) {
	site := newSite(t, optest.Options{Rotation: optest.RotateStrict})
	for range loadRounds / 4 {
		w, err := site.world(t.Context(), worldOptions{limit: loadLimit})
		require.NoError(t, err)
		var calls atomic.Int64
		w.fault(func(optest.FaultPoint) optest.Fault {
			if calls.Add(1)%2 == 1 {
				return optest.Fault{Refuse: "temporarily_unavailable"}
			}
			return optest.Fault{}
		})
		var delivered atomic.Int64
		scopes := [][]string{{"compute"}, {"storage.read"}, {"compute", "storage.read"}, {"storage.read", "compute"}}
		ask := func(k int) {
			_, err := w.issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: w.token, Scopes: scopes[k%len(scopes)], Client: mytokentest.Client})
			var upstream *issuer.UpstreamError
			switch {
			case err == nil:
				delivered.Add(1)
			case errors.As(err, &upstream):
				assert.False(t, upstream.Charged, "%v", err)
			case !is[*issuer.RefusedError](err):
				assert.NoError(t, err)
			}
		}
		paralleltest.Do(60, ask)
		w.requireCharged(t, delivered.Load())
		w.fault(nil)
		paralleltest.Do(60, ask)
		require.EqualValues(t, loadLimit, delivered.Load())
		w.requireCharged(t, loadLimit)
	}
}
