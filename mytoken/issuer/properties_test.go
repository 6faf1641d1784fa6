package issuer_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

// The issuer keeps no reference to what a caller passes in, and callers do not share what
// they get.
func TestPropertiesAreCopied(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.Providers[0].MaxLifetime = time.Hour }})
	props := func() mytoken.Properties {
		return mytoken.Properties{
			Name: "n", Capabilities: capability.Set{capability.CreateMytoken, capability.AT, capability.AT},
			Restrictions: restriction.List{
				{Scopes: []string{"storage.read", "compute"}, Hosts: []string{"192.0.2.7"}, UsagesAT: usages(5)},
				{Scopes: []string{"storage.read", "compute"}, Hosts: []string{"192.0.2.7"}, UsagesAT: usages(5)},
			},
			Rotation: &mytoken.Rotation{OnOther: true},
		}
	}
	given := props()
	root := login(t, s, given)
	require.Equal(t, props(), given)
	child, err := deriveAdjusted(t, s, root.Token, given)
	require.NoError(t, err)
	require.Equal(t, props(), given)

	before := child.Claims.Restrictions()
	child.Restrictions[0].Scopes[0] = "x"
	child.Capabilities[0] = "x"
	child.Claims.Rotation().OnAT = true
	*child.Restrictions[0].UsagesAT = 100
	given.Restrictions[0].Scopes[0] = "x"
	require.Equal(t, before, child.Claims.Restrictions())
	require.Equal(t, capability.CreateMytoken, child.Claims.Capabilities()[0])
	require.False(t, child.Claims.Rotation().OnAT)
}

// The length of a name is counted in characters, not bytes. A name comes back as it was.
func TestNames(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	for _, name := range []string{"", " a ", "job \"4711\" <x> \\ é", strings.Repeat("𝄞", mytoken.MaxNameLength)} {
		require.Equal(t, name, derive(t, s, root.Token, mytoken.Properties{Name: name}).Claims.Name())
	}
	for _, name := range []string{strings.Repeat("a", mytoken.MaxNameLength+1), strings.Repeat("𝄞", mytoken.MaxNameLength+1), "a\nb", "\x7f", "\u0085", "\xc3"} {
		_, err := deriveAdjusted(t, s, root.Token, mytoken.Properties{Name: name})
		requireRequestError(t, err, "name")
	}
}

// Nil and empty differ if nil means more: for restrictions and for capabilities.
//
// proves P1
func TestEmptyIsNotAbsent(t *testing.T) {
	s := start(t, mytokentest.Options{})
	parent := mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.CreateMytoken}, Restrictions: restriction.List{{Scopes: []string{"compute"}}}}
	root := login(t, s, parent)
	whole := derive(t, s, root.Token, mytoken.Properties{})
	require.Equal(t, parent.Restrictions, whole.Restrictions)
	require.Equal(t, parent.Capabilities, whole.Capabilities)

	for field, empty := range map[string]mytoken.Properties{
		"restrictions": {Restrictions: restriction.List{}},
		"capabilities": {Capabilities: capability.Set{}},
	} {
		_, err := deriveAdjusted(t, s, root.Token, empty)
		requireRequestError(t, err, field)
		_, err = s.Login(t.Context(), "alice", empty)
		requireRequestError(t, err, field)
	}
}

// A clause in the past is fine if another one is not.
func TestTokensThatWouldBeExpired(t *testing.T) {
	s := start(t, mytokentest.Options{})
	past, now := unix(s, -time.Second), unix(s, 0)
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{Expires: past}, {Expires: now}}})
	requireUsable(t, s, root.Token)
	for _, list := range []restriction.List{{{Expires: past}}, {{Expires: past}, {Expires: past - 1}}} {
		_, err := deriveAdjusted(t, s, root.Token, mytoken.Properties{Restrictions: list})
		requireRequestError(t, err, "restrictions")
	}
	s.Clock.Advance(time.Second)
	requireDead(t, s, root.Token, issuer.TokenExpired)
}

// A generation that ends before the first clause begins could be neither used nor
// replaced.
func TestGenerationsThatWouldEndTooSoon(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	early, later := unix(s, 10*time.Minute), unix(s, time.Hour)
	list := restriction.List{{NotBefore: later}, {NotBefore: early, Scopes: []string{"compute"}}}
	rotation := func(lifetime uint64) *mytoken.Rotation { return &mytoken.Rotation{OnAT: true, Lifetime: lifetime} }

	for _, lifetime := range []uint64{1, 599} {
		props := mytoken.Properties{Restrictions: list, Rotation: rotation(lifetime)}
		_, err := deriveAdjusted(t, s, root.Token, props)
		requireRequestError(t, err, "rotation")
		require.ErrorContains(t, err, time.Unix(early, 0).UTC().Format(time.RFC3339))
		_, err = s.Login(t.Context(), "alice", props)
		requireRequestError(t, err, "rotation")
	}
	s.Clock.Set(time.Unix(early, 0).Add(-600 * time.Second))
	last := derive(t, s, root.Token, mytoken.Properties{Restrictions: list, Rotation: rotation(600)})
	s.Clock.Set(time.Unix(early, 0))
	out, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: last.Token, Scopes: []string{"compute"}, Client: client})
	require.NoError(t, err, "it lives for this one second")
	require.NotNil(t, out.Update)
}

// A policy that leaves such a token issues none.
func TestPolicyThatEndsAGenerationTooSoon(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Policy = func(_ context.Context, issuance *issuer.Issuance) error {
			if issuance.Properties.Name == "short" {
				issuance.Properties.Rotation = &mytoken.Rotation{OnAT: true, Lifetime: 1}
			}
			return nil
		}
	}})
	props := mytoken.Properties{Name: "short", Restrictions: restriction.List{{NotBefore: unix(s, time.Hour)}}}
	before := stateOf(t, s)
	_, err := s.Login(t.Context(), "alice", props)
	requireRequestError(t, err, "rotation")
	requireSameTokens(t, s, before)
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	before = stateOf(t, s)
	_, err = deriveAdjusted(t, s, root.Token, props)
	requireRequestError(t, err, "rotation")
	requireSameTokens(t, s, before)
}

// An error about properties names the field, the clause, the key and the value, and says
// what to do.
//
// proves P10
func TestErrorsAboutProperties(t *testing.T) {
	s := start(t, mytokentest.Options{})
	past, end := unix(s, -time.Minute), unix(s, time.Hour)
	root := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.CreateMytoken}})
	for _, c := range []struct {
		props mytoken.Properties
		child bool // of a child alone
		text  string
	}{
		{mytoken.Properties{Name: strings.Repeat("x", 101)}, false, "name: longer than 100 characters"},
		{mytoken.Properties{Capabilities: capability.Set{}}, false, "capabilities: the list has no entries; leave it out for the default"},
		{mytoken.Properties{Capabilities: capability.Set{capability.Tokeninfo, "a b\n"}}, false, "capabilities: "},
		{mytoken.Properties{Capabilities: capability.Set{capability.Tokeninfo}}, true, "capabilities: the parent has AT create_mytoken, and none of tokeninfo; ask for some of what it has"},
		{mytoken.Properties{Restrictions: restriction.List{}}, false, "restrictions: the list has no clauses; leave it out instead"},
		{
			mytoken.Properties{Restrictions: restriction.List{{Expires: past - 1}, {Expires: past}}}, false,
			"restrictions: restriction: clause 1: exp: " + instant(past) + " is in the past, and no other clause ends later; choose a later time",
		},
		{mytoken.Properties{Restrictions: restriction.List{{Expires: end}, {NotBefore: end + 1, Expires: end}}}, false, "restrictions: restriction: clause 1: exp: invalid: " + instant(end) + " is before nbf, " + instant(end+1)},
		{mytoken.Properties{Restrictions: restriction.List{{Expires: end}, {Hosts: []string{"not a host"}}}}, false, `restrictions: restriction: clause 1: hosts: invalid: "not a host" is not an address`},
		{
			mytoken.Properties{Rotation: &mytoken.Rotation{OnAT: true, Lifetime: 60}, Restrictions: restriction.List{{NotBefore: end}}}, false,
			"rotation: a lifetime of 60 seconds ends before the restrictions begin, at " + instant(end) + "; choose a longer one",
		},
	} {
		_, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: root.Token, Properties: c.props, Client: client})
		require.ErrorContains(t, err, "issuer: "+c.text)
		errAs[*issuer.RequestError](t, err)
		if c.child {
			continue
		}
		_, err = s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: c.props, Client: client})
		require.ErrorContains(t, err, "issuer: "+c.text)
		a := adoption(s, mytoken.NewSecret("never used"))
		a.Properties = c.props
		_, err = s.Issuer.Adopt(t.Context(), a)
		require.ErrorContains(t, err, "issuer: "+c.text)
	}
}
