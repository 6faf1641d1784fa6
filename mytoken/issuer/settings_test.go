package issuer_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// TestGrantSettings keeps one setting for each grant type and user.
func TestGrantSettings(t *testing.T) {
	s := start(t, mytokentest.Options{})
	by := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.Settings}})
	list := func() []issuer.GrantSetting {
		got, err := s.Issuer.GrantSettings(t.Context(), issuer.SettingsRequest{Token: by.Token, Client: client})
		require.NoError(t, err)
		return got.List
	}
	assert.Empty(t, list())
	setGrant(t, s, by.Token, "ssh", true)
	setGrant(t, s, by.Token, "mytoken", false)
	setGrant(t, s, by.Token, "ssh", false)
	assert.Equal(t, []issuer.GrantSetting{{GrantType: "mytoken"}, {GrantType: "ssh"}}, list(), "in the order of the protocol")
	setGrant(t, s, by.Token, "ssh", true)
	assert.Equal(t, []issuer.GrantSetting{{GrantType: "mytoken"}, {GrantType: "ssh", Enabled: true}}, list())
	assert.Subset(t, events(t, s, by.ID), []string{"settings_grant_enabled: ssh", "settings_grant_disabled: mytoken", "settings_grants_listed"})

	_, err := s.Issuer.SetGrant(t.Context(), issuer.GrantRequest{Token: by.Token, GrantSetting: issuer.GrantSetting{GrantType: "telepathy"}, Client: client})
	requireRequestError(t, err, "grant_type")
	weak := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.ReadSettings}})
	_, err = s.Issuer.SetGrant(t.Context(), issuer.GrantRequest{Token: weak.Token, GrantSetting: issuer.GrantSetting{GrantType: "ssh"}, Client: client})
	require.True(t, is[*mytoken.CapabilityError](err), "%v", err)
	assert.Len(t, list(), 2)
}

// TestGrantSettingsAtOnce: no change of another one is lost.
func TestGrantSettingsAtOnce(t *testing.T) {
	s := start(t, mytokentest.Options{})
	by := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.Settings}})
	names := []string{"mytoken", "oidc_flow", "polling_code", "transfer_code", "ssh"}
	paralleltest.Do(10, func(k int) { setGrant(t, s, by.Token, names[k%5], true) })
	got, err := s.Issuer.GrantSettings(t.Context(), issuer.SettingsRequest{Token: by.Token, Client: client})
	require.NoError(t, err)
	require.Len(t, got.List, 5)
}

// A user is deleted while a request changes a setting. Nothing is left of them.
//
// proves P7
func TestGrantSettingOfADeletedUser(t *testing.T) {
	faulty := storetest.NewFaulty(memstore.New(), nil)
	s := start(t, mytokentest.Options{Store: faulty})
	root := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.Settings}})
	info, err := faulty.Token(t.Context(), root.ID)
	require.NoError(t, err)
	meanwhile(faulty, storetest.Before("ChangeItems", 1), func() { assert.NoError(t, owner(t, s, "alice").Delete(t.Context())) })
	_, err = s.Issuer.SetGrant(t.Context(), issuer.GrantRequest{
		Token: root.Token, GrantSetting: issuer.GrantSetting{GrantType: "ssh", Enabled: true}, Client: client,
	})
	requireTokenError(t, err, issuer.TokenUnknown)
	items, err := faulty.Items(t.Context(), info.Owner)
	require.NoError(t, err)
	require.Equal(t, store.Items{}, items)
}
