package mytoken

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/restriction"
)

// A copy of properties shares no memory with the original.
func TestPropertiesClone(t *testing.T) {
	full := func() Properties {
		return Properties{
			Name:         "job",
			Capabilities: capability.Set{capability.AT, capability.Tokeninfo},
			Restrictions: restriction.List{{
				Scopes: []string{"openid"}, UsagesAT: restriction.Usages(5),
				Extra: []restriction.Extra{{Key: "x", Value: []byte(`"y"`)}},
			}},
			Rotation: &Rotation{OnAT: true, Lifetime: 60},
			Tags:     []Tag{{Name: "grid"}},
		}
	}
	original := full()
	copied := original.Clone()
	require.Equal(t, original, copied)

	copied.Name = "other"
	copied.Capabilities[0] = capability.Settings
	copied.Restrictions[0].Scopes[0] = "admin"
	*copied.Restrictions[0].UsagesAT = 1000
	copied.Restrictions[0].Extra[0].Value[1] = 'z'
	copied.Restrictions[0].Expires = 1
	copied.Rotation.AutoRevoke = true
	copied.Tags[0].Name = "other"
	require.Equal(t, full(), original)
}

// nil and empty mean different things, so a copy keeps them apart.
func TestPropertiesCloneKeepsNilAndEmpty(t *testing.T) {
	require.Equal(t, Properties{}, Properties{}.Clone())
	empty := Properties{Capabilities: capability.Set{}, Restrictions: restriction.List{}, Rotation: &Rotation{}}
	copied := empty.Clone()
	require.Equal(t, empty, copied)
	require.NotNil(t, copied.Capabilities)
	require.NotNil(t, copied.Restrictions)
	require.NotSame(t, empty.Rotation, copied.Rotation)
}
