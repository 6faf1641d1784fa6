package issuer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
)

// shape returns trees as text: name(child child).
func shape(records []*mytoken.Record) (out []string) {
	for _, r := range records {
		text := r.Name
		if r.Revoked {
			text += "†"
		}
		if len(r.Children) > 0 {
			text += "(" + strings.Join(shape(r.Children), " ") + ")"
		}
		out = append(out, text)
	}
	return out
}

func list(t *testing.T, s *mytokentest.Service, token mytoken.Secret) []string {
	t.Helper()
	r, err := s.Issuer.List(t.Context(), issuer.InfoRequest{Token: token, Client: client})
	require.NoError(t, err)
	return shape(r.Roots)
}

func TestListAndSubtree(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	props := mytoken.Properties{
		Name: "root", Capabilities: allCapabilities, Rotation: &mytoken.Rotation{AutoRevoke: true},
		Restrictions: restriction.List{{Expires: unix(s, time.Hour), UsagesAT: usages(7)}},
	}
	root := login(t, s, props)
	created := s.Clock.Now()
	s.Clock.Advance(2 * time.Minute)
	parent := derive(t, s, root.Token, mytoken.Properties{Name: "parent"})
	derive(t, s, parent.Token, mytoken.Properties{Name: "child"})
	derive(t, s, root.Token, mytoken.Properties{Name: "sibling"})
	second := login(t, s, mytoken.Properties{Name: "second", Capabilities: capability.Set{capability.ManageMytokensList}})
	_, err := s.Login(ctx, "bob", mytoken.Properties{Name: "bob's", Capabilities: allCapabilities})
	require.NoError(t, err)

	require.Equal(t, []string{"root(parent(child) sibling)", "second"}, list(t, s, root.Token))
	require.Equal(t, []string{"root(parent(child) sibling)", "second"}, list(t, s, second.Token))
	tree, err := s.Issuer.Subtree(ctx, issuer.InfoRequest{Token: parent.Token, Client: client})
	require.NoError(t, err)
	require.Equal(t, []string{"parent(child)"}, shape(tree.Roots))
	require.False(t, tree.Truncated)
	require.Equal(t, root.ID, tree.Roots[0].Parent)
	require.Contains(t, events(t, s, root.ID), "tokeninfo_list_mytokens")
	require.Contains(t, events(t, s, parent.ID), "tokeninfo_subtokens")

	r, err := s.Issuer.List(ctx, issuer.InfoRequest{Token: root.Token, Client: client})
	require.NoError(t, err)
	got := r.Roots[0]
	got.Children = nil
	require.Equal(t, &mytoken.Record{
		ID: root.ID, Name: "root", Address: "192.0.2.7", Created: created, Expires: created.Add(time.Hour), LastUsed: s.Clock.Now(),
		Provider: s.Provider.Issuer(), Capabilities: allCapabilities, Restrictions: props.Restrictions, Rotation: props.Rotation,
		Counters: []mytoken.Counter{{AT: 7, ATLeft: 7, Other: mytoken.Unlimited, OtherLeft: mytoken.Unlimited, OtherUsed: got.Counters[0].OtherUsed}},
	}, got)

	_, err = s.Issuer.Subtree(ctx, issuer.InfoRequest{Token: second.Token, Client: client})
	require.Equal(t, capability.TokeninfoSubtokens, errAs[*mytoken.CapabilityError](t, err).Needed)
	plain := login(t, s, mytoken.Properties{})
	_, err = s.Issuer.List(ctx, issuer.InfoRequest{Token: plain.Token, Client: client})
	require.Equal(t, capability.ManageMytokensList, errAs[*mytoken.CapabilityError](t, err).Needed)
}

// Revoked tokens stay listed as revoked for the retention, with their descriptions and
// histories, alone or with their tree. Nothing opens them any more.
//
// proves P6, P7
func TestRevokedTokensStayListed(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.Retention = 24 * time.Hour }})
	ctx := t.Context()
	watcher := login(t, s, mytoken.Properties{Name: "watcher", Capabilities: allCapabilities})
	f := newFamily(t, s)
	trees := func(want ...string) {
		t.Helper()
		_, err := s.Issuer.Sweep(ctx, 100)
		require.NoError(t, err)
		require.Equal(t, append([]string{"watcher"}, want...), list(t, s, watcher.Token))
		owner, err := s.Issuer.Owner(s.Provider.Issuer(), "alice")
		require.NoError(t, err)
		records, err := owner.List(ctx)
		require.NoError(t, err)
		require.Equal(t, append([]string{"watcher"}, want...), shape(records.Roots))
	}
	trees("root(parent(child) sibling)")
	revoke(t, s, f.parent.Token, false)
	trees("root(parent†(child) sibling)")
	revoke(t, s, f.parent.Token, true)
	trees("root(parent†(child†) sibling)")
	below, err := s.Issuer.Subtree(ctx, issuer.InfoRequest{Token: f.root.Token, Client: client})
	require.NoError(t, err)
	require.Equal(t, []string{"root(parent†(child†) sibling)"}, shape(below.Roots))
	s.Clock.Advance(time.Hour)
	revoke(t, s, f.root.Token, true)
	trees("root†(parent†(child†) sibling†)")

	// The list and the history tell what they were.
	records, err := s.Issuer.List(ctx, issuer.InfoRequest{Token: watcher.Token, Client: client})
	require.NoError(t, err)
	child := records.Roots[1].Children[0].Children[0]
	require.Equal(t, f.child.ID, child.ID)
	require.Equal(t, f.child.Capabilities, child.Capabilities)
	require.False(t, child.Brief)
	history, err := s.Issuer.History(ctx, issuer.HistoryRequest{Token: watcher.Token, Of: []string{f.child.ID.String(), "children@" + f.root.ID.String()}, Client: client})
	require.NoError(t, err)
	of := make(map[mytoken.TokenID]bool)
	for _, e := range history.Events {
		of[e.Token] = true
	}
	for _, id := range []mytoken.TokenID{f.parent.ID, f.child.ID, f.sibling.ID} {
		require.True(t, of[id], "its history")
	}
	for _, token := range []mytoken.Secret{f.root.Token, f.parent.Token, f.child.Token, f.sibling.Token} {
		requireDead(t, s, token, issuer.TokenRevoked)
	}
	for _, item := range stateOf(t, s).Sealed {
		if item.Place.Kind == store.PlaceTokenKey {
			require.Equal(t, string(watcher.ID[:]), item.Place.ID, "the keys of revoked tokens are erased")
		}
	}

	// Each retention begins with the revocation that ended the token.
	s.Clock.Advance(24*time.Hour - time.Minute)
	trees("root†(sibling†)")
	s.Clock.Advance(2 * time.Minute)
	trees()
	requireDead(t, s, f.child.Token, issuer.TokenUnknown)
}

// A token that is deleted after the retention does not turn its children into first
// tokens (D97).
func TestTreesAfterSweep(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) { c.Retention = time.Hour }})
	watcher := login(t, s, mytoken.Properties{Name: "watcher", Capabilities: capability.Set{capability.ManageMytokensList}})
	f := newFamily(t, s)
	ended := login(t, s, mytoken.Properties{Name: "ended", Restrictions: restriction.List{{Expires: unix(s, time.Minute)}}})
	revoke(t, s, f.parent.Token, false)
	s.Clock.Advance(30 * time.Minute)
	_, err := s.Issuer.Sweep(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, []string{"watcher", "root(parent†(child) sibling)", "ended"}, list(t, s, watcher.Token), "expired tokens stay listed")
	s.Clock.Advance(time.Hour)
	cleaned, err := s.Issuer.Sweep(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, 2, cleaned.Tokens)
	require.Equal(t, []string{"watcher", "root(child sibling)"}, list(t, s, watcher.Token))
	requireDead(t, s, ended.Token, issuer.TokenExpired)
	requireDead(t, s, f.parent.Token, issuer.TokenUnknown)
	requireUsable(t, s, f.child.Token)
	revoke(t, s, f.root.Token, true)
	requireDead(t, s, f.child.Token, issuer.TokenRevoked)
}
