package issuer_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/storetest"
)

// The observer panics at every notice, on the goroutines of requests and of refreshes.
// The process survives and the log says where it was. Uses count exactly, and the lease
// is given back: another process gets its access token at once.
//
// proves P3, P5
func TestPanickingObserverIsIgnored(t *testing.T) {
	log := new(bytes.Buffer)
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 3, config: func(c *issuer.Config) {
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
	}})
	w.onNotice(func(issuer.Notice) { panic("the observer is broken") })
	other, err := w.node(nil)
	require.NoError(t, err)
	for n, i := range []*issuer.Issuer{w.issuer, other, w.issuer} {
		_, err := w.request(t.Context(), i, issuer.NewUseID())
		require.NoError(t, err)
		w.requireCharged(t, int64(n+1))
	}
	_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
	requireRefused(t, err, "usages_AT")
	require.Positive(t, w.told(issuer.NoticeRefreshTokenStored), "the goroutine of the refresh told it")
	require.Contains(t, log.String(), `kind=panic in="the observer" error="the observer is broken"`)
	require.Contains(t, log.String(), "TestPanickingObserverIsIgnored", "the stack")
	require.NotContains(t, log.String(), w.token.Reveal())
}

// A store panics in the middle of a refresh, which runs on a goroutine of the issuer. The
// request fails, the process survives, and the login is free for the next request.
//
// proves P3, P5
func TestPanickingStoreDuringARefresh(t *testing.T) {
	for name, c := range map[string]struct {
		method  string
		before  bool
		charged int64 // after the panic
		lapses  bool  // the lease
	}{
		"not begun":  {"BeginRefresh", true, 0, false},  // the provider was not asked: refunded
		"begun":      {"BeginRefresh", false, 0, false}, // nor then
		"not stored": {"CommitRefresh", true, 1, true},  // it was asked; others must wait for the refresh token
		"stored":     {"CommitRefresh", false, 1, true},
		"read":       {"Token", true, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9, apart: c.method == "BeginRefresh", config: func(c *issuer.Config) { c.SpillDir = t.TempDir() }})
			var once atomic.Bool
			w.store.Reset(func(call storetest.Call) error {
				if call.Method == c.method && call.Before == c.before && !once.Swap(true) {
					panic("the store is broken")
				}
				return nil
			})
			_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
			require.Error(t, err)
			require.NotContains(t, err.Error(), "broken", "a client may see the text")
			w.requireCharged(t, c.charged)
			if c.lapses {
				w.lapse()
			}
			other, err := w.node(nil)
			require.NoError(t, err)
			_, err = w.request(t.Context(), other, issuer.NewUseID())
			require.NoError(t, err)
			w.requireCharged(t, c.charged+1)
			require.Zero(t, w.reuses(), "the provider saw no old refresh token")
		})
	}
}

// The store panics when it is charged, when it grants the lease along with that, or when it
// ends the lease. The process survives, and the login is free for another one once the
// lease has lapsed.
//
// proves P3, P5
func TestPanickingStoreBesideARefresh(t *testing.T) {
	for name, c := range map[string]struct {
		method  string
		before  bool
		fails   bool
		charged int64
	}{
		"not charged": {"Spend", true, true, 0},
		"charged":     {"Spend", false, true, 1}, // nobody is left who could refund it
		"not ended":   {"EndRefresh", true, false, 1},
		"ended":       {"EndRefresh", false, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, optest.RotateOff, worldOptions{limit: 9, config: func(c *issuer.Config) { c.SpillDir = t.TempDir() }})
			var once atomic.Bool
			w.store.Reset(func(call storetest.Call) error {
				if call.Method == c.method && call.Before == c.before && !once.Swap(true) {
					panic("the store is broken")
				}
				return nil
			})
			failed := rescue.Do(func() {
				_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
				require.NoError(t, err)
			})
			require.Equal(t, c.fails, failed != nil)
			w.requireCharged(t, c.charged)
			if !c.fails {
				waitUntil(t, "it panics", once.Load)
				w.lapse() // the lease, or nothing
			}
			_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
			require.NoError(t, err)
			other, err := w.node(leaseImpatient)
			require.NoError(t, err)
			_, err = w.request(t.Context(), other, issuer.NewUseID())
			require.NoError(t, err)
			require.NoError(t, other.Close(t.Context()))
			w.requireCharged(t, c.charged+2)
		})
	}
}

// The caller leaves while the provider is asked, and the store panics when the refresh
// settles the use. The process survives.
//
// proves P3
func TestPanicAfterTheCallerLeft(t *testing.T) {
	w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
	g := newGate(t)
	w.failOnce(optest.Fault{Wait: g.wait})
	panicked := make(chan struct{})
	w.store.Reset(func(call storetest.Call) error {
		if call.Method == "Token" && call.Before && call.N == 1 {
			close(panicked)
			panic("the store is broken")
		}
		return nil
	})
	ctx, leave := context.WithCancel(t.Context())
	result := w.start(ctx, w.issuer, issuer.AccessTokenRequest{Scopes: []string{"compute"}})
	g.await(t)
	leave()
	require.ErrorIs(t, await(t, result).err, context.Canceled)
	g.open()
	<-panicked
	waitUntil(t, "the refresh has landed", func() bool { return w.issuer.Flights() == 0 }) // nobody joins it
	_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
	require.NoError(t, err)
	w.requireCharged(t, 2)
}

// A policy that panics refuses the token, as one that returns an error does. The client
// learns nothing, and the log everything.
//
// proves P2, P9
func TestPanickingPolicyRefuses(t *testing.T) {
	log, broken := new(bytes.Buffer), new(atomic.Bool)
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
		c.Policy = func(context.Context, *issuer.Issuance) error {
			if broken.Load() {
				panic("the policy is broken")
			}
			return nil
		}
	}})
	parent := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	broken.Store(true)
	before := stateOf(t, s)
	_, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: parent.Token, Client: client})
	require.EqualError(t, errAs[*issuer.PolicyError](t, err).Unwrap(), "internal error")
	requireUnchanged(t, s, before)
	_, err = s.Login(t.Context(), "alice", mytoken.Properties{})
	require.EqualError(t, errAs[*issuer.PolicyError](t, err).Unwrap(), "internal error")
	_, err = s.Issuer.PreviewLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer()})
	require.EqualError(t, errAs[*issuer.PolicyError](t, err).Unwrap(), "internal error")
	n := native(t, s, issuer.LoginRequest{})
	_, err = s.Issuer.Approve(t.Context(), n.ConsentCode, agreedProperties)
	require.EqualError(t, errAs[*issuer.PolicyError](t, err).Unwrap(), "internal error")
	require.Contains(t, log.String(), `kind=panic in="the policy" error="the policy is broken"`)
	require.Contains(t, log.String(), "TestPanickingPolicyRefuses", "the stack")
	require.NotContains(t, log.String(), parent.Token.Reveal())

	broken.Store(false)
	derive(t, s, parent.Token, mytoken.Properties{})
	agree(t, s, n, agreedProperties)
}

// GeoIP data that make the library panic refuse the use, and nothing is charged.
//
// proves P2
func TestPanickingLocatorRefuses(t *testing.T) {
	log := new(bytes.Buffer)
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Logger = slog.New(slog.NewTextHandler(log, nil))
		c.Restrictions.Locator = brokenLocator{}
	}})
	token := login(t, s, mytoken.Properties{Restrictions: restriction.List{{GeoIPAllow: []string{"de"}, UsagesAT: restriction.Usages(1)}}})
	_, err := accessToken(t, s, token.Token)
	require.NotContains(t, requireRefused(t, err, "geoip_allow").String(), "the data are broken")
	require.Contains(t, log.String(), `kind=panic in="restriction geoip_allow" error="the data are broken"`)
}

type brokenLocator struct{}

func (brokenLocator) Country(context.Context, netip.Addr) (string, error) {
	panic("the data are broken")
}
