package issuer_test

import (
	"slices"
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

// The events of protocol section 7.2 with their comments, in a history that has each of
// them.
func TestEvents(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Rotation: &mytoken.Rotation{OnAT: true}})
	child := derive(t, s, root.Token, mytoken.Properties{Name: "job"})
	_, err := s.Issuer.Introspect(ctx, issuer.IntrospectRequest{Token: root.Token, Client: client})
	require.NoError(t, err)
	info := issuer.InfoRequest{Token: root.Token, Client: client}
	_, err = s.Issuer.Subtree(ctx, info)
	require.NoError(t, err)
	_, err = s.Issuer.List(ctx, info)
	require.NoError(t, err)
	_, err = s.Issuer.History(ctx, issuer.HistoryRequest{Token: root.Token, Client: client})
	require.NoError(t, err)
	_, err = s.Issuer.History(ctx, issuer.HistoryRequest{Token: root.Token, Of: []string{"this"}, Client: client})
	require.NoError(t, err)
	_, err = redeem(t, s, transfer(t, s, root.Token))
	require.NoError(t, err)
	_, err = s.Issuer.RevokeOther(ctx, issuer.RevokeOtherRequest{Token: root.Token, Other: child.ID, Client: client})
	require.NoError(t, err)
	next := rotate(t, s, root.Token)
	revoke(t, s, next.Token, true)
	require.Equal(t, []string{
		"created: Used grant_type oidc_flow authorization_code",
		"MT_created: Created MT job",
		"tokeninfo_introspect",
		"tokeninfo_subtokens",
		"tokeninfo_list_mytokens",
		"tokeninfo_history",
		"tokeninfo_history_other_token",
		"transfer_code_created: token type: token",
		"transfer_code_used",
		"revoked_other_token: mom_id: " + child.ID.String(),
		"AT_created: Used grant_type mytoken",
		"token_rotated",
		"revoked",
	}, events(t, s, root.ID))
	require.Equal(t, []string{"created: Used grant_type mytoken", "inherited_RT: Got RT from parent", "revoked"}, events(t, s, child.ID))
}

// A refused use makes no event (protocol section 7.2).
func TestRefusedUsesAreNoEvents(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities, Restrictions: restriction.List{{UsagesAT: usages(1), UsagesOther: usages(0)}}})
	_, err := accessToken(t, s, root.Token)
	require.NoError(t, err)
	before := stateOf(t, s)
	_, err = accessToken(t, s, root.Token)
	requireRefused(t, err, "usages_AT")
	_, err = s.Issuer.History(t.Context(), issuer.HistoryRequest{Token: root.Token, Client: client})
	requireRefused(t, err, "usages_other")
	_, err = s.Issuer.Subtree(t.Context(), issuer.InfoRequest{Token: root.Token, Client: client})
	requireRefused(t, err, "usages_other")
	requireUnchanged(t, s, before)
}

// An event has a shortened comment, and tells where a request came from (D85).
func TestEventDetails(t *testing.T) {
	s := start(t, mytokentest.Options{})
	long := issuer.Client{Address: client.Address, UserAgent: strings.Repeat("ü", 1000)}
	root := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	s.Clock.Advance(time.Minute)
	_, err := s.Issuer.AccessToken(t.Context(), issuer.AccessTokenRequest{Token: root.Token, Client: long, Comment: strings.Repeat("é", 500)})
	require.NoError(t, err)
	h, err := s.Issuer.History(t.Context(), issuer.HistoryRequest{Token: root.Token, Client: client})
	require.NoError(t, err)
	require.Len(t, h.Events, 3)
	require.Equal(t, "tokeninfo_history", h.Events[0].Name, "newest first")
	e := h.Events[1]
	require.Equal(t, "AT_created", e.Name)
	require.Equal(t, issuer.MaxCommentLength, len([]rune(e.Comment)))
	require.LessOrEqual(t, len(e.UserAgent), issuer.MaxAgentLength)
	require.True(t, strings.HasPrefix(long.UserAgent, e.UserAgent))
	require.Equal(t, "192.0.2.7", e.Address)
	require.Equal(t, s.Clock.Now().UnixMicro(), e.Time.UnixMicro())
	require.Equal(t, root.ID, e.Token)
}

// The histories that a token may read (protocol section 5.8.2, D30, D31).
func TestHistoryOf(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	f := newFamily(t, s)
	second := login(t, s, mytoken.Properties{Capabilities: allCapabilities})
	manager := login(t, s, mytoken.Properties{Capabilities: capability.Set{capability.ManageMytokensHistory}})
	plain := derive(t, s, f.parent.Token, mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.CreateMytoken}})
	below := derive(t, s, plain.Token, mytoken.Properties{Capabilities: capability.Set{capability.AT}})
	bob, err := s.Login(ctx, "bob", mytoken.Properties{Capabilities: allCapabilities})
	require.NoError(t, err)

	of := func(token *mytoken.Issued, names ...string) ([]mytoken.TokenID, error) {
		h, err := s.Issuer.History(ctx, issuer.HistoryRequest{Token: token.Token, Of: names, Client: client})
		if err != nil {
			return nil, err
		}
		var ids []mytoken.TokenID
		for _, e := range h.Events {
			if !slices.Contains(ids, e.Token) {
				ids = append(ids, e.Token)
			}
		}
		return ids, nil
	}
	id := func(i *mytoken.Issued) string { return i.ID.String() }
	for name, c := range map[string]struct {
		by   *mytoken.Issued
		of   []string
		want []*mytoken.Issued
	}{
		"own":                        {f.root, nil, []*mytoken.Issued{f.root}},
		"this":                       {f.root, []string{"this"}, []*mytoken.Issued{f.root}},
		"this by its mom_id":         {f.root, []string{id(f.root)}, []*mytoken.Issued{f.root}},
		"children":                   {f.root, []string{"children"}, []*mytoken.Issued{f.parent, f.child, f.sibling, plain, below}},
		"this and children, twice":   {f.parent, []string{"this", "children", "this", "children"}, []*mytoken.Issued{f.parent, f.child, plain, below}},
		"a child":                    {f.root, []string{id(f.child)}, []*mytoken.Issued{f.child}},
		"children of a child":        {f.root, []string{"children@" + id(f.parent)}, []*mytoken.Issued{f.child, plain, below}},
		"another login's":            {f.root, []string{id(second)}, []*mytoken.Issued{second}},
		"another login's children":   {second, []string{"children@" + id(f.parent)}, []*mytoken.Issued{f.child, plain, below}},
		"this, with manage alone":    {manager, []string{"this"}, []*mytoken.Issued{manager}},
		"others', with manage alone": {manager, []string{id(f.child), "children@" + id(plain)}, []*mytoken.Issued{f.child, below}},
		"no children":                {f.sibling, []string{"children"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := of(c.by, c.of...)
			require.NoError(t, err)
			var want []mytoken.TokenID
			for _, i := range c.want {
				want = append(want, i.ID)
			}
			require.ElementsMatch(t, want, got)
		})
	}

	before := stateOf(t, s)
	for name, names := range map[string][]string{
		"own": nil, "this": {"this"}, "children": {"children"}, "own mom_id": {id(plain)}, "child": {id(below)}, "children of a child": {"children@" + id(below)},
		"parent": {id(f.parent)}, "another user's": {id(bob)}, "nobody's": {mytoken.TokenID{1}.String()},
	} {
		t.Run("without capability: "+name, func(t *testing.T) {
			_, err := of(plain, names...)
			errAs[*mytoken.CapabilityError](t, err)
		})
	}
	for _, names := range [][]string{{id(bob)}, {"this", "children@" + id(bob)}, {mytoken.TokenID{1}.String()}} {
		_, err := of(f.root, names...)
		require.ErrorIs(t, err, issuer.ErrNotOwned)
	}
	for _, name := range []string{"", "x", "This", "child", "children@", "children@this", "children@children", "childrenx", "@" + id(f.root), id(f.root) + " ", "children@@" + id(f.root)} {
		_, err := of(f.root, name)
		requireRequestError(t, err, "mom_ids")
	}
	_, err = of(f.root, slices.Repeat([]string{"this"}, 101)...)
	requireRequestError(t, err, "mom_ids")
	requireUnchanged(t, s, before)
}

// The history of a token outlives the token (D96).
func TestHistoryOfARevokedToken(t *testing.T) {
	s := start(t, mytokentest.Options{})
	f := newFamily(t, s)
	revoke(t, s, f.child.Token, true)
	h, err := s.Issuer.History(t.Context(), issuer.HistoryRequest{Token: f.root.Token, Of: []string{f.child.ID.String()}, Client: client})
	require.NoError(t, err)
	require.Equal(t, "revoked", h.Events[0].Name)
	require.False(t, h.Truncated)
}
