package issuer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

func explain(t *testing.T, s *mytokentest.Service, req issuer.ExplainRequest) *restriction.Explanation {
	t.Helper()
	if !req.Client.Address.IsValid() {
		req.Client = client
	}
	e, err := s.Issuer.Explain(t.Context(), req)
	require.NoError(t, err)
	return e
}

// A dry run says what the use would meet, and leaves nothing behind.
//
// proves P10
func TestExplain(t *testing.T) {
	s := start(t, mytokentest.Options{})
	begin := s.Clock.Now()
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{
		{Expires: begin.Add(time.Hour).Unix(), Scopes: []string{"compute"}},
		{NotBefore: begin.Add(24 * time.Hour).Unix(), Scopes: []string{"storage.read"}, Audiences: []string{"https://a.example.org"}},
	}})
	before := stateOf(t, s)
	require.True(t, explain(t, s, issuer.ExplainRequest{Token: root.Token}).Admitted)
	require.True(t, explain(t, s, issuer.ExplainRequest{Token: root.Token, Kind: restriction.Other}).Admitted)
	later := explain(t, s, issuer.ExplainRequest{Token: root.Token, Scopes: []string{"storage.read"}})
	require.False(t, later.Admitted)
	at, known := later.Earliest.Time()
	require.True(t, known)
	require.Equal(t, begin.Add(24*time.Hour).Unix(), at.Unix())
	require.True(t, explain(t, s, issuer.ExplainRequest{Token: root.Token, Scopes: []string{"storage.read"}, At: at}).Admitted)
	require.False(t, explain(t, s, issuer.ExplainRequest{Token: root.Token, Scopes: []string{"storage.read"}, At: at.Add(-time.Second)}).Admitted)
	never := explain(t, s, issuer.ExplainRequest{Token: root.Token, Scopes: []string{"compute", "storage.read"}})
	require.True(t, never.Earliest.IsNever())
	require.Equal(t, "request", explain(t, s, issuer.ExplainRequest{Token: root.Token, Kind: 99}).Objection.Key)
	requireUnchanged(t, s, before)

	noAT := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.Tokeninfo}})
	_, err := s.Issuer.Explain(t.Context(), issuer.ExplainRequest{Token: noAT.Token, Client: client})
	errAs[*mytoken.CapabilityError](t, err)
	revoke(t, s, noAT.Token, false)
	_, err = s.Issuer.Explain(t.Context(), issuer.ExplainRequest{Token: noAT.Token, Client: client})
	requireTokenError(t, err, issuer.TokenRevoked)
}

// The dry run and the real use give the same reasons, also about counters and about those
// of ancestors, with their own numbers.
//
// proves P10
func TestExplainAgreesWithTheRefusal(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{
		{Scopes: []string{"compute"}, UsagesAT: usages(3), UsagesOther: usages(10)},
		{Scopes: []string{"storage.read"}, UsagesOther: usages(0)},
	}})
	parent := derive(t, s, root.Token, mytoken.Properties{Restrictions: restriction.List{
		{Scopes: []string{"compute"}, UsagesAT: usages(2), UsagesOther: usages(10)},
	}})
	child := derive(t, s, parent.Token, mytoken.Properties{Restrictions: restriction.List{
		{Scopes: []string{"compute"}, UsagesAT: usages(1), UsagesOther: usages(0)},
		{Scopes: []string{"compute"}, UsagesAT: usages(2), UsagesOther: usages(0), Hosts: []string{"192.0.2.7"}},
	}})
	tokens := []*mytoken.Issued{root, parent, child}
	check := func() {
		t.Helper()
		for n, token := range tokens {
			for _, scopes := range [][]string{nil, {"compute"}, {"storage.read"}, {"profile"}} {
				dry := explain(t, s, issuer.ExplainRequest{Token: token.Token, Scopes: scopes})
				if dry.Admitted {
					continue // what is admitted is tried below
				}
				_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: token.Token, Scopes: scopes, Client: client})
				require.Equal(t, errAs[*issuer.RefusedError](t, err).Explanation.Admitted, dry.Admitted)
				if len(scopes) == 0 || scopes[0] == "compute" {
					require.Equal(t, errAs[*issuer.RefusedError](t, err).Explanation.String(), dry.String(), "token %d, %v", n, scopes)
				}
			}
			dry := explain(t, s, issuer.ExplainRequest{Token: token.Token, Kind: restriction.Other})
			if !dry.Admitted {
				_, err := deriveAdjusted(t, s, token.Token, mytoken.Properties{})
				require.Equal(t, errAs[*issuer.RefusedError](t, err).Explanation.String(), dry.String())
			}
		}
	}
	check()
	for used := range 3 {
		for n, token := range tokens {
			dry := explain(t, s, issuer.ExplainRequest{Token: token.Token, Scopes: []string{"compute"}})
			require.Equal(t, used < []int{3, 2, 2}[n], dry.Admitted, "token %d after %d uses", n, used)
		}
		by := tokens[max(0, 2-used)] // the child twice removed, then its ancestors
		if !explain(t, s, issuer.ExplainRequest{Token: by.Token, Scopes: []string{"compute"}}).Admitted {
			by = root
		}
		_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: by.Token, Scopes: []string{"compute"}, Client: client})
		require.NoError(t, err)
		check()
	}
	require.Equal(t, `refused, earliest never
  clause 0: usages_AT: needs a use left, 1 of 1 are spent
  clause 0: usages_AT: needs a use left, 2 of 2 are spent by an ancestor and its descendants
  clause 0: usages_AT: needs a use left, 3 of 3 are spent by an ancestor and its descendants
  clause 1: usages_AT: needs a use left, 2 of 2 are spent by an ancestor and its descendants
  clause 1: usages_AT: needs a use left, 3 of 3 are spent by an ancestor and its descendants`,
		explain(t, s, issuer.ExplainRequest{Token: child.Token, Scopes: []string{"compute"}}).String())
}

// Others have spent the budget of a clause that has not begun yet. The explanation does
// not promise that clause.
//
// proves P10
func TestExplainKnowsSpentClausesThatAreYetToBegin(t *testing.T) {
	s := start(t, mytokentest.Options{})
	begin := s.Clock.Now()
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesAT: usages(1)}}})
	child := derive(t, s, root.Token, mytoken.Properties{Restrictions: restriction.List{
		{Expires: begin.Add(time.Hour).Unix(), UsagesAT: usages(1)}, {NotBefore: begin.Add(24 * time.Hour).Unix(), UsagesAT: usages(1)},
	}})
	requireUsable(t, s, child.Token)
	s.Clock.Advance(2 * time.Hour)
	e := explain(t, s, issuer.ExplainRequest{Token: child.Token})
	require.True(t, e.Earliest.IsNever(), "%s", e)

	// The real refusal says the same.
	_, err := accessToken(t, s, child.Token)
	refused := errAs[*issuer.RefusedError](t, err)
	require.True(t, refused.Explanation.Earliest.IsNever(), "%s", refused.Explanation)
}

// A deleted ancestor keeps its counters.
func TestExplainAfterSweep(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.Retention = time.Hour }})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesAT: usages(1)}}})
	child := derive(t, s, root.Token, mytoken.Properties{Restrictions: restriction.List{{UsagesAT: usages(1)}}})
	second := derive(t, s, root.Token, mytoken.Properties{})
	requireUsable(t, s, child.Token)
	revoke(t, s, root.Token, false)
	s.Clock.Advance(2 * time.Hour)
	_, err := s.Issuer.Sweep(t.Context(), 100)
	require.NoError(t, err)
	for _, token := range []*mytoken.Issued{child, second} {
		require.False(t, explain(t, s, issuer.ExplainRequest{Token: token.Token}).Admitted)
		_, err = accessToken(t, s, token.Token)
		requireRefused(t, err, "usages_AT")
	}
}

func TestIntrospect(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{
		{Hosts: []string{"192.0.2.0/24"}, UsagesAT: usages(3), UsagesOther: usages(5)},
	}})
	child := derive(t, s, root.Token, mytoken.Properties{Restrictions: restriction.List{{Hosts: []string{"192.0.2.7"}, UsagesAT: usages(3), UsagesOther: usages(0)}}})
	requireUsable(t, s, root.Token)
	requireUsable(t, s, child.Token)
	i, err := s.Issuer.Introspect(ctx, issuer.IntrospectRequest{Token: child.Token, Client: client})
	require.NoError(t, err, "uncounted")
	require.Equal(t, child.ID, i.Claims.ID())
	require.Equal(t, mytoken.ResponseToken, i.Type)
	require.Equal(t, []mytoken.Counter{{AT: 3, ATUsed: 1, ATLeft: 1, Other: 0, OtherLeft: 0}}, i.Counters)
	require.False(t, i.Reconnect)

	_, err = s.Issuer.Introspect(ctx, issuer.IntrospectRequest{Token: root.Token})
	requireRefused(t, err, "hosts") // D28
	plain := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.AT}})
	_, err = s.Issuer.Introspect(ctx, issuer.IntrospectRequest{Token: plain.Token, Client: client})
	errAs[*mytoken.CapabilityError](t, err)
}
