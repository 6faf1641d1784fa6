package issuer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
)

// TestScopeTexts: New refuses a description that a page could not show as it stands. A
// caller that changes the map it passed, or the one it got, changes no page.
func TestScopeTexts(t *testing.T) {
	service := start(t, mytokentest.Options{})
	described := func(scopes map[string]issuer.ScopeInfo) (*issuer.Issuer, error) {
		config := service.Config
		config.Providers = []issuer.Provider{config.Providers[0]}
		config.Providers[0].Scopes = scopes
		return issuer.New(config)
	}
	for text, scopes := range map[string]map[string]issuer.ScopeInfo{
		`the entry "storage.read" has no name or no Title`: {"storage.read": {Description: "Reads."}},
		`the entry "" has no name`:                         {"": {Title: "Read"}},
		`the entry "a": it has the control or format`:      {"a": {Title: "Read\u202e"}},
		`the entry "b": it has the control or format`:      {"b": {Title: "Read", Description: "\x1b[2J"}},
		`the entry "\\u202ec": it has the control`:         {"\u202ec": {Title: "Read"}},
	} {
		i, err := described(scopes)
		require.Nil(t, i, text)
		require.ErrorContains(t, err, "Config.Providers[0].Scopes: "+text)
	}
	given := map[string]issuer.ScopeInfo{"storage.read": {Title: "Read your files"}}
	i, err := described(given)
	require.NoError(t, err)
	defer func() { require.NoError(t, i.Close(t.Context())) }()
	delete(given, "storage.read")
	delete(i.Providers()[0].Scopes, "storage.read")
	require.Equal(t, "Read your files", i.Providers()[0].Scopes["storage.read"].Title)
}
