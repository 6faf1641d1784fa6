package issuer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/mytoken-go/sdk/internal/fresh/freshtest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// A source keeps an access token until shortly before it expires.
func TestTokenSource(t *testing.T) {
	for name, c := range map[string]struct {
		lifetime, early, renew time.Duration
	}{
		"a minute before":     {time.Hour, 0, 59 * time.Minute},
		"as early as told":    {time.Hour, 10 * time.Minute, 50 * time.Minute},
		"half of a short one": {30 * time.Second, 0, 15 * time.Second},
		"half at most":        {time.Hour, 2 * time.Hour, 30 * time.Minute},
		"negative is default": {time.Hour, -time.Hour, 59 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, mytokentest.Options{Provider: optest.Options{AccessTokenLifetime: c.lifetime}})
			root := login(t, s, mytoken.Properties{Restrictions: restriction.List{{Scopes: []string{"compute", "profile"}}}})
			source := s.Issuer.TokenSource(t.Context(), root.Token, issuer.TokenSourceOptions{
				Scopes: []string{"compute"}, Comment: "job 7", Client: client, Early: c.early,
			})
			first, err := source.Token()
			require.NoError(t, err)
			require.Equal(t, "Bearer", first.TokenType)
			require.Equal(t, s.Clock.Now().Add(c.lifetime), first.Expiry)
			require.Equal(t, []string{"compute"}, lastEvent(t, s, optest.Refreshed).Scopes)
			require.Contains(t, events(t, s, root.ID), "AT_created: Used grant_type mytoken: job 7")
			s.Clock.Advance(c.renew - time.Second)
			same, err := source.Token()
			require.NoError(t, err)
			require.Equal(t, first.AccessToken, same.AccessToken)
			s.Clock.Advance(time.Second)
			next, err := source.Token()
			require.NoError(t, err)
			require.NotEqual(t, first.AccessToken, next.AccessToken)
			require.Equal(t, 2, s.Provider.Count(optest.Refreshed))
		})
	}
}

// Parallel callers share one access token, and cannot change it for each other.
func TestTokenSourceIsShared(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Restrictions: restriction.List{{UsagesAT: usages(1)}}})
	source := s.Issuer.TokenSource(t.Context(), root.Token, issuer.TokenSourceOptions{Client: client})
	tokens, errs := atOnce(8, source.Token)
	require.Len(t, winners(tokens, errs), 8)
	want := tokens[0].AccessToken
	tokens[0].AccessToken = "changed"
	for _, token := range tokens[1:] {
		require.Equal(t, want, token.AccessToken)
	}
	again, err := source.Token()
	require.NoError(t, err)
	require.Equal(t, want, again.AccessToken)

	s.Clock.Advance(time.Hour)
	_, err = source.Token()
	requireRefused(t, err, "usages_AT")
}

// A source follows rotations. Updated gets the successor before anybody gets the access
// token. While it returns an error, nobody gets an access token, and the source asks for
// no further one.
func TestTokenSourceRotates(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, rotating)
	var kept []mytoken.Secret
	var refuse error
	source := s.Issuer.TokenSource(t.Context(), root.Token, issuer.TokenSourceOptions{
		Client: client,
		Updated: func(_ context.Context, next *mytoken.Issued) error {
			if refuse != nil {
				return refuse
			}
			kept = append(kept, next.Token)
			return nil
		},
	})
	for range 3 {
		_, err := source.Token()
		require.NoError(t, err)
		s.Clock.Advance(time.Hour)
	}
	require.Len(t, kept, 3)

	refuse = errors.New("disk full")
	for range 3 {
		_, err := source.Token()
		require.ErrorIs(t, err, refuse)
	}
	require.Equal(t, 4, s.Provider.Count(optest.Refreshed))
	refuse = nil
	_, err := source.Token()
	require.NoError(t, err)
	require.Equal(t, 4, s.Provider.Count(optest.Refreshed))
	require.Len(t, kept, 4)
	requireUsable(t, s, kept[3])

	// Without Updated, the source keeps the successor to itself.
	root = login(t, s, rotating)
	alone := s.Issuer.TokenSource(t.Context(), root.Token, issuer.TokenSourceOptions{Client: client})
	for range 3 {
		_, err := alone.Token()
		require.NoError(t, err)
		s.Clock.Advance(time.Hour)
	}
}

// A source returns the errors of AccessToken, and still works after an error.
func TestTokenSourceErrors(t *testing.T) {
	var down knob[bool]
	s := start(t, mytokentest.Options{Provider: optest.Options{Faults: func(p optest.FaultPoint) optest.Fault {
		return optest.Fault{LoseRequest: down.get() && p.Endpoint == optest.EndpointRefresh}
	}}})
	root := login(t, s, mytoken.Properties{})
	source := s.Issuer.TokenSource(t.Context(), root.Token, issuer.TokenSourceOptions{Client: client})
	down.set(true)
	_, err := source.Token()
	errAs[*issuer.UpstreamError](t, err)
	down.set(false)
	_, err = source.Token()
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	bounded := s.Issuer.TokenSource(ctx, root.Token, issuer.TokenSourceOptions{Client: client})
	cancel()
	_, err = bounded.Token()
	require.Error(t, err)
	revoke(t, s, root.Token, false)
	s.Clock.Advance(time.Hour)
	_, err = source.Token()
	requireTokenError(t, err, issuer.TokenRevoked)
	var _ oauth2.TokenSource = source
}

// A source does not believe in an access token after the clock was set back to before its
// request, or after the machine was asleep.
func TestTokenSourceClockIsSet(t *testing.T) {
	s := start(t, mytokentest.Options{Provider: optest.Options{AccessTokenLifetime: time.Hour}})
	root := login(t, s, mytoken.Properties{})
	clock := freshtest.NewClock(s.Clock.Now())
	shift := func(move func(time.Duration), d time.Duration) {
		move(d)
		s.Clock.Set(clock.Now())
	}
	shift(clock.Pass, 30*time.Minute)
	source := s.Issuer.TokenSource(t.Context(), root.Token, issuer.TokenSourceOptions{Client: client})
	asked := func() int {
		_, err := source.Token()
		require.NoError(t, err)
		return s.Provider.Count(optest.Refreshed)
	}
	require.Equal(t, 1, asked())
	shift(clock.Pass, 40*time.Minute)
	require.Equal(t, 1, asked())
	shift(clock.Set, -20*time.Minute)
	require.Equal(t, 1, asked(), "40 minutes have passed")
	shift(clock.Pass, 19*time.Minute)
	require.Equal(t, 2, asked(), "59 minutes have passed")
	shift(clock.Set, -time.Minute)
	require.Equal(t, 3, asked(), "the clock was set back to before the request")
	require.Equal(t, 3, asked())
	shift(clock.Suspend, time.Hour)
	require.Equal(t, 4, asked(), "the machine was asleep")
}
