package issuer_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// requireWait checks that the client is told to wait, and that nothing was charged.
func requireWait(t *testing.T, err error, wait time.Duration) {
	t.Helper()
	up := errAs[*issuer.UpstreamError](t, err)
	require.Equal(t, http.StatusServiceUnavailable, up.Status)
	require.Equal(t, wait, up.RetryAfter)
	require.False(t, up.Charged)
}

// A provider that throttles did nothing. The use is not charged, and the wait reaches the
// client. Until it is over, the provider is left alone.
//
// proves P3
func TestThrottledRefresh(t *testing.T) {
	for name, fault := range map[string]optest.Fault{
		"429":         {Throttle: 30 * time.Second},
		"unavailable": {Refuse: "temporarily_unavailable"},
		"redirect":    {RedirectTo: "https://login.example.org/"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, optest.RotateStrict, worldOptions{limit: 9})
			w.failOnce(fault)
			_, err := w.request(t.Context(), w.issuer, issuer.NewUseID())
			requireWait(t, err, fault.Throttle)
			w.requireCharged(t, 0)
			if fault.Throttle > 0 {
				w.clock.Advance(10 * time.Second)
				for range 3 {
					_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
					requireWait(t, err, 20*time.Second)
				}
				w.clock.Advance(20 * time.Second)
			}
			_, err = w.request(t.Context(), w.issuer, issuer.NewUseID())
			require.NoError(t, err)
			w.requireCharged(t, 1)
			require.Zero(t, w.reuses())
		})
	}
}

// The provider, or the network before it, was busy when the code of a login arrived there.
// The login goes on waiting, and the same redirect finishes it later.
func TestThrottledLogin(t *testing.T) {
	for name, c := range map[string]struct {
		fault optest.Fault
		down  bool
	}{
		"throttled":   {fault: optest.Fault{Throttle: 30 * time.Second}},
		"unreachable": {down: true},
	} {
		t.Run(name, func(t *testing.T) {
			busy := new(knob[optest.Fault])
			var cut cutTransport
			cut.down = new(atomic.Bool)
			s := start(t, mytokentest.Options{
				Provider: optest.Options{Faults: func(at optest.FaultPoint) optest.Fault {
					if at.Endpoint == optest.EndpointExchange {
						return busy.get()
					}
					return optest.Fault{}
				}},
				Upstream: func(up *oidcupstream.Config) { up.HTTPClient = &http.Client{Transport: &cut} },
			})
			for _, polled := range []bool{false, true} {
				var n *issuer.NativeLogin
				var login *issuer.Login
				var err error
				if polled {
					n = native(t, s, issuer.LoginRequest{Properties: agreedProperties})
					login, err = s.Issuer.Approve(t.Context(), n.ConsentCode, agreedProperties)
				} else {
					login, err = s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: agreedProperties, Client: client})
				}
				require.NoError(t, err)
				finish := browse(t, login, "alice")
				busy.set(c.fault)
				cut.down.Store(c.down)
				_, err = s.Issuer.FinishLogin(t.Context(), finish)
				requireWait(t, err, c.fault.Throttle)
				if polled {
					_, err = poll(t, s, n)
					requireCodeError(t, err, issuer.CodePending)
				}
				busy.set(optest.Fault{})
				cut.down.Store(false)
				s.Clock.Advance(c.fault.Throttle)
				result, err := s.Issuer.FinishLogin(t.Context(), finish)
				require.NoError(t, err)
				if polled {
					_, err = poll(t, s, n)
					require.NoError(t, err)
				} else {
					require.Equal(t, agreedProperties.Capabilities, result.Issued.Claims.Capabilities())
				}
				_, err = s.Issuer.FinishLogin(t.Context(), finish)
				require.ErrorIs(t, err, issuer.ErrState, "the code is used once")
			}
		})
	}
}

// A process that has just started knows nothing of the provider yet. If it cannot learn it
// when a browser comes back, the code goes nowhere, and the login goes on waiting.
func TestLoginComesBackBeforeTheMetadata(t *testing.T) {
	for name, fault := range map[string]optest.Fault{
		"throttled": {Throttle: 30 * time.Second},
		"down":      {FailBefore: 500},
	} {
		t.Run(name, func(t *testing.T) {
			busy := new(knob[optest.Fault])
			s := start(t, mytokentest.Options{Provider: optest.Options{Faults: func(at optest.FaultPoint) optest.Fault {
				if at.Endpoint == optest.EndpointDiscovery {
					return busy.get()
				}
				return optest.Fault{}
			}}})
			login, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: agreedProperties, Client: client})
			require.NoError(t, err)
			finish := browse(t, login, "alice")
			cfg := s.Config
			upstream := s.Provider.ClientConfig(cfg.Providers[0].Upstream.RedirectURL())
			upstream.Clock = s.Clock.Now
			fresh, err := oidcupstream.New(upstream)
			require.NoError(t, err)
			cfg.Providers = []issuer.Provider{{Upstream: fresh}}
			restarted, err := issuer.New(cfg)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, restarted.Close(context.Background())) })

			busy.set(fault)
			_, err = restarted.FinishLogin(t.Context(), finish)
			requireWait(t, err, fault.Throttle)
			busy.set(optest.Fault{})
			s.Clock.Advance(fault.Throttle)
			result, err := restarted.FinishLogin(t.Context(), finish)
			require.NoError(t, err)
			require.NotNil(t, result.Issued)
			_, err = restarted.FinishLogin(t.Context(), finish)
			require.ErrorIs(t, err, issuer.ErrState)
		})
	}
}

// The reason for a login that failed for good is not a wait.
func TestRefusedLoginIsUsedUp(t *testing.T) {
	s := start(t, mytokentest.Options{Provider: optest.Options{Faults: func(at optest.FaultPoint) optest.Fault {
		if at.Endpoint == optest.EndpointExchange {
			return optest.Fault{FailBefore: 408} // nobody knows whether the code was used
		}
		return optest.Fault{}
	}}})
	login, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: mytoken.Properties{}, Client: client})
	require.NoError(t, err)
	finish := browse(t, login, "alice")
	_, err = s.Issuer.FinishLogin(t.Context(), finish)
	errAs[*issuer.LoginError](t, err)
	_, err = s.Issuer.FinishLogin(t.Context(), finish)
	require.ErrorIs(t, err, issuer.ErrState)
}
