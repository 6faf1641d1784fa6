package mytokentest_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store/memstore"
)

// start starts a service that the test closes.
func start(t *testing.T, opts mytokentest.Options) *mytokentest.Service {
	t.Helper()
	s, err := mytokentest.Start(opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// Issuer and provider share one clock, which stands still.
func TestClock(t *testing.T) {
	begin := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	clock := mytokentest.NewClock(begin)
	s := start(t, mytokentest.Options{Clock: clock, Provider: optest.Options{AccessTokenLifetime: time.Minute}})
	require.Same(t, clock, s.Clock)
	issued, err := s.Login(t.Context(), "alice", mytoken.Properties{})
	require.NoError(t, err)
	require.Equal(t, begin, issued.Claims.IssuedAt())
	require.Equal(t, begin.Add(time.Hour), clock.Advance(time.Hour))
	at, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: issued.Token})
	require.NoError(t, err)
	require.Equal(t, begin.Add(time.Hour+time.Minute), at.Expires)
	clock.Set(begin)
	require.Equal(t, begin, clock.Now())
	require.False(t, mytokentest.NewClock(time.Time{}).Now().IsZero())

	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			for range 100 {
				clock.Advance(time.Second)
				clock.Now()
			}
		})
	}
	done.Wait()
	require.Equal(t, begin.Add(800*time.Second), clock.Now())
}

// Each option takes effect.
func TestOptions(t *testing.T) {
	mem := memstore.New()
	s := start(t, mytokentest.Options{
		Store:    mem,
		Provider: optest.Options{Scopes: []string{"openid", "offline_access", "a"}},
		Upstream: func(c *oidcupstream.Config) { c.Name = "named" },
		Config:   func(c *issuer.Config) { c.Issuer = "https://other.example.org" },
	})
	require.Same(t, mem, s.Store)
	require.Equal(t, "https://other.example.org", s.Issuer.URL())
	require.Equal(t, "named", s.Issuer.Providers()[0].Upstream.Name())
	require.Equal(t, s.Issuer.URL(), s.Config.Issuer)

	// A second issuer with the same configuration knows the token.
	issued, err := s.Login(t.Context(), "bob", mytoken.Properties{})
	require.NoError(t, err)
	require.Equal(t, "bob", issued.Claims.OIDCSubject())
	node, err := issuer.New(s.Config)
	require.NoError(t, err)
	_, err = node.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: issued.Token})
	require.NoError(t, err)
}

// Start and the logins return the errors of what they use.
func TestErrors(t *testing.T) {
	_, err := mytokentest.Start(mytokentest.Options{Config: func(c *issuer.Config) { c.Store = nil }})
	require.Error(t, err)
	_, err = mytokentest.Start(mytokentest.Options{Upstream: func(c *oidcupstream.Config) { c.ClientID = "" }})
	require.Error(t, err)
	_, err = mytokentest.Start(mytokentest.Options{Provider: optest.Options{Address: "256.0.0.1:0"}})
	require.Error(t, err)

	s := start(t, mytokentest.Options{})
	_, err = s.Login(t.Context(), "alice", mytoken.Properties{Name: "\x00"})
	require.Error(t, err)
	_, err = s.LoginWith(t.Context(), "alice", issuer.LoginRequest{Provider: "https://elsewhere.example.org"})
	require.ErrorIs(t, err, issuer.ErrUnknownProvider)
	_, err = s.Follow(t.Context(), "alice", &issuer.Login{URL: s.Provider.Issuer() + "/nowhere"})
	require.Error(t, err)
}

// URL is the issuer URL, and where the provider sends users back.
func TestURL(t *testing.T) {
	const address = "http://127.0.0.1:1"
	s := start(t, mytokentest.Options{URL: address})
	require.Equal(t, address, s.Issuer.URL())
	login, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer()})
	require.NoError(t, err)
	back, err := optest.Login(t.Context(), login.URL, "alice")
	require.NoError(t, err)
	require.Equal(t, address+"/redirect", back[:len(address+"/redirect")])
}

// Agree finishes the login of a program, once, and shows no code in its errors.
func TestAgree(t *testing.T) {
	s := start(t, mytokentest.Options{})
	login, err := s.Issuer.StartNative(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: mytoken.Properties{Name: "job"}})
	require.NoError(t, err)
	code := login.ConsentCode.Reveal()
	for _, address := range []string{"", "https://mytoken.example.org", "https://mytoken.example.org/", "https://%" + code} {
		err := s.Agree(t.Context(), "bob", address)
		require.ErrorContains(t, err, "pass the ConsentURI as it is", address)
		require.NotContains(t, err.Error(), code)
	}
	require.NoError(t, s.Agree(t.Context(), "bob", mytokentest.IssuerURL+"/c/"+code))
	issued, err := s.Issuer.Poll(t.Context(), issuer.PollRequest{Code: login.PollingCode})
	require.NoError(t, err)
	require.Equal(t, "bob", issued.Claims.OIDCSubject())
	require.Equal(t, "job", issued.Claims.Name())

	err = s.Agree(t.Context(), "bob", mytokentest.IssuerURL+"/c/"+code)
	require.ErrorAs(t, err, new(*issuer.CodeError))
	require.NotContains(t, err.Error(), code)
}
