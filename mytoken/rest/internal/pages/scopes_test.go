package pages

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// TestCapabilityTitles: every capability has a title, and no other name has one.
func TestCapabilityTitles(t *testing.T) {
	for _, name := range capability.All() {
		assert.NotEmpty(t, capabilityTitles[name], name)
	}
	assert.Len(t, capabilityTitles, len(capability.All()))
}

// TestScopeTexts: a scope has the text of its provider, or else the usual one, with the
// limit that its parameter sets.
func TestScopeTexts(t *testing.T) {
	for name, info := range standardScopes {
		assert.NotEmpty(t, info.Title, name)
		assert.Empty(t, legible.Refuse(name+info.Title+info.Description), name)
	}
	p, service := newPages(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Providers[0].Scopes = map[string]issuer.ScopeInfo{
			"compute":                  {Title: "Use the cluster", Description: "Night and day.", Sensitive: true},
			"storage.read":             {Title: "Read the archive"},
			"storage.read:/secret":     {Title: "Read secrets", Sensitive: true},
			"urn:example:group":        {Title: "Show your team"},
			"https://api.example/read": {Title: "Read the API"},
		}
	}})
	for name, want := range map[string]scopeView{
		"compute":                  {Title: "Use the cluster", Description: "Night and day.", Sensitive: true},
		"compute.create":           {Title: "Submit jobs", Description: "It can start computing jobs."},
		"storage.read":             {Title: "Read the archive"},
		"storage.read:/":           {Title: "Read the archive", Limit: "Everywhere."},
		"storage.read:/home/alice": {Title: "Read the archive", Limit: "Only below /home/alice"},
		"storage.read:/secret":     {Title: "Read secrets", Sensitive: true},
		"storage.modify:/a:b":      {Title: "Change and delete files", Description: "It can upload, overwrite, rename and delete files.", Limit: "Only below /a:b", Sensitive: true},
		"write:/data":              {Title: "Change and delete files", Limit: "Only below /data", Sensitive: true},
		"write":                    {},
		"read:user":                {},
		"wlcg.groups:/atlas":       {Title: "Show your groups", Description: "Services see to which groups you belong.", Limit: "Only below /atlas"},
		"urn:example:group:blue":   {Title: "Show your team", Limit: "Only for blue"},
		"https://api.example/read": {Title: "Read the API"},
		"Openid":                   {},
		"a:":                       {},
		":":                        {},
	} {
		got := p.describe(service.Provider.Issuer(), []string{name, name})
		want.Name = name
		assert.Equal(t, []scopeView{want}, got)
	}
	elsewhere := p.describe("https://other.example", []string{"compute", "storage.read"})
	assert.Empty(t, elsewhere[0].Title, "the text of another provider")
	assert.Equal(t, "Read files", elsewhere[1].Title)
}

// TestUnknownScopes: a scope that the provider does not list is marked, unless it has an
// entry in the configuration. A parameter makes no difference. Before the metadata is
// known, and where it has no list, nothing is marked. Nothing is fetched for a page.
func TestUnknownScopes(t *testing.T) {
	var fetched atomic.Int32
	options := mytokentest.Options{
		Provider: optest.Options{
			Scopes: []string{"openid", "offline_access", "storage.read:/", "compute"},
			Faults: func(p optest.FaultPoint) optest.Fault {
				if p.Endpoint == optest.EndpointDiscovery {
					fetched.Add(1)
				}
				return optest.Fault{}
			},
		},
		Upstream: func(c *oidcupstream.Config) { c.Scopes = []string{"openid", "configured"} },
		Config: func(c *issuer.Config) {
			c.Providers[0].Scopes = map[string]issuer.ScopeInfo{"described": {Title: "Described"}}
		},
	}
	p, service := newPages(t, options)
	unknown := func(scopes ...string) (out []string) {
		for _, view := range p.describe(service.Provider.Issuer(), scopes) {
			if view.Unknown {
				out = append(out, view.Name)
			}
		}
		return out
	}
	all := []string{
		"openid", "offline_access", "compute", "compute:now", "storage.read", "storage.read:/home", "described", "described:/a", "configured",
		"storage.write", "storage.write:/home", "Compute", "compute.create", "https://evil.example", "storage",
	}
	require.Empty(t, unknown(all...))
	require.Zero(t, fetched.Load())
	_, err := service.Issuer.Providers()[0].Upstream.Discover(t.Context())
	require.NoError(t, err)
	require.Equal(t, all[9:], unknown(all...))
	require.EqualValues(t, 1, fetched.Load())
}
