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
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
)

// policed starts a service with a policy that tests change, and a maximum lifetime of ten
// days.
func policed(t *testing.T, policy *knob[issuer.Policy]) *mytokentest.Service {
	t.Helper()
	return start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Providers[0].MaxLifetime = 240 * time.Hour
		c.Policy = func(ctx context.Context, s *issuer.Issuance) error {
			if p := policy.get(); p != nil {
				return p(ctx, s)
			}
			return nil
		}
	}})
}

// capped is a policy that ends tokens after a week.
func capped(_ context.Context, s *issuer.Issuance) (err error) {
	s.Properties.Restrictions, _, err = s.Properties.Restrictions.LimitLifetime(s.CountFrom, 7*24*time.Hour)
	return err
}

// A consent page shows what the policy and the maximum lifetime leave. The token is the
// same, and expires when the page said, however long the user takes.
//
// proves P1
func TestTheTokenIsWhatThePageShowed(t *testing.T) {
	for name, c := range map[string]struct {
		policy issuer.Policy
		life   time.Duration
	}{
		"maximum lifetime": {nil, 240 * time.Hour},
		"policy":           {capped, 168 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			var policy knob[issuer.Policy]
			policy.set(c.policy)
			s := policed(t, &policy)
			asked := mytoken.Properties{Name: "job", Capabilities: capability.Set{capability.AT}, Restrictions: restriction.List{
				{Scopes: []string{"compute"}}, {Expires: unix(s, time.Hour), Scopes: []string{"storage.read"}},
			}}
			want := asked
			want.Restrictions = asked.Restrictions.Clone()
			want.Restrictions[0].Expires = unix(s, c.life)

			n := native(t, s, issuer.LoginRequest{Properties: asked, Client: client})
			s.Clock.Advance(time.Minute)
			shown, err := s.Issuer.PreviewConsent(t.Context(), n.ConsentCode, asked)
			require.NoError(t, err)
			require.Equal(t, &want, shown)
			s.Clock.Advance(time.Minute)
			login, err := s.Issuer.Approve(t.Context(), n.ConsentCode, asked)
			require.NoError(t, err)
			s.Clock.Advance(time.Minute)
			_, err = s.Follow(t.Context(), "alice", login)
			require.NoError(t, err)
			issued, err := poll(t, s, n)
			require.NoError(t, err)
			require.Equal(t, want.Restrictions, issued.Restrictions)

			// The same for a page of the embedding service.
			request := issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: asked, CountFrom: s.Clock.Now(), Client: client}
			want.Restrictions[0].Expires = unix(s, c.life)
			shown, err = s.Issuer.PreviewLogin(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, &want, shown)
			s.Clock.Advance(time.Minute)
			login, err = s.Issuer.StartLogin(t.Context(), request)
			require.NoError(t, err)
			s.Clock.Advance(time.Minute)
			result, err := s.Follow(t.Context(), "alice", login)
			require.NoError(t, err)
			require.Equal(t, want.Restrictions, result.Issued.Restrictions)

			// Without a page, and with one from the future, lifetimes count from now.
			request.CountFrom = time.Time{}
			login, err = s.Issuer.StartLogin(t.Context(), request)
			require.NoError(t, err)
			s.Clock.Advance(time.Minute)
			result, err = s.Follow(t.Context(), "alice", login)
			require.NoError(t, err)
			require.Equal(t, unix(s, c.life), result.Issued.Restrictions[0].Expires)
			request.CountFrom = s.Clock.Now().Add(time.Hour)
			shown, err = s.Issuer.PreviewLogin(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, unix(s, c.life), shown.Restrictions[0].Expires)
		})
	}
}

// A policy refuses before the user logs in. The user corrects the request and goes on
// with the same code. A preview changes nothing.
func TestPolicyRefusesBeforeTheLogin(t *testing.T) {
	var policy knob[issuer.Policy]
	s := policed(t, &policy)
	policy.set(func(_ context.Context, i *issuer.Issuance) error {
		if i.Kind == issuer.PolicyConsent && i.Properties.Capabilities.Allows(capability.ManageMytokens) {
			return errors.New("no token may manage others")
		}
		return nil
	})
	ctx := t.Context()
	bad := mytoken.Properties{Name: "bad", Capabilities: allCapabilities}
	late := mytoken.Properties{Capabilities: capability.Default(), Restrictions: restriction.List{{NotBefore: unix(s, 241*time.Hour)}}}
	n := native(t, s, issuer.LoginRequest{Properties: bad, Client: client}) // the user may correct it
	before := stateOf(t, s)
	for range 2 {
		for name, call := range map[string]func(mytoken.Properties) error{
			"PreviewConsent": func(p mytoken.Properties) error {
				_, err := s.Issuer.PreviewConsent(ctx, n.ConsentCode, p)
				return err
			},
			"Approve": func(p mytoken.Properties) error { _, err := s.Issuer.Approve(ctx, n.ConsentCode, p); return err },
			"PreviewLogin": func(p mytoken.Properties) error {
				_, err := s.Issuer.PreviewLogin(ctx, issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: p})
				return err
			},
			"StartLogin": func(p mytoken.Properties) error {
				_, err := s.Issuer.StartLogin(ctx, issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: p})
				return err
			},
		} {
			require.Equal(t, "no token may manage others", errAs[*issuer.PolicyError](t, call(bad)).Description(), name)
			requireRequestError(t, call(late), "restrictions")
		}
	}
	_, err := s.Issuer.PreviewLogin(ctx, issuer.LoginRequest{Provider: "https://elsewhere.example"})
	require.ErrorIs(t, err, issuer.ErrUnknownProvider)
	requireUnchanged(t, s, before)
	require.Zero(t, s.Provider.Count(optest.Authorized))

	agree(t, s, n, agreedProperties)
	issued, err := poll(t, s, n)
	require.NoError(t, err)
	requireUsable(t, s, issued.Token)
}

// After the login, the policy can only narrow what the user has seen.
//
// proves P1
func TestPolicyStaysWithinWhatThePageShowed(t *testing.T) {
	var policy knob[issuer.Policy]
	s := policed(t, &policy)
	shown := mytoken.Properties{
		Name: "shown", Capabilities: capability.Set{capability.AT, capability.Tokeninfo},
		Restrictions: restriction.List{{Expires: unix(s, time.Hour), Scopes: []string{"compute", "storage.read"}, UsagesAT: usages(3)}},
	}
	for name, c := range map[string]struct {
		change func(*mytoken.Properties)
		wider  bool
	}{
		"other name":        {func(p *mytoken.Properties) { p.Name = "other" }, false},
		"one capability":    {func(p *mytoken.Properties) { p.Capabilities = p.Capabilities[:1] }, false},
		"sooner":            {func(p *mytoken.Properties) { p.Restrictions[0].Expires-- }, false},
		"fewer scopes":      {func(p *mytoken.Properties) { p.Restrictions[0].Scopes = p.Restrictions[0].Scopes[:1] }, false},
		"more capabilities": {func(p *mytoken.Properties) { p.Capabilities = allCapabilities }, true},
		"later":             {func(p *mytoken.Properties) { p.Restrictions[0].Expires++ }, true},
		"more uses":         {func(p *mytoken.Properties) { p.Restrictions[0].UsagesAT = usages(4) }, true},
		"another clause":    {func(p *mytoken.Properties) { p.Restrictions = append(p.Restrictions, uses(1)) }, true},
		"the same uses again": {func(p *mytoken.Properties) {
			again := p.Restrictions.Clone()
			again[0].Scopes = again[0].Scopes[:1]
			p.Restrictions = append(p.Restrictions, again...)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			policy.set(func(_ context.Context, i *issuer.Issuance) error {
				if i.Kind == issuer.PolicyLogin {
					c.change(i.Properties)
				}
				return nil
			})
			revoked := s.Provider.Count(optest.Revoked)
			n, err := s.Issuer.StartConsent(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: shown})
			require.NoError(t, err)
			login, err := s.Issuer.Approve(t.Context(), n.ConsentCode, shown)
			require.NoError(t, err)
			result, err := s.Follow(t.Context(), "alice", login)
			if !c.wider {
				require.NoError(t, err)
				want := shown.Clone()
				c.change(&want)
				require.Equal(t, want.Restrictions, result.Issued.Restrictions)
				require.Equal(t, want.Capabilities, result.Issued.Capabilities)
				return
			}
			errAs[*issuer.PolicyError](t, err)
			require.Equal(t, revoked+1, s.Provider.Count(optest.Revoked), "nobody will use the refresh token")
		})
	}

	// Before the login, too: the page shows no more than was asked for.
	policy.set(func(_ context.Context, i *issuer.Issuance) error { i.Properties.Restrictions[0].Expires++; return nil })
	_, err := s.Issuer.PreviewLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: shown})
	errAs[*issuer.PolicyError](t, err)
}
