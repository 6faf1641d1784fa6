package issuer_test

import (
	"context"
	"errors"
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
)

// A policy may narrow what is issued, and refuse it.
func TestPolicyNarrows(t *testing.T) {
	var seen []issuer.Issuance
	policy := func(_ context.Context, s *issuer.Issuance) error { seen = append(seen, *s); return nil }
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Policy = func(ctx context.Context, s *issuer.Issuance) error { return policy(ctx, s) }
	}})
	end := unix(s, time.Minute)
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	require.Equal(t, issuer.PolicyConsent, seen[0].Kind)
	require.Empty(t, seen[0].Subject)
	require.Nil(t, seen[0].Tokens)
	require.Equal(t, issuer.PolicyLogin, seen[1].Kind)
	require.Equal(t, "alice", seen[1].Subject)
	require.NotNil(t, seen[1].Tokens)
	for _, s := range seen {
		require.Nil(t, s.Parent)
		require.Equal(t, client, s.Client)
	}

	policy = func(_ context.Context, s *issuer.Issuance) error {
		s.Properties = &mytoken.Properties{ // another one, not only other contents
			Name: "narrowed", Capabilities: capability.Set{capability.AT}, Restrictions: restriction.List{{Expires: end}},
		}
		return nil
	}
	for _, issued := range []*mytoken.Issued{login(t, s, mytoken.Properties{}), derive(t, s, root.Token, mytoken.Properties{})} {
		require.Equal(t, "narrowed", issued.Claims.Name())
		require.Equal(t, capability.Set{capability.AT}, issued.Capabilities)
		require.Equal(t, restriction.List{{Expires: end}}, issued.Restrictions)
	}
	require.Contains(t, events(t, s, root.ID), "MT_created: Created MT narrowed")

	policy = func(_ context.Context, s *issuer.Issuance) error {
		if s.Kind == issuer.PolicyConsent { // this user is not known yet
			return nil
		}
		return errors.New("not today")
	}
	before := stateOf(t, s)
	_, err := deriveAdjusted(t, s, root.Token, mytoken.Properties{})
	require.Contains(t, errAs[*issuer.PolicyError](t, err).Error(), "not today")
	requireUnchanged(t, s, before)
	_, err = s.Login(t.Context(), "alice", mytoken.Properties{})
	errAs[*issuer.PolicyError](t, err)
	require.Equal(t, 1, s.Provider.Count(optest.Revoked))
	requireSameTokens(t, s, before)
}

// A policy cannot widen a child. A list that it empties does not turn into everything.
//
// proves P1
func TestPolicyCannotWiden(t *testing.T) {
	var change func(*issuer.Issuance)
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Providers[0].MaxLifetime = 2 * time.Hour
		c.Policy = func(_ context.Context, s *issuer.Issuance) error {
			if change != nil {
				change(s)
			}
			return nil
		}
	}})
	end := unix(s, time.Hour)
	parent := restriction.List{{Expires: end, Scopes: []string{"compute"}, UsagesAT: usages(3)}}
	root := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.CreateMytoken}, Restrictions: parent})
	changes := map[string]func(*issuer.Issuance){
		"more capabilities": func(s *issuer.Issuance) { s.Properties.Capabilities = allCapabilities },
		"no capabilities":   func(s *issuer.Issuance) { s.Properties.Capabilities = nil },
		"later end":         func(s *issuer.Issuance) { s.Properties.Restrictions[0].Expires++ },
		"other scope":       func(s *issuer.Issuance) { s.Properties.Restrictions[0].Scopes[0] = "storage.read" },
		"no limit":          func(s *issuer.Issuance) { s.Properties.Restrictions[0].UsagesAT = nil },
		"a further clause": func(s *issuer.Issuance) {
			s.Properties.Restrictions = append(s.Properties.Restrictions, restriction.Clause{UsagesAT: usages(1)})
		},
		"clauses gone":          func(s *issuer.Issuance) { s.Properties.Restrictions = nil },
		"clauses filtered away": func(s *issuer.Issuance) { s.Properties.Restrictions = s.Properties.Restrictions[:0] },
		"an empty clause":       func(s *issuer.Issuance) { s.Properties.Restrictions[0] = restriction.Clause{} },
		"a list without scopes": func(s *issuer.Issuance) { s.Properties.Restrictions[0].Scopes = []string{} },
		"no properties":         func(s *issuer.Issuance) { s.Properties = nil },
		"a long name":           func(s *issuer.Issuance) { s.Properties.Name = strings.Repeat("x", 101) },
	}
	before := stateOf(t, s)
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			change = c
			_, err := deriveAdjusted(t, s, root.Token, mytoken.Properties{})
			errAs[*issuer.PolicyError](t, err)
			requireUnchanged(t, s, before)
		})
	}
	for _, name := range []string{"no capabilities", "clauses gone", "clauses filtered away", "an empty clause", "no properties"} {
		t.Run("login, "+name, func(t *testing.T) {
			change = changes[name]
			_, err := s.Login(t.Context(), "alice", mytoken.Properties{Restrictions: parent.Clone()})
			errAs[*issuer.PolicyError](t, err)
			requireSameTokens(t, s, before)
		})
	}
	// A policy cannot change the properties later, and cannot prolong the maximum
	// lifetime.
	var kept *mytoken.Properties
	change = func(s *issuer.Issuance) { kept = s.Properties }
	child := derive(t, s, root.Token, mytoken.Properties{})
	kept.Restrictions[0].Scopes[0] = "storage.read"
	require.Equal(t, parent, child.Restrictions)
	change = func(s *issuer.Issuance) { s.Properties.Restrictions = restriction.List{{Expires: end + 1e6}} }
	issued := login(t, s, mytoken.Properties{})
	require.Equal(t, restriction.List{{Expires: end + 3600}}, issued.Restrictions)
}

// A child never admits what its parent refuses, for random requests. Package restriction
// checks that random clauses stay within the parent's. This test takes the whole way
// through Derive, with policies that change clauses at random.
//
// proves P1
func TestChildAdmitsNothingThatItsParentRefuses(t *testing.T) {
	var seed uint64
	next := func(n uint64) uint64 { seed = seed*6364136223846793005 + 1442695040888963407; return seed >> 33 % n }
	var now int64
	clause := func() (c restriction.Clause) {
		scopes := []string{"compute", "storage.read", "storage.write"}
		hosts := []string{"192.0.2.0/24", "192.0.2.7", "198.51.100.0/24"}
		if next(2) == 0 {
			c.Scopes = scopes[next(3):][:1]
		}
		if next(2) == 0 {
			c.Hosts = hosts[next(3):][:1]
		}
		if next(3) == 0 {
			c.UsagesAT = usages(int64(next(3) + 1))
		}
		c.Expires = now + int64(next(3)+1)*1000
		return c
	}
	list := func() (l restriction.List) {
		for range next(3) {
			l = append(l, clause())
		}
		return l
	}
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Policy = func(_ context.Context, s *issuer.Issuance) error {
			if s.Kind == issuer.PolicyDerive && next(3) == 0 {
				s.Properties.Restrictions = list()
			}
			return nil
		}
	}})
	now = s.Clock.Now().Unix()
	derived := 0
	for range 150 {
		root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: list()})
		child, err := deriveAdjusted(t, s, root.Token, mytoken.Properties{Restrictions: list()})
		if err != nil {
			continue
		}
		derived++
		for range 20 {
			req := restriction.Request{
				Now: s.Clock.Now().Add(time.Duration(next(4)*999) * time.Second), Kind: restriction.AT,
				Scopes: []string{[]string{"compute", "storage.read", "storage.write"}[next(3)]},
			}
			req.Address = client.Address
			if next(2) == 0 {
				req.Address = req.Address.Next()
			}
			below, above := child.Claims.Policy().Evaluate(&req), root.Claims.Policy().Evaluate(&req)
			require.False(t, below.Admitted() && !above.Admitted(), "parent %v\nchild %v", root.Restrictions, child.Restrictions)
		}
	}
	require.Greater(t, derived, 50)
}
