package issuer_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

var usages = restriction.Usages

// deriveAdjusted asks for a child and accepts adjusted restrictions.
func deriveAdjusted(t *testing.T, s *mytokentest.Service, parent mytoken.Secret, props mytoken.Properties) (*mytoken.Issued, error) {
	t.Helper()
	return s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: parent, Properties: props, Adjust: true, Client: client})
}

func TestDerive(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Name: "root", Capabilities: allCapabilities, Rotation: &mytoken.Rotation{OnAT: true}})
	s.Clock.Advance(time.Minute)
	child := derive(t, s, root.Token, mytoken.Properties{Name: "child", Capabilities: capability.Set{capability.AT}})
	require.Equal(t, "child", child.Claims.Name())
	require.Equal(t, root.Claims.Owner(), child.Claims.Owner())
	require.Equal(t, root.Claims.AuthTime(), child.Claims.AuthTime())
	require.NotEqual(t, root.ID, child.ID)
	require.Equal(t, root.Rotation, child.Claims.Rotation())
	require.Nil(t, child.Update)
	require.Equal(t, []string{"created: Used grant_type mytoken", "inherited_RT: Got RT from parent"}, events(t, s, child.ID))
	require.Contains(t, events(t, s, root.ID), "MT_created: Created MT child")
	requireUsable(t, s, child.Token)
}

// Silent adjustment (D21) and error_on_restrictions (D20).
//
// proves P1
func TestDeriveNarrowsRestrictions(t *testing.T) {
	s := start(t, mytokentest.Options{})
	exp := unix(s, time.Hour)
	parent := restriction.List{
		{Expires: exp, Scopes: []string{"compute", "storage.read"}},
		{NotBefore: exp + 10, Hosts: []string{"192.0.2.0/24"}, UsagesAT: usages(5)},
	}
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: parent})
	cases := map[string]struct {
		wanted, got restriction.List
		lost        bool // something that was wanted
	}{
		"nothing":    {nil, parent, false},
		"within one": {restriction.List{{Expires: exp - 5, Scopes: []string{"compute"}}}, restriction.List{{Expires: exp - 5, Scopes: []string{"compute"}}}, false},
		"within the other": {
			restriction.List{{NotBefore: exp + 10, Expires: exp + 20, Hosts: []string{"192.0.2.7"}, UsagesAT: usages(1)}},
			restriction.List{{NotBefore: exp + 10, Expires: exp + 20, Hosts: []string{"192.0.2.7"}, UsagesAT: usages(1)}}, false,
		},
		"one of two fits": {
			restriction.List{{Expires: exp, Scopes: []string{"storage.write"}}, {Expires: exp, Scopes: []string{"compute"}}},
			restriction.List{{Expires: exp, Scopes: []string{"compute"}}}, true,
		},
		"later end":       {restriction.List{{Expires: exp + 1, Scopes: []string{"compute"}}}, parent, true},
		"no end":          {restriction.List{{Scopes: []string{"compute"}}}, parent, true},
		"any scope":       {restriction.List{{Expires: exp}}, parent, true},
		"other host":      {restriction.List{{NotBefore: exp + 10, Hosts: []string{"192.0.3.7"}, UsagesAT: usages(1)}}, parent, true},
		"more uses":       {restriction.List{{NotBefore: exp + 10, Hosts: []string{"192.0.2.7"}, UsagesAT: usages(6)}}, parent, true},
		"unlimited uses":  {restriction.List{{NotBefore: exp + 10, Hosts: []string{"192.0.2.7"}}}, parent, true},
		"across the two":  {restriction.List{{Expires: exp, Hosts: []string{"192.0.2.7"}, UsagesAT: usages(1)}}, parent, true},
		"the same, twice": {restriction.List{parent[0], parent[0]}, restriction.List{parent[0]}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			child, err := deriveAdjusted(t, s, root.Token, mytoken.Properties{Restrictions: c.wanted})
			require.NoError(t, err)
			require.Equal(t, c.got, child.Restrictions)

			before := stateOf(t, s)
			_, err = s.Issuer.Derive(t.Context(), issuer.DeriveRequest{
				Token: root.Token, Properties: mytoken.Properties{Restrictions: c.wanted}, Client: client,
			})
			if c.lost {
				requireRequestError(t, err, "restrictions")
				requireUnchanged(t, s, before)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

// Selection of capabilities (protocol section 3.3).
//
// proves P1
func TestDeriveNarrowsCapabilities(t *testing.T) {
	s := start(t, mytokentest.Options{})
	has := capability.Set{capability.CreateMytoken, capability.TokeninfoIntrospect, capability.Settings}
	root := login(t, s, mytoken.Properties{Capabilities: has})
	cases := map[string]struct{ wanted, got capability.Set }{
		"nothing":              {nil, has},
		"some":                 {capability.Set{capability.CreateMytoken, capability.AT}, capability.Set{capability.CreateMytoken}},
		"part of one":          {capability.Set{capability.ReadSettingsGrants}, capability.Set{capability.ReadSettingsGrants}},
		"more than one":        {capability.Set{capability.Tokeninfo, capability.Settings}, capability.Set{capability.Settings}},
		"unknown ones dropped": {capability.Set{"x", capability.Settings}, capability.Set{capability.Settings}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			child, err := deriveAdjusted(t, s, root.Token, mytoken.Properties{Capabilities: c.wanted})
			require.NoError(t, err)
			require.Equal(t, c.got, child.Capabilities)
		})
	}
	before := stateOf(t, s)
	for _, wanted := range []capability.Set{{capability.AT}, {capability.Tokeninfo}, {"x"}, {}, {""}, {"a b"}} {
		_, err := deriveAdjusted(t, s, root.Token, mytoken.Properties{Capabilities: wanted})
		requireRequestError(t, err, "capabilities")
	}
	requireUnchanged(t, s, before)
}

// Checks follow the order of protocol section 5.3: the token comes before capability,
// restrictions, provider, and the request itself.
func TestOrderOfChecks(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	past := unix(s, time.Second)
	noRight := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.Settings}, Restrictions: restriction.List{{Expires: past}, {Hosts: []string{"198.51.100.1"}}}})
	noHost := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{Expires: past}, {Hosts: []string{"198.51.100.1"}}}})
	spent := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesOther: usages(1)}}})
	all := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	s.Clock.Advance(time.Minute)

	bad := mytoken.Properties{Restrictions: restriction.List{{}}}
	wrong := "https://elsewhere.example.org"
	operations := map[string]func(mytoken.Secret) error{
		"derive": func(token mytoken.Secret) error {
			_, err := s.Issuer.Derive(ctx, issuer.DeriveRequest{Token: token, Provider: wrong, Properties: bad, Client: client})
			return err
		},
		"access token": func(token mytoken.Secret) error {
			_, err := s.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: token, Provider: wrong, Client: client})
			return err
		},
		"revoke other": func(token mytoken.Secret) error {
			_, err := s.Issuer.RevokeOther(ctx, issuer.RevokeOtherRequest{Token: token, Provider: wrong, Other: mytoken.TokenID{1}, Client: client})
			return err
		},
	}
	for name, operate := range operations {
		t.Run(name, func(t *testing.T) {
			before := stateOf(t, s)
			errAs[*mytoken.CapabilityError](t, operate(noRight.Token))
			errAs[*issuer.RefusedError](t, operate(noHost.Token))
			require.ErrorIs(t, operate(all.Token), issuer.ErrWrongProvider)
			requireUnchanged(t, s, before)
		})
	}
	// Counters belong to the restrictions, so they come before the request.
	derive(t, s, spent.Token, mytoken.Properties{})
	_, err := deriveAdjusted(t, s, spent.Token, bad)
	requireRefused(t, err, "usages_other")
	_, err = deriveAdjusted(t, s, all.Token, bad)
	requireRequestError(t, err, "restrictions")

	for _, token := range []*mytoken.Issued{noRight, noHost, spent, all} {
		revoke(t, s, token.Token, false)
		for name, operate := range operations {
			t.Run("revoked, "+name, func(t *testing.T) { requireTokenError(t, operate(token.Token), issuer.TokenRevoked) })
		}
	}
}

// A use of a descendant counts against every ancestor that it draws on.
//
// proves P4
func TestBudgetsAreInherited(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesAT: usages(4), UsagesOther: usages(10)}}})
	a := derive(t, s, root.Token, mytoken.Properties{})
	b := derive(t, s, root.Token, mytoken.Properties{Restrictions: restriction.List{{UsagesAT: usages(2), UsagesOther: usages(10)}}})
	under := derive(t, s, b.Token, mytoken.Properties{Restrictions: restriction.List{{UsagesAT: usages(2), UsagesOther: usages(0)}}})

	requireUsable(t, s, a.Token)
	requireUsable(t, s, under.Token)
	requireUsable(t, s, b.Token)
	_, err := accessToken(t, s, under.Token)
	requireRefused(t, err, "usages_AT")
	_, err = deriveAdjusted(t, s, under.Token, mytoken.Properties{})
	requireRefused(t, err, "usages_other")
	requireUsable(t, s, root.Token)
	for _, token := range []*mytoken.Issued{a, b, under, root} {
		_, err := accessToken(t, s, token.Token)
		requireRefused(t, err, "usages_AT")
	}
	require.Equal(t, 4, s.Provider.Count(optest.Refreshed))
}

// One option restores the budgets of the reference server.
func TestIndependentBudgets(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.IndependentBudgets = true }})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesAT: usages(1)}}})
	for range 3 {
		child := derive(t, s, root.Token, mytoken.Properties{Restrictions: restriction.List{{UsagesAT: usages(1)}}})
		requireUsable(t, s, child.Token)
		_, err := accessToken(t, s, child.Token)
		requireRefused(t, err, "usages_AT")
	}
	// The clauses of one request share the budget of the parent's clause (protocol
	// section 2.6).
	child, err := deriveAdjusted(t, s, root.Token, mytoken.Properties{Restrictions: restriction.List{{UsagesAT: usages(1)}, {UsagesAT: usages(1)}}})
	require.NoError(t, err)
	require.Equal(t, restriction.List{{UsagesAT: usages(1)}}, child.Restrictions)
}

// A child draws on a clause of the parent that has enough left.
func TestDeriveDrawsWhereSomethingIsLeft(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{
		{Scopes: []string{"compute"}, UsagesAT: usages(1)}, {UsagesAT: usages(2)},
	}})
	requireUsable(t, s, root.Token) // from the first
	child := derive(t, s, root.Token, mytoken.Properties{Restrictions: restriction.List{{Scopes: []string{"compute"}, UsagesAT: usages(1)}}})
	requireUsable(t, s, child.Token)
}

// The maximum lifetime applies to the result, so that it does not prevent narrowing
// (D22).
func TestMaximumLifetime(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.Providers[0].MaxLifetime = time.Hour }})
	ctx := t.Context()
	end := unix(s, time.Hour)
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	require.Equal(t, restriction.List{{Expires: end}}, root.Restrictions)
	require.Equal(t, end, root.Claims.ExpiresAt().Unix())

	scoped := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{
		{Scopes: []string{"compute"}, Expires: end - 10}, {Scopes: []string{"compute"}, Expires: end + 10}, {Scopes: []string{"compute"}},
		{NotBefore: end + 1},
	}})
	require.Equal(t, restriction.List{{Scopes: []string{"compute"}, Expires: end - 10}, {Scopes: []string{"compute"}, Expires: end}}, scoped.Restrictions)

	// A request without restrictions is fulfilled even without Adjust, although the
	// lifetime cuts the result.
	forever := login(t, withoutMaximum(t, s), mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{Scopes: []string{"compute"}}}})
	child := derive(t, s, forever.Token, mytoken.Properties{})
	require.Equal(t, restriction.List{{Scopes: []string{"compute"}, Expires: end}}, child.Restrictions)
	_, err := s.Issuer.Derive(ctx, issuer.DeriveRequest{Token: forever.Token, Client: client, Properties: mytoken.Properties{
		Restrictions: restriction.List{{Scopes: []string{"compute"}}},
	}})
	requireRequestError(t, err, "restrictions")
	adjusted, err := deriveAdjusted(t, s, forever.Token, mytoken.Properties{Restrictions: restriction.List{{Scopes: []string{"compute"}}}})
	require.NoError(t, err)
	require.Equal(t, restriction.List{{Scopes: []string{"compute"}, Expires: end}}, adjusted.Restrictions)

	_, err = s.Login(ctx, "alice", mytoken.Properties{Restrictions: restriction.List{{NotBefore: end + 1}}})
	requireRequestError(t, err, "restrictions")
}

// withoutMaximum returns the same service as it was before it had a maximum lifetime.
func withoutMaximum(t *testing.T, s *mytokentest.Service) *mytokentest.Service {
	t.Helper()
	earlier := *s
	earlier.Config.Providers = []issuer.Provider{{Upstream: s.Config.Providers[0].Upstream}}
	var err error
	earlier.Issuer, err = issuer.New(earlier.Config)
	require.NoError(t, err)
	return &earlier
}

// Clauses that the maximum lifetime makes equal share one budget.
//
// proves P3
func TestDeriveMergesClausesThatBecameEqual(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.Providers[0].MaxLifetime = time.Hour }})
	end := unix(s, time.Hour)
	root := login(t, withoutMaximum(t, s), mytoken.Properties{Capabilities: allCapabilities})
	child, err := deriveAdjusted(t, s, root.Token, mytoken.Properties{Restrictions: restriction.List{
		{Expires: end + 1, UsagesAT: usages(1)}, {Expires: end + 2, UsagesAT: usages(1)},
	}})
	require.NoError(t, err)
	require.Equal(t, restriction.List{{Expires: end, UsagesAT: usages(1)}}, child.Restrictions)
	requireUsable(t, s, child.Token)
	_, err = accessToken(t, s, child.Token)
	requireRefused(t, err, "usages_AT")
}

func TestDeriveDepth(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.MaxDepth = 3 }})
	token := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	for range 3 {
		token = derive(t, s, token.Token, mytoken.Properties{})
	}
	before := stateOf(t, s)
	_, err := deriveAdjusted(t, s, token.Token, mytoken.Properties{})
	requireRequestError(t, err, "mytoken")
	requireUnchanged(t, s, before)
}

// The store fails at any step. With an ID, the repetition gets one child that is charged
// once. Without an ID, nothing is left.
//
// proves P3, P8
func TestDeriveWhenTheStoreFails(t *testing.T) {
	for _, after := range []bool{false, true} {
		for _, withID := range []bool{false, true} {
			mem := memstore.New()
			failing := false
			faulty := storetest.NewFaulty(mem, func(c storetest.Call) error {
				if failing && c.Method == "CreateChild" && c.Before != after {
					return storetest.ErrFault
				}
				return nil
			})
			s := start(t, mytokentest.Options{Store: faulty})
			root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesOther: usages(1)}}})
			req := issuer.DeriveRequest{Token: root.Token, Client: client}
			if withID {
				req.ID = issuer.NewUseID()
			}
			failing = true
			_, err := s.Issuer.Derive(t.Context(), req)
			errAs[*issuer.StoreError](t, err)
			failing = false
			infos, _, err := mem.List(t.Context(), root.Claims.Owner(), store.Page{Limit: 10})
			require.NoError(t, err)
			if !withID {
				for _, info := range infos[1:] {
					require.False(t, info.Live, "nobody holds it")
				}
				require.Zero(t, infos[0].Counters[0].OtherUsed)
			}
			for range 2 {
				child, err := s.Issuer.Derive(t.Context(), req)
				if err == nil {
					requireUsable(t, s, child.Token)
				} else {
					require.False(t, withID)
					requireRefused(t, err, "usages_other")
				}
			}
			infos, _, err = mem.List(t.Context(), root.Claims.Owner(), store.Page{Limit: 10})
			require.NoError(t, err)
			require.EqualValues(t, 1, infos[0].Counters[0].OtherUsed)
			live := slices.DeleteFunc(infos, func(i store.TokenInfo) bool { return !i.Live })
			require.Len(t, live, 2)
		}
	}
}
