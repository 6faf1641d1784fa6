package issuer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
)

func foresee(t *testing.T, s *mytokentest.Service, token mytoken.Secret) forecast.Token {
	t.Helper()
	in, err := s.Issuer.Introspect(t.Context(), issuer.IntrospectRequest{Token: token, Client: client})
	require.NoError(t, err)
	return s.Issuer.ForecastToken(in.Claims, in.Counters)
}

// The forecast of a rotating token comes true. Unused, it expires when its generation
// ends. A use in its last second gives it another generation. No use takes it beyond its
// restrictions.
//
// proves P10
func TestForecastOfARotatingToken(t *testing.T) {
	for name, used := range map[string]bool{"idle": false, "used": true} {
		t.Run(name, func(t *testing.T) {
			s := start(t, mytokentest.Options{})
			end := s.Clock.Now().Add(150 * time.Minute)
			props := mytoken.Properties{
				Capabilities: allCapabilities, Rotation: &mytoken.Rotation{OnAT: true, Lifetime: 3600},
				Restrictions: restriction.List{{Expires: end.Unix()}},
			}
			token := login(t, s, props).Token
			told := foresee(t, s, token)
			f, err := forecast.New(told, s.Clock.Now(), end.Add(time.Hour))
			require.NoError(t, err)
			for s.Clock.Now().Before(end.Add(time.Minute)) {
				idle := foresee(t, s, token).Life().Idle
				s.Clock.Advance(min(idle.Sub(s.Clock.Now()), end.Sub(s.Clock.Now())))
				if used {
					require.NotEqual(t, forecast.Closed, f.Clauses[0].At(s.Clock.Now()))
					token = rotate(t, s, token).Token
				}
				if next := s.Clock.Now().Add(time.Second); !used || next.After(end) {
					s.Clock.Advance(time.Second)
					_, err := accessToken(t, s, token)
					require.Error(t, err)
					require.Equal(t, used, f.Clauses[0].At(next) == forecast.Closed)
					require.Equal(t, !used, next.Equal(f.Life.Idle.Add(time.Second)))
					return
				}
			}
			require.Fail(t, "it never ended")
		})
	}
}

// A child has generations of its own. The first of them begins when the child is made, so
// a forecast for a child must not end with the generation of its parent.
func TestForecastOfAChild(t *testing.T) {
	for mode, last := range map[issuer.ChildRotation]time.Duration{
		issuer.ChildrenInherit: 90 * time.Minute, issuer.ChildrenFree: 3 * time.Hour,
	} {
		s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.ChildRotation = mode }})
		begin := s.Clock.Now()
		parent := login(t, s, mytoken.Properties{
			Capabilities: allCapabilities, Rotation: &mytoken.Rotation{OnAT: true, Lifetime: 3600},
			Restrictions: restriction.List{{Expires: unix(s, 3*time.Hour)}},
		})
		s.Clock.Advance(30 * time.Minute)
		told := foresee(t, s, parent.Token)
		told.Expires, told.Rotation.Issued = time.Time{}, s.Clock.Now()
		if mode == issuer.ChildrenFree {
			told.Rotation = nil
		}
		child := derive(t, s, parent.Token, mytoken.Properties{})
		f, err := forecast.New(told, s.Clock.Now(), begin.Add(4*time.Hour))
		require.NoError(t, err)
		for _, after := range []time.Duration{0, time.Second} {
			s.Clock.Advance(begin.Add(last + after).Sub(s.Clock.Now()))
			_, err := accessToken(t, s, child.Token)
			require.Equal(t, after == 0, err == nil, "%v", err)
			foreseen := f.Clauses[0].At(s.Clock.Now()) == forecast.Open && (f.Life.Idle.IsZero() || !s.Clock.Now().After(f.Life.Idle))
			require.Equal(t, after == 0, foreseen)
		}
		requireDead(t, s, parent.Token, issuer.TokenExpired)
	}
}

// A forecast covers the whole token: its capabilities, what is left to it and to its
// ancestors, and what this issuer can evaluate.
func TestForecastToken(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesAT: restriction.Usages(5)}}})
	child := derive(t, s, root.Token, mytoken.Properties{
		Capabilities: capability.Set{capability.AT, capability.Tokeninfo}, Restrictions: restriction.List{{UsagesAT: restriction.Usages(4)}},
	})
	for range 3 {
		requireUsable(t, s, root.Token)
	}
	requireUsable(t, s, child.Token)
	told := foresee(t, s, child.Token)
	require.Equal(t, capability.Set{capability.AT, capability.Tokeninfo}, told.Capabilities)
	f, err := forecast.New(told, s.Clock.Now(), time.Time{})
	require.NoError(t, err)
	left, limited := f.Clauses[0].Left.Of(restriction.AT)
	require.True(t, limited)
	require.EqualValues(t, 1, left, "of five, three were used by the parent and one by the child")
	require.True(t, f.Counted)

	unknown := s.Issuer.ForecastToken(child.Claims, nil)
	require.Nil(t, unknown.Used)
	none := s.Issuer.ForecastToken(&mytoken.Token{}, nil)
	require.True(t, none.Lacks(capability.AT), "the zero token may do nothing")
}

// Will the token of a user last as long as a job may take?
func ExampleIssuer_ForecastToken() {
	service, token := exampleService(mytoken.Properties{
		Capabilities: capability.Set{capability.Tokeninfo, capability.CreateMytoken}, // and not AT
	})
	defer service.Close()
	now := service.Clock.Now()
	in, err := service.Issuer.Introspect(context.Background(), issuer.IntrospectRequest{Token: token})
	if err != nil {
		panic(err)
	}
	job := plan.Plan{Phases: []plan.Phase{{Name: "run", Duration: time.Hour, Scopes: []string{"compute"}, AccessTokens: 1}}}
	verdict, err := job.Preflight(service.Issuer.ForecastToken(in.Claims, in.Counters), now)
	if err != nil {
		panic(err)
	}
	fmt.Println(verdict)
	// Output:
	// The token does not carry the plan.
	// Phase 0 "run" may be refused an AT use at 2030-03-01T08:00:00Z because the token lacks the capability AT.
	// Ask for the capabilities: AT
	// Ask for: {"nbf":1898582400,"exp":1898586000,"scope":"compute","usages_AT":1,"usages_other":0}
	// Not known: how long the provider keeps the refresh token
	// Not known: whether the token will be revoked
}
