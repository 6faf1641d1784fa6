package issuer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

// Whoever steals a generation of a rotating token cannot turn it into a token that does
// not rotate and never ends.
func TestRotationIsNotLaundered(t *testing.T) {
	for mode, outlives := range map[issuer.ChildRotation]bool{
		issuer.ChildrenInherit: false, issuer.ChildrenEndWithGeneration: false, issuer.ChildrenFree: true,
	} {
		s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.ChildRotation = mode }})
		root := login(t, s, mytoken.Properties{
			Capabilities: allCapabilities, Rotation: &mytoken.Rotation{OnAT: true, Lifetime: 3600, AutoRevoke: true},
		})
		s.Clock.Advance(10 * time.Minute)
		var stolen []*mytoken.Issued
		for _, rotation := range []*mytoken.Rotation{nil, {}, {Lifetime: 1 << 30}} {
			child := derive(t, s, root.Token, mytoken.Properties{Rotation: rotation, Capabilities: capability.Set{capability.AT, capability.CreateMytoken}})
			stolen = append(stolen, child, derive(t, s, child.Token, mytoken.Properties{Rotation: rotation}))
		}
		for _, child := range stolen {
			if mode == issuer.ChildrenInherit {
				require.Equal(t, root.Rotation, child.Rotation)
				require.Equal(t, s.Clock.Now().Add(time.Hour), child.Expires)
			}
			got, err := accessToken(t, s, child.Token)
			require.NoError(t, err)
			require.Equal(t, mode == issuer.ChildrenInherit || child.Rotation != nil && child.Rotation.OnAT, got.Update != nil)
		}
		s.Clock.Advance(time.Hour + time.Second)
		for _, child := range stolen {
			_, err := accessToken(t, s, child.Token)
			require.Equal(t, outlives, err == nil, "%d: %v", mode, err)
		}
	}
}

// A child has the stricter of its parent's rotation and of its own.
func TestChildRotation(t *testing.T) {
	var policy func(*mytoken.Properties)
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Policy = func(_ context.Context, i *issuer.Issuance) error {
			if policy != nil && i.Kind == issuer.PolicyDerive {
				policy(i.Properties)
			}
			return nil
		}
	}})
	type rotation = mytoken.Rotation
	for _, c := range []struct{ parent, asked, policy, want *rotation }{
		{nil, nil, nil, nil},
		{nil, &rotation{OnAT: true}, nil, &rotation{OnAT: true}},
		{&rotation{}, nil, nil, nil},
		{&rotation{OnAT: true}, nil, nil, &rotation{OnAT: true}},
		{&rotation{OnAT: true}, &rotation{}, nil, &rotation{OnAT: true}},
		{&rotation{OnAT: true}, &rotation{OnOther: true, Lifetime: 9, AutoRevoke: true}, nil, &rotation{OnAT: true, OnOther: true, Lifetime: 9, AutoRevoke: true}},
		{&rotation{Lifetime: 60}, &rotation{Lifetime: 90}, nil, &rotation{Lifetime: 60}},
		{&rotation{Lifetime: 60}, &rotation{Lifetime: 30}, nil, &rotation{Lifetime: 30}},
		{&rotation{AutoRevoke: true}, &rotation{OnAT: true}, nil, &rotation{OnAT: true, AutoRevoke: true}},
		{&rotation{OnAT: true, Lifetime: 60}, &rotation{OnOther: true}, &rotation{Lifetime: 600}, &rotation{OnAT: true, Lifetime: 60}},
		{&rotation{OnAT: true, AutoRevoke: true}, nil, &rotation{}, &rotation{OnAT: true, AutoRevoke: true}},
	} {
		policy = nil
		if c.policy != nil {
			policy = func(p *mytoken.Properties) { p.Rotation = c.policy }
		}
		root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Rotation: c.parent})
		request := issuer.DeriveRequest{Token: root.Token, Properties: mytoken.Properties{Rotation: c.asked}, Client: client}
		shown, err := s.Issuer.Preview(t.Context(), request)
		require.NoError(t, err)
		require.Equal(t, c.want, shown.Rotation)
		for _, request.Response.Type = range []mytoken.ResponseType{mytoken.ResponseToken, mytoken.ResponseShortToken, mytoken.ResponseTransferCode} {
			child, err := s.Issuer.Derive(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, c.want, child.Rotation)
			if child.Update != nil {
				request.Token = child.Update.Token
			}
		}
	}
}

// Children that end with their parent's generation do so to the second.
func TestChildrenEndWithGeneration(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.ChildRotation, c.Providers[0].MaxLifetime = issuer.ChildrenEndWithGeneration, 24*time.Hour
	}})
	s.Clock.Advance(123456789 * time.Nanosecond)
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Rotation: &mytoken.Rotation{OnAT: true, Lifetime: 60}})
	wanted := restriction.List{{Expires: unix(s, time.Hour), UsagesAT: usages(2)}}
	for _, after := range []time.Duration{0, 59 * time.Second, 900 * time.Millisecond} {
		s.Clock.Advance(after)
		child := derive(t, s, root.Token, mytoken.Properties{})
		require.Equal(t, root.Expires, child.Expires)
		require.Nil(t, child.Rotation)
		request := issuer.DeriveRequest{Token: root.Token, Properties: mytoken.Properties{Restrictions: wanted}, Client: client}
		_, err := s.Issuer.Derive(t.Context(), request)
		require.Equal(t, issuer.RequestTooLong, errAs[*issuer.RequestError](t, err).Code)
		request.Adjust = true
		cut, err := s.Issuer.Derive(t.Context(), request)
		require.NoError(t, err)
		require.Equal(t, root.Expires, cut.Expires)
	}
	// Without a lifetime there is no such end, so the child inherits.
	root = login(t, s, mytoken.Properties{Capabilities: allCapabilities, Rotation: &mytoken.Rotation{OnAT: true}})
	require.Equal(t, root.Rotation, derive(t, s, root.Token, mytoken.Properties{}).Rotation)
}
