package mytoken

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

func TestCheck(t *testing.T) {
	key := testKey(t, EdDSA)
	keys := testKeys(t, key)
	now := issueTime()
	config := VerifierConfig{Issuer: testIssuer, Keys: keys, Clock: func() time.Time { return now }}
	strict, err := NewVerifier(config)
	require.NoError(t, err)
	config.AssumeUsagesLeft = true
	trusting, err := NewVerifier(config)
	require.NoError(t, err)

	issue := func(clauses ...restriction.Clause) *Token {
		c := exampleClaims()
		c.Restrictions, c.Rotation = clauses, nil
		c.SetTimes(issueTime())
		tok, err := strict.Verify(t.Context(), signClaims(t, key, c))
		require.NoError(t, err)
		return tok
	}
	inside, outside := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("198.51.100.7")
	at := func(addr netip.Addr, scopes ...string) Use {
		return Use{Capability: capability.AT, Kind: restriction.AT, Address: addr, Scopes: scopes}
	}
	other := Use{Capability: capability.TokeninfoHistory, Kind: restriction.Other}
	hosts := []string{"192.0.2.0/24"}

	unrestricted := issue()
	require.NoError(t, strict.Check(t.Context(), unrestricted, at(outside)))
	require.NoError(t, strict.Check(t.Context(), unrestricted, other), "tokeninfo includes tokeninfo:history")
	var capErr *CapabilityError
	require.ErrorAs(t, strict.Check(t.Context(), unrestricted, Use{Capability: capability.Settings, Kind: restriction.Other}), &capErr)
	require.Equal(t, capability.Settings, capErr.Needed)
	require.NoError(t, strict.Check(t.Context(), unrestricted, Use{SkipCapability: true, Kind: restriction.Other}))

	placed := issue(restriction.Clause{Hosts: hosts, Scopes: []string{"openid"}})
	require.NoError(t, strict.Check(t.Context(), placed, at(inside, "openid")))
	require.ErrorIs(t, strict.Check(t.Context(), placed, at(outside, "openid")), restriction.ErrRefused)
	require.ErrorIs(t, strict.Check(t.Context(), placed, at(netip.Addr{}, "openid")), restriction.ErrRefused)
	err = strict.Check(t.Context(), placed, at(inside, "openid", "admin"))
	var refused *restriction.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, []string{"scope"}, refused.Explanation.Keys())

	later := issue(restriction.Clause{NotBefore: issuedAt + 10, Scopes: []string{"a"}}, restriction.Clause{Expires: issuedAt + 5, Scopes: []string{"a"}})
	require.NoError(t, strict.Check(t.Context(), later, at(outside)))
	now = issueTime().Add(6 * time.Second)
	err = strict.Check(t.Context(), later, at(outside))
	require.ErrorAs(t, err, &refused)
	earliest, known := refused.Explanation.Earliest.Time()
	require.True(t, known)
	require.EqualValues(t, issuedAt+10, earliest.Unix())
	now = issueTime()

	// A verifier cannot count uses.
	limited := issue(restriction.Clause{UsagesAT: restriction.Usages(5)})
	require.ErrorIs(t, strict.Check(t.Context(), limited, at(inside)), restriction.ErrRefused)
	require.NoError(t, trusting.Check(t.Context(), limited, at(inside)))
	require.NoError(t, strict.Check(t.Context(), limited, other), "the other kind has no limit")
	uncounted := other
	uncounted.Kind = restriction.Uncounted
	require.NoError(t, strict.Check(t.Context(), limited, uncounted))
	spare := issue(restriction.Clause{UsagesAT: restriction.Usages(5)}, restriction.Clause{Hosts: hosts})
	require.NoError(t, strict.Check(t.Context(), spare, at(inside)), "a clause without a limit admits")
	require.ErrorIs(t, strict.Check(t.Context(), spare, at(outside)), restriction.ErrRefused)
	never := issue(restriction.Clause{UsagesAT: restriction.Usages(0)})
	require.ErrorIs(t, trusting.Check(t.Context(), never, at(inside)), restriction.ErrRefused)

	// A token may have expired since it was verified.
	short := issue(restriction.Clause{Expires: issuedAt + 5})
	now = issueTime().Add(6 * time.Second)
	err = strict.Check(t.Context(), short, at(inside))
	require.ErrorIs(t, err, ErrTokenExpired)
	var invalid *InvalidTokenError
	require.ErrorAs(t, err, &invalid)
}

// Check refuses an incomplete use, no token, and a token of another issuer.
func TestCheckRefusesBadInput(t *testing.T) {
	key := testKey(t, EdDSA)
	keys := testKeys(t, key)
	v := newVerifier(t, VerifierConfig{Keys: keys})
	tok, err := v.Verify(t.Context(), signClaims(t, key, exampleClaims()))
	require.NoError(t, err)
	complete := Use{Capability: capability.AT, Kind: restriction.Uncounted, Address: netip.MustParseAddr("192.0.2.1")}
	require.NoError(t, v.Check(t.Context(), tok, complete))
	for name, use := range map[string]Use{
		"nothing":       {},
		"no capability": {Kind: restriction.AT},
		"no kind":       {Capability: capability.AT},
		"unknown kind":  {Capability: capability.AT, Kind: 9},
	} {
		require.ErrorIs(t, v.Check(t.Context(), tok, use), ErrUse, name)
	}
	require.ErrorIs(t, v.Check(t.Context(), nil, complete), ErrUse)
	require.ErrorIs(t, v.Check(t.Context(), &Token{}, complete), ErrUse)
	other, err := NewVerifier(VerifierConfig{Issuer: "https://other.example.org", Keys: keys, Clock: issueTime})
	require.NoError(t, err)
	require.ErrorIs(t, other.Check(t.Context(), tok, complete), ErrTokenIssuer)
}
