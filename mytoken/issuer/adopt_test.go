package issuer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// portalRefreshToken returns a refresh token that a portal got before it had an issuer.
func portalRefreshToken(t *testing.T, s *mytokentest.Service, subject string) mytoken.Secret {
	t.Helper()
	token, err := s.RefreshToken(t.Context(), subject)
	require.NoError(t, err)
	return token
}

func adoption(s *mytokentest.Service, token mytoken.Secret) issuer.Adoption {
	return issuer.Adoption{
		Provider: s.Provider.Issuer(), Subject: "alice", RefreshToken: token, ID: issuer.NewUseID(), Client: client,
		Properties: mytoken.Properties{Name: "adopted"},
	}
}

// proves P5, P8
func TestAdopt(t *testing.T) {
	s := start(t, mytokentest.Options{Provider: optest.Options{Rotation: optest.RotateStrict}})
	a := adoption(s, portalRefreshToken(t, s, "alice"))
	values, errs := atOnce(4, func() (*mytoken.Issued, error) { return s.Issuer.Adopt(t.Context(), a) })
	for k, err := range errs {
		require.NoError(t, err)
		require.True(t, values[0].Token.Equal(values[k].Token), "repeated with its ID it is one token")
	}
	issued := values[0]
	require.Equal(t, "adopted", issued.Claims.Name())
	require.Equal(t, capability.Default(), issued.Capabilities)
	require.Equal(t, mytoken.Owner(s.Provider.Issuer(), "alice"), issued.Claims.Owner())
	require.True(t, issued.Claims.AuthTime().IsZero(), "nobody knows when the user logged in")
	require.Equal(t, []string{"created: Adopted a refresh token"}, events(t, s, issued.ID))
	requireUsable(t, s, issued.Token)
	require.Len(t, stateOf(t, s).Tokens, 1)
	require.Zero(t, s.Provider.Reuses(), "the refresh token is presented once")

	again, err := s.Issuer.Adopt(t.Context(), a)
	require.NoError(t, err)
	require.True(t, issued.Token.Equal(again.Token))
	revoke(t, s, issued.Token, true)
	_, err = s.Issuer.Adopt(t.Context(), a)
	require.Error(t, err, "what was revoked is not handed out again")
	requireDead(t, s, issued.Token, issuer.TokenRevoked)
}

// If two calls have one ID, the slower one gets the result of the faster one, even if it
// looked before that was stored.
//
// proves P8
func TestAdoptMeanwhile(t *testing.T) {
	var meanwhile func()
	faulty := storetest.NewFaulty(memstore.New(), func(c storetest.Call) error {
		if c.Method == "CreateRoot" && c.Before && meanwhile != nil {
			f := meanwhile
			meanwhile = nil
			f()
		}
		return nil
	})
	s := start(t, mytokentest.Options{Store: faulty, Provider: optest.Options{Rotation: optest.RotateStrict}})
	a := adoption(s, portalRefreshToken(t, s, "alice"))
	var first *mytoken.Issued
	meanwhile = func() {
		var err error
		first, err = s.Issuer.Adopt(t.Context(), a)
		require.NoError(t, err)
	}
	second, err := s.Issuer.Adopt(t.Context(), a)
	require.NoError(t, err)
	require.True(t, first.Token.Equal(second.Token))
	require.Zero(t, s.Provider.Reuses())
}

// The refresh token of another user gives no token, not to a repetition either. It is
// revoked.
func TestAdoptOfAnotherUser(t *testing.T) {
	for _, rotation := range []optest.Rotation{optest.RotateOff, optest.RotateStrict} {
		s := start(t, mytokentest.Options{Provider: optest.Options{Rotation: rotation}})
		a := adoption(s, portalRefreshToken(t, s, "bob"))
		_, err := s.Issuer.Adopt(t.Context(), a)
		require.ErrorIs(t, err, oidcupstream.ErrSubject)
		require.Equal(t, 403, errAs[*issuer.UpstreamError](t, err).Status)
		require.Equal(t, 1, s.Provider.Count(optest.Revoked))
		for range 2 {
			_, err = s.Issuer.Adopt(t.Context(), a)
			require.Error(t, err)
		}
		for _, info := range stateOf(t, s).Tokens {
			require.False(t, info.Live)
		}
		require.Zero(t, ticketsLeft(t, s))
	}
}

// If the provider does not say whose the refresh token is, a repetition with the same ID
// resumes. The provider may have replaced the refresh token meanwhile.
//
// proves P5, P8
func TestAdoptResumes(t *testing.T) {
	faults := map[string]optest.FaultPoint{
		"no answer about the user": {Endpoint: optest.EndpointUserInfo},
		"no answer to the refresh": {Endpoint: optest.EndpointRefresh},
	}
	for name, point := range faults {
		t.Run(name, func(t *testing.T) {
			var down knob[bool]
			down.set(true)
			s := start(t, mytokentest.Options{Provider: optest.Options{Rotation: optest.RotateStrict, Faults: func(p optest.FaultPoint) optest.Fault {
				return optest.Fault{LoseRequest: down.get() && p.Endpoint == point.Endpoint}
			}}})
			a := adoption(s, portalRefreshToken(t, s, "alice"))
			_, err := s.Issuer.Adopt(t.Context(), a)
			errAs[*issuer.UpstreamError](t, err)
			down.set(false)
			issued, err := s.Issuer.Adopt(t.Context(), a)
			require.NoError(t, err)
			requireUsable(t, s, issued.Token)
			require.Zero(t, s.Provider.Reuses())
			require.Len(t, stateOf(t, s).Tokens, 1)
		})
	}

	// Nobody can resume without an ID. Nothing is left, and a replaced refresh token is
	// revoked at the provider.
	for _, rotation := range []optest.Rotation{optest.RotateOff, optest.RotateStrict} {
		s := start(t, mytokentest.Options{Provider: optest.Options{Rotation: rotation, Faults: func(p optest.FaultPoint) optest.Fault {
			return optest.Fault{LoseRequest: p.Endpoint == optest.EndpointUserInfo}
		}}})
		a := adoption(s, portalRefreshToken(t, s, "alice"))
		a.ID = issuer.UseID{}
		_, err := s.Issuer.Adopt(t.Context(), a)
		errAs[*issuer.UpstreamError](t, err)
		require.False(t, stateOf(t, s).Tokens[0].Live)
		require.Equal(t, rotation == optest.RotateStrict, s.Provider.Count(optest.Revoked) == 1)
	}
}

func TestAdoptRefuses(t *testing.T) {
	var policy error
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Providers[0].MaxLifetime = time.Hour
		c.Policy = func(_ context.Context, s *issuer.Issuance) error {
			if s.Kind == issuer.PolicyAdopt {
				return policy
			}
			return nil
		}
	}})
	good := adoption(s, portalRefreshToken(t, s, "alice"))
	before := stateOf(t, s)
	for name, change := range map[string]func(*issuer.Adoption){
		"sub":           func(a *issuer.Adoption) { a.Subject = "" },
		"refresh_token": func(a *issuer.Adoption) { a.RefreshToken = mytoken.Secret{} },
		"capabilities":  func(a *issuer.Adoption) { a.Properties.Capabilities = capability.Set{"x"} },
		"restrictions": func(a *issuer.Adoption) {
			a.Properties.Restrictions = restriction.List{{NotBefore: unix(s, 2*time.Hour)}}
		},
	} {
		a := good
		change(&a)
		_, err := s.Issuer.Adopt(t.Context(), a)
		requireRequestError(t, err, name)
	}
	unknown := good
	unknown.Provider = "https://elsewhere.example.org"
	_, err := s.Issuer.Adopt(t.Context(), unknown)
	require.ErrorIs(t, err, issuer.ErrUnknownProvider)
	policy = errors.New("no")
	_, err = s.Issuer.Adopt(t.Context(), good)
	errAs[*issuer.PolicyError](t, err)
	policy = nil
	requireUnchanged(t, s, before)
	require.Zero(t, s.Provider.Count(optest.Refreshed))

	issued, err := s.Issuer.Adopt(t.Context(), good)
	require.NoError(t, err)
	require.Equal(t, unix(s, time.Hour), issued.Claims.ExpiresAt().Unix())

	dead := adoption(s, mytoken.NewSecret("no refresh token of anybody"))
	_, err = s.Issuer.Adopt(t.Context(), dead)
	errAs[*issuer.ReconnectError](t, err)
	require.False(t, stateOf(t, s).Tokens[1].Live)
}

// A request may end before the user was confirmed. Its repetition hands out nothing
// unconfirmed.
func TestAdoptAgainConfirms(t *testing.T) {
	var down knob[bool]
	down.set(true)
	s := start(t, mytokentest.Options{Provider: optest.Options{Rotation: optest.RotateStrict, Faults: func(p optest.FaultPoint) optest.Fault {
		switch p.Endpoint {
		case optest.EndpointRefresh: // says nothing about the user
			return optest.Fault{Edit: func(answer map[string]any) { delete(answer, "id_token") }}
		case optest.EndpointUserInfo:
			return optest.Fault{LoseRequest: down.get()}
		}
		return optest.Fault{}
	}}})
	a := adoption(s, portalRefreshToken(t, s, "bob"))
	_, err := s.Issuer.Adopt(t.Context(), a)
	require.NotErrorIs(t, err, oidcupstream.ErrSubject)
	errAs[*issuer.UpstreamError](t, err)
	down.set(false)
	_, err = s.Issuer.Adopt(t.Context(), a)
	require.ErrorIs(t, err, oidcupstream.ErrSubject)
	require.False(t, stateOf(t, s).Tokens[0].Live)
	require.Equal(t, 1, s.Provider.Count(optest.Revoked))

	good := adoption(s, portalRefreshToken(t, s, "alice"))
	issued, err := s.Issuer.Adopt(t.Context(), good)
	require.NoError(t, err)
	requireUsable(t, s, issued.Token)
}
