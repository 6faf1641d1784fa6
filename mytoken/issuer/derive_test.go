package issuer_test

import (
	"slices"
	"strings"
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

// The rule of the protocol: silent adjustment (D21) and error_on_restrictions (D20).
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
				Token: root.Token, Properties: mytoken.Properties{Restrictions: c.wanted}, Verbatim: true, Client: client,
			})
			if c.lost {
				require.Equal(t, issuer.RequestNotNarrower, errAs[*issuer.RequestError](t, err).Code)
				errAs[*restriction.ChildError](t, err)
				requireUnchanged(t, s, before)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

// A child gets what was asked for, with the bounds of the parent that the request leaves
// out, or the error names the clause and the key.
//
// proves P1, P10
func TestDeriveGivesWhatWasAskedFor(t *testing.T) {
	s := start(t, mytokentest.Options{})
	exp := unix(s, time.Hour)
	one := restriction.List{{Expires: exp, Scopes: []string{"compute", "storage.read", "storage.write"}, UsagesAT: usages(5)}}
	phases := restriction.List{
		{Expires: exp, Hosts: []string{"192.0.2.0/24"}, Scopes: []string{"compute"}},
		{NotBefore: exp, Expires: exp + 60, Scopes: []string{"storage.write"}, UsagesAT: usages(2)},
	}
	for name, c := range map[string]struct {
		parent, wanted, got restriction.List
		clause              int
		key, text           string
	}{
		"left out bounds": {one, restriction.List{{Scopes: []string{"storage.read"}}}, restriction.List{{Expires: exp, Scopes: []string{"storage.read"}, UsagesAT: usages(5)}}, 0, "", ""},
		"a limit":         {one, restriction.List{{UsagesAT: usages(1)}}, restriction.List{{Expires: exp, Scopes: one[0].Scopes, UsagesAT: usages(1)}}, 0, "", ""},
		"an end for all phases": {phases, restriction.List{{Expires: exp + 30}}, restriction.List{
			{Expires: exp, Hosts: []string{"192.0.2.0/24"}, Scopes: []string{"compute"}},
			{NotBefore: exp, Expires: exp + 30, Scopes: []string{"storage.write"}, UsagesAT: usages(2)},
		}, 0, "", ""},
		"one phase": {phases, restriction.List{{Scopes: []string{"storage.write"}}}, phases[1:], 0, "", ""},
		"another scope": {
			one, restriction.List{{Scopes: []string{"compute"}}, {Scopes: []string{"storage.read", "admin"}}}, nil, 1, "scope",
			"issuer: restrictions: restriction: clause 1: scope: the parent allows compute storage.read storage.write, not admin; ask for no more, or leave the key out",
		},
		"a later end": {
			one, restriction.List{{Expires: exp + 1}}, nil, 0, "exp",
			"issuer: restrictions: restriction: clause 0: exp: the parent allows a time until " + instant(exp) + ", not until " + instant(exp+1) + "; ask for no more, or leave the key out",
		},
		"more uses": {
			one, restriction.List{{UsagesAT: usages(6)}}, nil, 0, "usages_AT",
			"issuer: restrictions: restriction: clause 0: usages_AT: the parent allows 5, not 6; ask for no more, or leave the key out",
		},
		"a limit for two phases": {
			phases, restriction.List{{UsagesAT: usages(2)}}, nil, 0, "usages_AT",
			"issuer: restrictions: restriction: clause 0: usages_AT: one limit cannot count for several clauses of the parent, such as 0 and 1; ask for a clause for each, with a limit of its own",
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: c.parent})
			req := issuer.DeriveRequest{Token: root.Token, Properties: mytoken.Properties{Restrictions: c.wanted}, Client: client}
			before := stateOf(t, s)
			shown, previewErr := s.Issuer.Preview(t.Context(), req)
			requireUnchanged(t, s, before)
			child, err := s.Issuer.Derive(t.Context(), req)
			if c.key == "" {
				require.NoError(t, err)
				require.Equal(t, c.got, child.Restrictions)
				require.NoError(t, previewErr)
				require.Equal(t, c.got, shown.Restrictions)
				return
			}
			requireUnchanged(t, s, before)
			require.EqualError(t, err, c.text)
			require.EqualError(t, previewErr, c.text)
			require.Equal(t, issuer.RequestNotNarrower, errAs[*issuer.RequestError](t, err).Code)
			located := errAs[*restriction.ClauseError](t, err)
			require.Equal(t, []any{c.clause, c.key}, []any{located.Clause, located.Key})
			require.Equal(t, located, errAs[*restriction.ChildError](t, err).Clauses[0])
		})
	}
}

// A child that leaves out the limit of its parent draws on what the parent has left.
//
// proves P3, P4
func TestDeriveLeavesOutALimit(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{
		{Scopes: []string{"compute"}, UsagesAT: usages(1)}, {Scopes: []string{"compute", "storage.read"}, UsagesAT: usages(2)},
	}})
	wanted := mytoken.Properties{Capabilities: capability.Set{capability.AT}, Restrictions: restriction.List{{Scopes: []string{"compute"}}}}
	a, b := derive(t, s, root.Token, wanted), derive(t, s, root.Token, wanted)
	require.Equal(t, restriction.List{{Scopes: []string{"compute"}, UsagesAT: usages(1)}, {Scopes: []string{"compute"}, UsagesAT: usages(2)}}, a.Restrictions)
	requireUsable(t, s, a.Token)
	requireUsable(t, s, b.Token)
	requireUsable(t, s, a.Token)
	for _, token := range []*mytoken.Issued{a, b, root} {
		_, err := accessToken(t, s, token.Token)
		requireRefused(t, err, "usages_AT")
	}
	_, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: root.Token, Properties: wanted, Client: client})
	require.EqualError(t, err, "issuer: restrictions: usages_AT leaves nothing in any clause, so the capability AT could never be used; raise the limit or leave the capability out")
}

// A child does not become larger than what is allowed, although each wanted clause may
// have something in common with each clause of the parent.
func TestDeriveLimitsWhatIsInCommon(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.Limits = issuer.Limits{Clauses: 5, RestrictionBytes: 1 << 10} }})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: counted(3)})
	long := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{Audiences: []string{strings.Repeat("x", 900)}}}})
	hosts := restriction.List{{Hosts: []string{"192.0.2.1"}}, {Hosts: []string{"192.0.2.2"}}}
	for _, parent := range []*mytoken.Issued{root, long} {
		before := stateOf(t, s)
		_, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: parent.Token, Properties: mytoken.Properties{Restrictions: hosts}, Client: client})
		requireRequestError(t, err, "restrictions")
		require.Regexp(t, `6 clauses, at most 5 are allowed|\d{4} bytes, at most 1024 are allowed`, err.Error())
		requireUnchanged(t, s, before)
		derive(t, s, parent.Token, mytoken.Properties{Restrictions: hosts[:1]})
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
		"nothing":       {nil, has},
		"some":          {capability.Set{capability.CreateMytoken, capability.AT}, capability.Set{capability.CreateMytoken}},
		"part of one":   {capability.Set{capability.ReadSettingsGrants}, capability.Set{capability.ReadSettingsGrants}},
		"more than one": {capability.Set{capability.Tokeninfo, capability.Settings}, capability.Set{capability.Settings}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			child, err := deriveAdjusted(t, s, root.Token, mytoken.Properties{Capabilities: c.wanted})
			require.NoError(t, err)
			require.Equal(t, c.got, child.Capabilities)
		})
	}
	before := stateOf(t, s)
	for _, wanted := range []capability.Set{{capability.AT}, {capability.Tokeninfo}, {"x"}, {"x", capability.Settings}, {"tokeninfo:introspect:x"}, {}, {""}, {"a b"}} {
		_, err := deriveAdjusted(t, s, root.Token, mytoken.Properties{Capabilities: wanted})
		requireRequestError(t, err, "capabilities")
	}
	requireUnchanged(t, s, before)
}

// In Go a child gets the capabilities that were asked for, or there is an error that names
// those that the parent lacks. A program that asks for tokeninfo:introspect counts on it.
// Over the wire the protocol's selection stays, with either error_on_restrictions.
//
// proves P10
func TestDeriveRefusesCapabilitiesThatTheParentLacks(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.CreateMytoken}})
	request := issuer.DeriveRequest{Token: root.Token, Client: client, Properties: mytoken.Properties{
		Capabilities: capability.Set{capability.AT, capability.TokeninfoIntrospect, capability.Settings},
	}}
	before := stateOf(t, s)
	_, err := s.Issuer.Derive(t.Context(), request)
	requireRequestError(t, err, "capabilities")
	require.EqualError(t, err, "issuer: capabilities: the parent has AT create_mytoken, and not tokeninfo:introspect settings; ask for some of what it has")
	_, err = s.Issuer.Preview(t.Context(), request)
	requireRequestError(t, err, "capabilities")
	requireUnchanged(t, s, before)

	for _, wire := range []func(*issuer.DeriveRequest){
		func(r *issuer.DeriveRequest) { r.Adjust = true },
		func(r *issuer.DeriveRequest) { r.Verbatim = true },
	} {
		request := request
		wire(&request)
		child, err := s.Issuer.Derive(t.Context(), request)
		require.NoError(t, err)
		require.Equal(t, capability.Set{capability.AT}, child.Capabilities)
	}
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
	// The end of the lifetime is like a bound of the parent: a clause may leave it out, and
	// must not exceed it.
	require.Equal(t, child.Restrictions, derive(t, s, forever.Token, mytoken.Properties{Restrictions: restriction.List{{Scopes: []string{"compute"}}}}).Restrictions)
	require.Equal(t, restriction.List{{Expires: end, Hosts: []string{"192.0.2.1"}}},
		derive(t, s, login(t, withoutMaximum(t, s), mytoken.Properties{Capabilities: allCapabilities}).Token, mytoken.Properties{Restrictions: restriction.List{{Hosts: []string{"192.0.2.1"}}}}).Restrictions)
	last := instant(end)
	for _, c := range []struct {
		wanted   restriction.Clause
		verbatim bool
		key      string
		text     string
	}{
		{restriction.Clause{Expires: end + 1}, false, "exp", "issuer: restrictions: the maximum lifetime ends at " + last + ": clause 0: exp: the parent allows a time until " + last + ", not until " + instant(end+1)},
		{restriction.Clause{NotBefore: end + 1}, false, "nbf", "issuer: restrictions: the maximum lifetime ends at " + last + ": clause 0: nbf: the parent allows a time until " + last + ", not from " + instant(end+1)},
		{restriction.Clause{Scopes: []string{"compute"}}, true, "exp", "issuer: restrictions: restriction: clause 0: exp: it is missing, and the maximum lifetime ends at " + last + "; state it"},
		{restriction.Clause{Scopes: []string{"compute"}, Expires: end + 1}, true, "exp", "issuer: restrictions: restriction: clause 0: exp: " + instant(end+1) + " is after the end of the maximum lifetime, " + last + "; choose an earlier time"},
	} {
		req := issuer.DeriveRequest{Token: forever.Token, Client: client, Verbatim: c.verbatim, Properties: mytoken.Properties{Restrictions: restriction.List{c.wanted}}}
		_, err := s.Issuer.Derive(ctx, req)
		require.Equal(t, issuer.RequestTooLong, errAs[*issuer.RequestError](t, err).Code, "%v", err)
		require.Equal(t, c.key, errAs[*restriction.ClauseError](t, err).Key)
		require.Contains(t, err.Error(), c.text)
		_, previewErr := s.Issuer.Preview(ctx, req)
		require.EqualError(t, previewErr, err.Error())
	}
	adjusted, err := deriveAdjusted(t, s, forever.Token, mytoken.Properties{Restrictions: restriction.List{{Scopes: []string{"compute"}}}})
	require.NoError(t, err)
	require.Equal(t, restriction.List{{Scopes: []string{"compute"}, Expires: end}}, adjusted.Restrictions)

	_, err = s.Login(ctx, "alice", mytoken.Properties{Restrictions: restriction.List{{NotBefore: end + 1}}})
	requireRequestError(t, err, "restrictions")
}

func instant(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }

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
