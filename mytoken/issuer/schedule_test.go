package issuer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

func scheduled(s restriction.Schedule) mytoken.Properties {
	return mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{Schedule: &s}}}
}

const day = 24 * time.Hour

// TestAnchorsAreFixed: a schedule that counts days counts them from the day on which the
// token was asked for, in the zone of the schedule, and from then on from that day.
func TestAnchorsAreFixed(t *testing.T) {
	s := start(t, mytokentest.Options{}) // 1 March 2030, 08:00 UTC
	everyOther := restriction.Schedule{Timezone: "Pacific/Honolulu", Every: 2}
	root := login(t, s, scheduled(everyOther))
	require.Equal(t, `[{"schedule":{"timezone":"Pacific/Honolulu","every":2,"anchor":"2030-02-28"}}]`, root.Restrictions.String(), "it is still February there")

	messy := login(t, s, scheduled(restriction.Schedule{Days: []int{5, 0, 5}, Every: 3}))
	require.Equal(t, `[{"schedule":{"timezone":"UTC","days":[5,7],"every":3,"anchor":"2030-03-01"}}]`, messy.Restrictions.String())

	native, err := s.Issuer.StartNative(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: scheduled(restriction.Schedule{Every: 2}), Client: client})
	require.NoError(t, err)
	s.Clock.Advance(5 * time.Minute)
	asked, err := s.Issuer.Consent(t.Context(), native.ConsentCode)
	require.NoError(t, err)
	require.Equal(t, "2030-03-01", asked.Properties.Restrictions[0].Schedule.Anchor)

	// A child counts from the day on which it was asked for, which must fit that of the parent.
	s.Clock.Set(time.Date(2030, time.March, 2, 12, 0, 0, 0, time.UTC)) // 2 March in Honolulu: two days after the anchor
	id := issuer.NewUseID()
	every4 := restriction.Schedule{Timezone: "Pacific/Honolulu", Every: 4}
	req := issuer.DeriveRequest{Token: root.Token, ID: id, Properties: scheduled(every4), Client: client}
	first, err := s.Issuer.Derive(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "2030-03-02", first.Restrictions[0].Schedule.Anchor)

	s.Clock.Advance(time.Minute)
	again, err := s.Issuer.Derive(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, first.Token.Reveal(), again.Token.Reveal())

	every4.Anchor = "2030-03-03"
	before := stateOf(t, s)
	_, err = s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: root.Token, Properties: scheduled(every4), Client: client})
	requireRequestError(t, err, "restrictions")
	require.ErrorContains(t, err, "the parent allows every 2 days from 2030-02-28, Pacific/Honolulu, not every 4 days from 2030-03-03, Pacific/Honolulu")
	requireUnchanged(t, s, before)

	inherited := derive(t, s, root.Token, mytoken.Properties{Capabilities: allCapabilities})
	require.Equal(t, root.Restrictions, inherited.Restrictions)
}

// TestPoliciesGetAnchors: a schedule that a policy adds counts from the day of the request.
func TestPoliciesGetAnchors(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Policy = func(_ context.Context, i *issuer.Issuance) error {
			if i.Kind != issuer.PolicyDerive {
				i.Properties.Restrictions = restriction.List{{Schedule: &restriction.Schedule{Every: 2}}}
			}
			return nil
		}
	}})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	require.Equal(t, `[{"schedule":{"timezone":"UTC","every":2,"anchor":"2030-03-01"}}]`, root.Restrictions.String())
}

// TestSchedulesAreJudged: the holder of a token with a schedule is refused outside of it,
// and learns when it admits again.
//
// proves P1, P10
func TestSchedulesAreJudged(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, scheduled(restriction.Schedule{Timezone: "Europe/Berlin", Days: []int{5}, From: "09:00", To: "10:00"}))
	requireUsable(t, s, root.Token)
	s.Clock.Advance(time.Hour)
	_, err := accessToken(t, s, root.Token)
	explained := requireRefused(t, err, restriction.KeySchedule)
	require.Equal(t, "2030-03-08T08:00:00Z", explained.Earliest.String())
	s.Clock.Advance(7*day - time.Hour)
	requireUsable(t, s, root.Token)
}

// TestUselessSchedulesAreRefused: a token that could never be used is not issued, and
// neither is one whose schedule makes no sense.
func TestUselessSchedulesAreRefused(t *testing.T) {
	s := start(t, mytokentest.Options{})
	soon := unix(s, time.Hour)
	for name, test := range map[string]struct {
		props mytoken.Properties
		field string
	}{
		"over for this Friday": {mytoken.Properties{Restrictions: restriction.List{{
			NotBefore: unix(s, -5*time.Hour), Expires: soon, Schedule: &restriction.Schedule{Days: []int{5}, From: "04:00", To: "05:00"},
		}}}, "restrictions"},
		"over for this Friday, and the other clause has ended": {mytoken.Properties{Restrictions: restriction.List{
			{Expires: unix(s, -time.Hour)},
			{NotBefore: unix(s, -5*time.Hour), Expires: soon, Schedule: &restriction.Schedule{Days: []int{5}, From: "04:00", To: "05:00"}},
		}}, "restrictions"},
		"unknown zone": {scheduled(restriction.Schedule{Timezone: "Mars/Olympus"}), "restrictions"},
		"25:00":        {scheduled(restriction.Schedule{From: "25:00", To: "26:00"}), "restrictions"},
		"day 8":        {scheduled(restriction.Schedule{Days: []int{8}}), "restrictions"},
		"the first generation ends before": {mytoken.Properties{
			Restrictions: restriction.List{{Schedule: &restriction.Schedule{Days: []int{6}}}}, Rotation: &mytoken.Rotation{OnAT: true, Lifetime: 3600},
		}, "rotation"},
	} {
		t.Run(name, func(t *testing.T) {
			before := stateOf(t, s)
			_, err := s.Login(t.Context(), "alice", test.props)
			requireRequestError(t, err, test.field)
			requireUnchanged(t, s, before)
		})
	}
}
