package issuer_test

import (
	"fmt"
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
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// orders returns all orders of the strings.
func orders(set []string) (out [][]string) {
	if len(set) == 0 {
		return [][]string{nil}
	}
	for n, first := range set {
		for _, rest := range orders(slices.Delete(slices.Clone(set), n, n+1)) {
			out = append(out, append([]string{first}, rest...))
		}
	}
	return out
}

const hostileRequests = 120

// hostile is a login whose parent has one child. The provider does not answer the first
// refresh before the gate is open.
type hostile struct {
	*world
	parent, child mytoken.Secret
	gate          *testGate
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	w := newWorld(t, optest.RotateStrict, worldOptions{})
	service := &mytokentest.Service{Issuer: w.issuer, Provider: w.site.op, Clock: w.clock}
	parent, err := service.Login(t.Context(), w.subject, mytoken.Properties{Capabilities: allCapabilities})
	require.NoError(t, err)
	child := derive(t, service, parent.Token, mytoken.Properties{Restrictions: restriction.List{{UsagesAT: restriction.Usages(1000)}}})
	h := &hostile{world: w, parent: parent.Token, child: child.Token, gate: newGate(t)}
	w.failOnce(optest.Fault{Wait: h.gate.wait})
	return h
}

func (h *hostile) ask(t *testing.T, token mytoken.Secret, scopes, audiences []string) <-chan accessResult {
	return h.start(t.Context(), h.issuer, issuer.AccessTokenRequest{Token: token, Scopes: scopes, Audiences: audiences})
}

// requireUsed checks how many uses of the child count.
func (h *hostile) requireUsed(t *testing.T, want int64) {
	t.Helper()
	info, err := h.issuer.Introspect(t.Context(), issuer.IntrospectRequest{Token: h.child, Client: mytokentest.Client})
	require.NoError(t, err)
	require.Equal(t, want, info.Counters[0].ATUsed)
}

// The order of scopes and audiences makes no difference to a request, so it makes no
// refresh either. Each request counts.
//
// proves P3
func TestOrdersAreOneRefresh(t *testing.T) {
	h := newHostile(t)
	scopes, audiences := []string{"openid", "profile", "email", "compute", "storage.read"}, []string{"https://a.example.org", "https://b.example.org"}
	all := orders(scopes)
	require.Len(t, all, hostileRequests)
	first := h.ask(t, h.child, all[0], audiences)
	h.gate.await(t)
	var others []<-chan accessResult
	for n, order := range all[1:] {
		others = append(others, h.ask(t, h.child, order, orders(audiences)[n%2]))
	}
	waitUntil(t, "all wait", func() bool { return h.issuer.Waiters() == hostileRequests })
	require.Equal(t, 1, h.issuer.Flights())
	h.gate.open()
	require.NoError(t, await(t, first).err)
	for _, other := range others {
		r := await(t, other)
		require.NoError(t, r.err)
		require.ElementsMatch(t, scopes, r.at.Scopes)
	}
	require.Len(t, h.events(optest.Refreshed), 1)
	h.requireUsed(t, hostileRequests)
}

// A child asks for many different access tokens at once. Those beyond its bound are
// refused while the provider is still silent, and do not count. Its parent gets the next
// turn.
//
// proves P3
func TestHostileChildDelaysItsParentByOneRefresh(t *testing.T) {
	h := newHostile(t)
	ask := func(k int) <-chan accessResult {
		return h.ask(t, h.child, manyScopes(k%60), []string{fmt.Sprintf("https://%d.example.org", k/60)})
	}
	results := []<-chan accessResult{ask(0)}
	h.gate.await(t)
	for k := 1; k < hostileRequests; k++ {
		results = append(results, ask(k))
	}
	const admitted = 8
	waitUntil(t, "the surplus is refused", func() bool {
		refused := 0
		for _, result := range results {
			refused += len(result)
		}
		return refused == hostileRequests-admitted
	})
	parent := h.ask(t, h.parent, []string{"storage.write"}, nil)
	waitUntil(t, "the parent waits", func() bool { return h.issuer.Waiters() == admitted+1 })
	h.gate.open()
	require.NoError(t, await(t, parent).err)

	refused := 0
	for _, result := range results {
		if err := await(t, result).err; err != nil {
			require.GreaterOrEqual(t, errAs[*issuer.BusyError](t, err).RetryAfter, time.Second)
			refused++
		}
	}
	require.Equal(t, hostileRequests-admitted, refused)
	refreshed := h.events(optest.Refreshed)
	require.Len(t, refreshed, admitted+1)
	require.Equal(t, []string{"storage.write"}, refreshed[1].Scopes, "the parent comes after the refresh that ran when it asked")
	h.requireUsed(t, admitted)
}

// A request that has to wait is placed below its ancestors, and no other one asks the
// store for them. While the store does not say, there is no place: the request is refused
// and does not count.
//
// proves P3
func TestRequestWithoutItsAncestorsIsRefused(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	gate := newGate(t)
	w.failOnce(optest.Fault{Wait: gate.wait})
	first := w.start(t.Context(), w.issuer, refreshFirst)
	gate.await(t)
	require.Zero(t, w.store.Calls("Token"), "nobody waits")

	w.store.Reset(failFirst("Token", 3, true))
	errAs[*issuer.StoreError](t, await(t, w.start(t.Context(), w.issuer, refreshSecond)).err)
	w.requireCharged(t, 1)
	w.store.Reset(func(c storetest.Call) error {
		if c.Method == "Token" && c.Before {
			return store.ErrNotFound
		}
		return nil
	})
	errAs[*issuer.TokenError](t, await(t, w.start(t.Context(), w.issuer, refreshSecond)).err)
	w.requireCharged(t, 1)

	w.store.Reset(nil)
	second := w.start(t.Context(), w.issuer, refreshSecond)
	waitUntil(t, "the second waits", func() bool { return w.issuer.Waiters() == 2 })
	require.Equal(t, 1, w.store.Calls("Token"))
	gate.open()
	require.NoError(t, await(t, first).err)
	require.NoError(t, await(t, second).err)
	w.requireCharged(t, 2)
}

// The login ends where refresh tokens never rotate, while requests run side by side. Each
// learns it under the lease, and none counts.
//
// proves P3, P5
func TestLoginEndsForManyThatNeverRotate(t *testing.T) {
	w := newWorld(t, optest.RotateOff, worldOptions{limit: 9, upstream: refreshNeverRotates})
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	w.site.op.EndGrants(w.subject)
	gate := newGate(t)
	var asked atomic.Int64
	w.fault(func(optest.FaultPoint) (f optest.Fault) {
		if asked.Add(1) <= 3 {
			f.Wait = gate.wait
		}
		return f
	})
	results := []<-chan accessResult{}
	for _, scopes := range distinctScopes[:3] {
		results = append(results, w.start(t.Context(), w.issuer, issuer.AccessTokenRequest{Scopes: scopes}))
	}
	for range results {
		gate.await(t) // side by side
	}
	gate.open()
	for _, result := range results {
		requireSuspect(t, await(t, result).err, 10*time.Second)
	}
	require.Equal(t, 1, w.told(issuer.NoticeGrantSuspect))
	w.requireCharged(t, 1)
}

// The operator states that refresh tokens never rotate, and is wrong. The first refresh
// finds out before the others ask, so no refresh token is presented twice.
//
// proves P5
func TestFirstRefreshShowsRotation(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{upstream: refreshNeverRotates})
	paralleltest.Do(len(distinctScopes), func(k int) {
		_, err := w.issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: w.token, Scopes: distinctScopes[k], Client: mytokentest.Client})
		assert.NoError(t, err)
	})
	require.Zero(t, w.reuses())
	require.Equal(t, 1, w.told(issuer.NoticeUnexpectedRotation))
}

// A child that may derive gives each of its descendants eight requests, more than the
// queue of the login holds. Its parent and its sibling are not refused, and come right
// after the refresh that runs. What they displace does not count.
//
// proves P3
func TestHostileDescendantsDelayTheirParentByOneRefresh(t *testing.T) {
	h := newHostile(t)
	service := &mytokentest.Service{Issuer: h.issuer, Provider: h.site.op, Clock: h.clock}
	own := mytoken.Properties{Restrictions: restriction.List{{UsagesAT: restriction.Usages(10000)}}}
	sibling := derive(t, service, h.parent, own).Token
	own.Capabilities = allCapabilities
	child := derive(t, service, h.parent, own).Token

	const descendants, each, places = 130, 8, 1024
	results := []<-chan accessResult{h.ask(t, child, manyScopes(0), nil)}
	h.gate.await(t)
	above := child
	for n := range descendants {
		token := derive(t, service, above, own).Token
		if n%20 < 10 {
			above = token // a chain of ten, and then ten beside each other
		} else if n%20 == 19 {
			above = child
		}
		for k := range each {
			results = append(results, h.ask(t, token, manyScopes(k), nil))
		}
	}
	refused := func() (n int) {
		for _, result := range results {
			n += len(result)
		}
		return n
	}
	waitUntil(t, "the queue is full", func() bool { return refused() == len(results)-places })
	parent := h.ask(t, h.parent, []string{"storage.write"}, nil)
	waitUntil(t, "the parent waits", func() bool { return refused() == len(results)-places+1 || len(parent) > 0 })
	other := h.ask(t, sibling, []string{"storage.read"}, nil)
	waitUntil(t, "the sibling waits", func() bool { return refused() == len(results)-places+2 || len(other) > 0 })
	require.Equal(t, places, h.issuer.Flights())
	h.gate.open()
	require.NoError(t, await(t, parent).err)
	require.NoError(t, await(t, other).err)
	refreshed := h.events(optest.Refreshed)
	require.Equal(t, []string{"storage.write"}, refreshed[1].Scopes)
	require.Equal(t, []string{"storage.read"}, refreshed[2].Scopes)

	for _, result := range results {
		if err := await(t, result).err; err != nil {
			require.GreaterOrEqual(t, errAs[*issuer.BusyError](t, err).RetryAfter, time.Second)
		}
	}
	info, err := h.issuer.Introspect(t.Context(), issuer.IntrospectRequest{Token: child, Client: mytokentest.Client})
	require.NoError(t, err)
	require.Equal(t, int64(len(h.events(optest.Refreshed))-2), info.Counters[0].ATUsed, "what was refused does not count")
}
