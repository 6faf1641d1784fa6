package issuer_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

// An operation of the embedding service is checked and counted like one of the issuer.
func TestAuthorizeCounts(t *testing.T) {
	s := start(t, mytokentest.Options{})
	issued := login(t, s, mytoken.Properties{
		Capabilities: capability.Set{capability.ReadSettings},
		Restrictions: restriction.List{{UsagesOther: restriction.Usages(1)}},
		Rotation:     &mytoken.Rotation{OnOther: true},
	})
	req := issuer.AuthorizeRequest{Token: issued.Token, Needs: capability.SettingsGrants, Event: "x", Client: client}
	_, err := s.Issuer.Authorize(t.Context(), req)
	errAs[*mytoken.CapabilityError](t, err) // the capability to read does not suffice to write

	req.Needs = capability.ReadSettingsGrants
	got, err := s.Issuer.Authorize(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, issued.ID, got.Claims.ID())
	require.NotNil(t, got.Update)
	req.Token = got.Update.Token
	_, err = s.Issuer.Authorize(t.Context(), req)
	requireRefused(t, err, "usages_other")

	for _, incomplete := range []issuer.AuthorizeRequest{
		{Token: req.Token, Event: "x"}, {Token: req.Token, Needs: capability.ReadSettings},
	} {
		_, err := s.Issuer.Authorize(t.Context(), incomplete)
		require.ErrorContains(t, err, "AuthorizeRequest")
	}
}

// Inspect needs no capability, and ignores where the token may be used. The token must be
// live.
func TestInspect(t *testing.T) {
	s := start(t, mytokentest.Options{})
	issued := login(t, s, mytoken.Properties{
		Capabilities: capability.Set{capability.AT}, Restrictions: restriction.List{{Hosts: []string{"203.0.113.9"}}},
	})
	got, err := s.Issuer.Inspect(t.Context(), issuer.InspectRequest{Token: issued.Token})
	require.NoError(t, err)
	require.Equal(t, issued.ID, got.Claims.ID())
	require.Equal(t, mytoken.ResponseToken, got.Type)
	revoke(t, s, issued.Token, false)
	_, err = s.Issuer.Inspect(t.Context(), issuer.InspectRequest{Token: issued.Token})
	requireTokenError(t, err, issuer.TokenRevoked)
}

// Preview returns what Derive would make, and makes nothing.
func TestPreview(t *testing.T) {
	s := start(t, mytokentest.Options{})
	parent := login(t, s, mytoken.Properties{
		Capabilities: capability.Set{capability.AT, capability.CreateMytoken},
		Restrictions: restriction.List{{Scopes: []string{"openid", "compute"}, UsagesOther: restriction.Usages(1)}},
	})
	req := issuer.DeriveRequest{Token: parent.Token, Client: client, Adjust: true, Properties: mytoken.Properties{
		Capabilities: capability.Set{capability.AT, capability.Settings},
		Restrictions: restriction.List{{Scopes: []string{"compute"}, UsagesOther: restriction.Usages(0)}, {Scopes: []string{"storage.read"}}},
	}}
	for range 2 { // it spends nothing
		got, err := s.Issuer.Preview(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, capability.Set{capability.AT}, got.Capabilities)
		require.Len(t, got.Restrictions, 1)
		require.Equal(t, []string{"compute"}, got.Restrictions[0].Scopes)
	}
	child, err := s.Issuer.Derive(t.Context(), req)
	require.NoError(t, err)
	_, err = s.Issuer.Preview(t.Context(), issuer.DeriveRequest{Token: child.Token, Client: client})
	errAs[*mytoken.CapabilityError](t, err)
}

// A pending login is known until its state is used up.
func TestPendingLogin(t *testing.T) {
	s := start(t, mytokentest.Options{})
	login, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{
		Provider: s.Provider.Issuer(), Application: "app", ReturnTo: "/home", Client: client,
	})
	require.NoError(t, err)
	for range 2 {
		got, err := s.Issuer.PendingLogin(t.Context(), login.State)
		require.NoError(t, err)
		require.Equal(t, &issuer.PendingLogin{Provider: s.Provider.Issuer(), Application: "app", ReturnTo: "/home"}, got)
	}
	_, err = s.Issuer.FinishLogin(t.Context(), browse(t, login, "alice"))
	require.NoError(t, err)
	for _, state := range []mytoken.Secret{login.State, {}} {
		_, err = s.Issuer.PendingLogin(t.Context(), state)
		require.ErrorIs(t, err, issuer.ErrState)
	}

	login, err = s.Issuer.Approve(t.Context(), native(t, s, issuer.LoginRequest{}).ConsentCode, mytoken.Properties{Capabilities: capability.Default()})
	require.NoError(t, err)
	got, err := s.Issuer.PendingLogin(t.Context(), login.State)
	require.NoError(t, err)
	require.True(t, got.Polled)
}

// RestrictionOptions returns those of the configuration. Changing them does not change
// the issuer's.
func TestRestrictionOptions(t *testing.T) {
	never := func([]byte) (restriction.Condition, error) { return nil, errors.New("never") }
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Restrictions.Conditions = map[string]restriction.Factory{"badge": never}
		c.Restrictions.Disabled = []string{restriction.KeyGeoIPAllow}
	}})
	got := s.Issuer.RestrictionOptions()
	require.Contains(t, got.Conditions, "badge")
	require.Equal(t, []string{restriction.KeyGeoIPAllow}, got.Disabled)
	delete(got.Conditions, "badge")
	got.Disabled[0] = restriction.KeyScope
	require.Contains(t, s.Issuer.RestrictionKeys(), "badge")
	require.Contains(t, s.Issuer.RestrictionKeys(), restriction.KeyScope)
}

// Issuers with the same keys recognise each other's marks, other issuers do not. A code
// without a mark does not pass.
func TestMarks(t *testing.T) {
	s := start(t, mytokentest.Options{})
	other, err := issuer.New(s.Config)
	require.NoError(t, err)
	stranger := start(t, mytokentest.Options{}).Issuer
	code := native(t, s, issuer.LoginRequest{}).PollingCode
	marked := s.Issuer.MarkCode(code)
	require.Less(t, len(marked.Reveal()), 32, "a marked polling code must not be taken for a token")
	got, genuine := other.UnmarkCode(marked)
	require.True(t, genuine, "another process knows the mark")
	require.Equal(t, code.Reveal(), got.Reveal())

	text := marked.Reveal()
	first := "x"
	if text[0] == 'x' {
		first = "y"
	}
	for name, forged := range map[string]string{
		"no mark": code.Reveal(), "no code": text[len(text)-7:], "empty": "", "another code": first + text[1:], "cut": text[:len(text)-1], "longer": text + "a",
	} {
		got, genuine := s.Issuer.UnmarkCode(mytoken.NewSecret(forged))
		require.False(t, genuine, name)
		require.Equal(t, forged, got.Reveal(), name)
	}
	_, genuine = stranger.UnmarkCode(marked)
	require.False(t, genuine, "an issuer with other keys does not know the mark")
	require.True(t, s.Issuer.MarkCode(mytoken.Secret{}).IsEmpty())
}
