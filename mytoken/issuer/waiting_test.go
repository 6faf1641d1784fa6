package issuer_test

import (
	"errors"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// New refuses limits that make no sense, and names the field.
func TestLimitsConfig(t *testing.T) {
	s := start(t, mytokentest.Options{})
	require.Equal(t, issuer.Limits{
		Clauses: 256, RestrictionBytes: 64 << 10, TokensPerUser: 100_000, ListBytes: 8 << 20, LoginBytes: 8 << 10, PendingLogins: 10_000,
	}, s.Issuer.Limits())
	for field, limits := range map[string]issuer.Limits{
		"Config.Limits.LoginBytes is 1023":  {LoginBytes: 1023},
		"Config.Limits.LoginBytes is -1":    {LoginBytes: -1},
		"Config.Limits.PendingLogins is -1": {PendingLogins: -1},
		"Config.Limits.PendingLogins is 10": {PendingLogins: 1_000_001},
	} {
		config := s.Config
		config.Limits = limits
		_, err := issuer.New(config)
		require.ErrorContains(t, err, field)
	}
}

// Limits.LoginBytes bounds all fields of a login together, whichever of them grows. The
// user can agree to a login at the limit, and finish it.
func TestLoginBytes(t *testing.T) {
	const most = 1 << 10
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.Limits.LoginBytes = most }})
	stored := func() int {
		dump, err := s.Store.(*memstore.Store).Dump(t.Context())
		require.NoError(t, err)
		return len(dump)
	}
	for field, request := range map[string]func(n int) issuer.LoginRequest{
		"return address": func(n int) issuer.LoginRequest { return issuer.LoginRequest{ReturnTo: strings.Repeat("r", n)} },
		"escapes":        func(n int) issuer.LoginRequest { return issuer.LoginRequest{ReturnTo: strings.Repeat("\x01", n)} },
		"audience": func(n int) issuer.LoginRequest {
			return issuer.LoginRequest{Properties: mytoken.Properties{Restrictions: restriction.List{{Audiences: []string{"https://" + strings.Repeat("a", n)}}}}}
		},
		"clauses": func(n int) issuer.LoginRequest {
			var list restriction.List
			for k := range n {
				list = append(list, restriction.Clause{Expires: s.Clock.Now().Add(time.Duration(k+1) * time.Hour).Unix()})
			}
			return issuer.LoginRequest{Properties: mytoken.Properties{Restrictions: list}}
		},
	} {
		begin := func(n int) (*issuer.NativeLogin, error) {
			req := request(n)
			req.Provider, req.Properties.Capabilities, req.Application = s.Provider.Issuer(), agreedProperties.Capabilities, strings.Repeat("p", 200)
			return s.Issuer.StartNative(t.Context(), req)
		}
		n := sort.Search(most, func(n int) bool {
			_, err := begin(n + 1)
			return err != nil
		})
		before := stored()
		_, err := begin(n + 1)
		requireRequestError(t, err, "login")
		require.ErrorContains(t, err, "Limits.LoginBytes", field)
		require.Equal(t, before, stored(), field)
		last, err := begin(n)
		require.NoError(t, err)
		require.Less(t, stored()-before, 2*most, field)
		asked, err := s.Issuer.Consent(t.Context(), last.ConsentCode)
		require.NoError(t, err)
		wider := asked.Properties
		wider.Restrictions = append(request(n+20).Properties.Restrictions, restriction.Clause{Scopes: []string{strings.Repeat("s", most)}})
		_, err = s.Issuer.Approve(t.Context(), last.ConsentCode, wider)
		requireRequestError(t, err, "login")
		agree(t, s, last, asked.Properties)
		_, err = poll(t, s, last)
		require.NoError(t, err, field)
	}
}

// No more than Limits.PendingLogins wait at once. An end of a login makes room, whatever
// the end.
func TestPendingLogins(t *testing.T) {
	failing := func(storetest.Call) error { return nil }
	s := start(t, mytokentest.Options{
		Store:  storetest.NewFaulty(memstore.New(), func(call storetest.Call) error { return failing(call) }),
		Config: func(c *issuer.Config) { c.Limits.PendingLogins = 3 },
	})
	req := issuer.LoginRequest{Provider: s.Provider.Issuer()}
	begin := func() (*issuer.Login, error) { return s.Issuer.StartLogin(t.Context(), req) }
	full := func() time.Duration {
		t.Helper()
		_, err := begin()
		_, nativeErr := s.Issuer.StartNative(t.Context(), req)
		errAs[*issuer.BusyError](t, nativeErr)
		return errAs[*issuer.BusyError](t, err).RetryAfter
	}
	refill := func() *issuer.Login {
		t.Helper()
		l, err := begin()
		require.NoError(t, err)
		full()
		return l
	}

	token := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	first, err := begin()
	require.NoError(t, err)
	s.Clock.Advance(time.Minute)
	polled := native(t, s, issuer.LoginRequest{})
	declined := native(t, s, issuer.LoginRequest{})
	require.Equal(t, 4*time.Minute, full(), "until the first one expires")
	_, err = s.Issuer.StartReconnect(t.Context(), issuer.ReconnectRequest{Token: token.Token, Client: client})
	errAs[*issuer.BusyError](t, err)

	_, err = s.Issuer.Approve(t.Context(), polled.ConsentCode, mytoken.Properties{})
	requireRequestError(t, err, "capabilities")
	full()
	agreed, err := s.Issuer.Approve(t.Context(), polled.ConsentCode, agreedProperties) // needs no place, and makes none
	require.NoError(t, err)
	full()
	_, err = s.Follow(t.Context(), "alice", agreed) // finished, although nobody has polled
	require.NoError(t, err)
	refill()
	_, err = s.Issuer.Decline(t.Context(), declined.ConsentCode)
	require.NoError(t, err)
	failed := refill()
	back := browse(t, failed, "alice")
	back.Query.Del("code")
	back.Query.Set("error", "access_denied")
	_, err = s.Issuer.FinishLogin(t.Context(), back)
	require.Error(t, err)
	_, err = s.Issuer.FinishLogin(t.Context(), back) // once is enough
	require.ErrorIs(t, err, issuer.ErrState)
	refill()

	s.Clock.Advance(4 * time.Minute)
	full()
	s.Clock.Advance(time.Microsecond) // the first one has expired
	_, err = s.Issuer.FinishLogin(t.Context(), browse(t, first, "alice"))
	require.ErrorIs(t, err, issuer.ErrState)
	refill()

	s.Clock.Advance(time.Hour)
	var down error
	failing = func(call storetest.Call) error {
		if call.Method == "ChangeTickets" {
			return down
		}
		return nil
	}
	for n := range 6 { // what is certainly not stored does not count, what may be does
		down = []error{store.ErrTicketNotFound, store.ErrTicketNotFound, store.ErrTicketNotFound, errors.New("down"), errors.New("down"), nil}[n]
		_, err = begin()
		require.Equal(t, down == nil, err == nil, "%v", err)
		require.False(t, is[*issuer.BusyError](err))
	}
	full()
}

// If many logins start at once, exactly Limits.PendingLogins of them pass.
func TestPendingLoginsAtOnce(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.Limits.PendingLogins = 10 }})
	for range 3 {
		logins, errs := atOnce(50, func() (*issuer.NativeLogin, error) {
			return s.Issuer.StartNative(t.Context(), issuer.LoginRequest{
				Provider: s.Provider.Issuer(), Properties: mytoken.Properties{Capabilities: capability.Set{capability.AT}},
			})
		})
		won := winners(logins, errs)
		require.Len(t, won, 10)
		paralleltest.Do(10, func(k int) {
			_, err := s.Issuer.Decline(t.Context(), won[k].ConsentCode)
			require.NoError(t, err)
		})
	}
}
