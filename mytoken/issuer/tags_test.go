package issuer_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

// sorter returns a token of alice that may do everything, with limited other uses.
func sorter(t *testing.T, s *mytokentest.Service, uses int64) *mytoken.Issued {
	t.Helper()
	return login(t, s, mytoken.Properties{
		Name: "sorter", Capabilities: append(capability.Set{capability.Settings}, allCapabilities...),
		Restrictions: restriction.List{{UsagesOther: restriction.Usages(uses)}},
	})
}

// tagged returns the tags of all tokens of alice, by their names.
func tagged(t *testing.T, s *mytokentest.Service) map[string]string {
	t.Helper()
	records, err := owner(t, s, "alice").List(t.Context())
	require.NoError(t, err)
	out := make(map[string]string)
	var walk func([]*mytoken.Record)
	walk = func(records []*mytoken.Record) {
		for _, r := range records {
			if text := tagText(r.Tags); text != "" {
				out[r.Name] = text
			}
			walk(r.Children)
		}
	}
	walk(records.Roots)
	return out
}

// tagText writes the names of tags, with a star if descendants have them, too.
func tagText(tags []mytoken.Tag) string {
	var names []string
	for _, tag := range tags {
		if tag.Children {
			tag.Name += "*"
		}
		names = append(names, tag.Name)
	}
	return strings.Join(names, " ")
}

// tagNames are the user's tags.
func tagNames(t *testing.T, s *mytokentest.Service) string {
	t.Helper()
	tags, err := owner(t, s, "alice").Tags(t.Context())
	require.NoError(t, err)
	return tagText(tags)
}

func otherUses(t *testing.T, s *mytokentest.Service, id mytoken.TokenID) int64 {
	t.Helper()
	info, err := s.Store.Token(t.Context(), id)
	require.NoError(t, err)
	return info.Counters[0].OtherUsed
}

// A user makes, renames, recolours and deletes tags. Each request counts as one other use
// and is in the history.
func TestTags(t *testing.T) {
	s := start(t, mytokentest.Options{})
	token := sorter(t, s, 100)
	ctx := t.Context()
	ok := func(update *mytoken.Issued, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Nil(t, update, "the token does not rotate")
	}
	req := func(name string) issuer.TagRequest {
		return issuer.TagRequest{Token: token.Token, Name: name, Client: client}
	}
	ok(s.Issuer.CreateTag(ctx, req(" grid ")))
	ok(s.Issuer.CreateTag(ctx, issuer.TagRequest{Token: token.Token, Name: "a", Color: "#0011ff", Client: client}))
	ok(s.Issuer.CreateTag(ctx, issuer.TagRequest{Token: token.Token, Name: "a", Color: "ffffff", Client: client})) // nothing changes
	tags, update, err := s.Issuer.Tags(ctx, req(""))
	ok(update, err)
	require.Equal(t, []mytoken.Tag{{Name: "a", Color: "0011ff"}, {Name: "grid", Color: "2E20D9"}}, tags)

	ok(s.Issuer.UpdateTag(ctx, issuer.TagRequest{Token: token.Token, Name: "a", NewName: "b", Client: client}))
	ok(s.Issuer.UpdateTag(ctx, issuer.TagRequest{Token: token.Token, Name: "grid", Color: "#123456", Client: client}))
	ok(s.Issuer.UpdateTag(ctx, issuer.TagRequest{Token: token.Token, Name: "grid", NewName: "grid", Client: client}))
	tags, err = owner(t, s, "alice").Tags(ctx)
	require.NoError(t, err)
	require.Equal(t, []mytoken.Tag{{Name: "b", Color: "0011ff"}, {Name: "grid", Color: "123456"}}, tags)
	require.Equal(t, int64(7), otherUses(t, s, token.ID))

	// A request that makes no sense costs nothing and changes nothing.
	before := stateOf(t, s)
	_, err = s.Issuer.UpdateTag(ctx, issuer.TagRequest{Token: token.Token, Name: "b", NewName: "grid", Client: client})
	requireRequestError(t, err, "tag")
	require.Equal(t, issuer.RequestConflict, errAs[*issuer.RequestError](t, err).Code)
	_, err = s.Issuer.UpdateTag(ctx, issuer.TagRequest{Token: token.Token, Name: "a", NewName: "c", Client: client})
	require.ErrorIs(t, err, issuer.ErrUnknownTag)
	_, err = s.Issuer.UpdateTag(ctx, req("b"))
	requireRequestError(t, err, "tag")
	for _, name := range []string{"", " ", "a/b", "a%20b", "..", "a\x00", "\u202e", strings.Repeat("x", 65)} {
		_, err = s.Issuer.CreateTag(ctx, req(name))
		requireRequestError(t, err, "tag")
		if name = strings.TrimSpace(name); name != "" {
			_, err = s.Issuer.UpdateTag(ctx, issuer.TagRequest{Token: token.Token, Name: "b", NewName: name, Client: client})
			requireRequestError(t, err, "tag")
		}
		_, err = s.Issuer.TagToken(ctx, issuer.TagTokenRequest{Token: token.Token, Tag: mytoken.Tag{Name: name}, Client: client})
		requireRequestError(t, err, "tag")
	}
	for _, color := range []string{"red", "12345", "#"} {
		_, err = s.Issuer.CreateTag(ctx, issuer.TagRequest{Token: token.Token, Name: "b", Color: color, Client: client})
		requireRequestError(t, err, "color")
	}
	requireUnchanged(t, s, before)

	ok(s.Issuer.DeleteTag(ctx, req("b")))
	ok(s.Issuer.DeleteTag(ctx, req("b"))) // unknown
	require.Equal(t, "grid", tagNames(t, s))

	history, err := s.Issuer.History(ctx, issuer.HistoryRequest{Token: token.Token, Client: client})
	require.NoError(t, err)
	var told []string
	for _, e := range history.Events[1 : len(history.Events)-1] {
		told = append(told, strings.TrimSpace(e.Name+" "+e.Comment))
	}
	require.Equal(t, []string{
		"tag_deleted", "tag_deleted", "tag_updated grid", "tag_updated grid", "tag_updated", "tags_listed", "tag_created", "tag_created", "tag_created grid",
	}, told, "a tag has the name that it has now, and none once it is deleted")
}

// TestTagsNeedCapabilities says who may read and change tags.
func TestTagsNeedCapabilities(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	require.NoError(t, owner(t, s, "alice").CreateTag(ctx, mytoken.Tag{Name: "have"}))
	operations := map[string]func(token mytoken.Secret, other mytoken.TokenID) error{
		"list": func(token mytoken.Secret, _ mytoken.TokenID) error {
			_, _, err := s.Issuer.Tags(ctx, issuer.TagRequest{Token: token, Client: client})
			return err
		},
		"create": func(token mytoken.Secret, _ mytoken.TokenID) error {
			_, err := s.Issuer.CreateTag(ctx, issuer.TagRequest{Token: token, Name: "x", Client: client})
			return err
		},
		"update": func(token mytoken.Secret, _ mytoken.TokenID) error {
			_, err := s.Issuer.UpdateTag(ctx, issuer.TagRequest{Token: token, Name: "have", Color: "000000", Client: client})
			return err
		},
		"delete": func(token mytoken.Secret, _ mytoken.TokenID) error {
			_, err := s.Issuer.DeleteTag(ctx, issuer.TagRequest{Token: token, Name: "x", Client: client})
			return err
		},
		"tag": func(token mytoken.Secret, other mytoken.TokenID) error {
			_, err := s.Issuer.TagToken(ctx, issuer.TagTokenRequest{Token: token, Other: other, Tag: mytoken.Tag{Name: "have"}, Client: client})
			return err
		},
		"untag": func(token mytoken.Secret, other mytoken.TokenID) error {
			_, err := s.Issuer.UntagToken(ctx, issuer.TagTokenRequest{Token: token, Other: other, Tag: mytoken.Tag{Name: "have"}, Client: client})
			return err
		},
	}
	stranger, err := s.Login(ctx, "bob", mytoken.Properties{})
	require.NoError(t, err)
	other := login(t, s, mytoken.Properties{})
	for _, row := range []struct {
		has  capability.Set
		does string // of its own, of a child, and of another token of the user
	}{
		{capability.Set{capability.Settings}, "list create update delete"},
		{capability.Set{capability.SettingsTags}, "list create update delete"},
		{capability.Set{capability.ReadSettingsTags}, "list"},
		{capability.Set{capability.ReadSettings}, "list"},
		{capability.Set{capability.TokeninfoTags}, "tag/own untag/own tag/child untag/child"},
		{capability.Set{capability.ManageMytokensTags}, "tag/own untag/own tag/child untag/child tag/other untag/other"},
		{capability.Set{capability.AT, capability.TokeninfoIntrospect, capability.ManageMytokensList, capability.SettingsGrants}, ""},
	} {
		token := login(t, s, mytoken.Properties{Capabilities: append(capability.Set{capability.CreateMytoken}, row.has...)})
		child := derive(t, s, token.Token, mytoken.Properties{})
		for name, do := range operations {
			targets := map[string]mytoken.TokenID{"": {}}
			if name == "tag" || name == "untag" {
				targets = map[string]mytoken.TokenID{"/own": {}, "/child": child.ID, "/other": other.ID, "/stranger": stranger.ID, "/nobody": {9}}
			}
			for target, id := range targets {
				err := do(token.Token, id)
				switch {
				case strings.Contains(" "+row.does+" ", " "+name+target+" "):
					assert.NoError(t, err, "%v: %s%s", row.has, name, target)
				case (target == "/stranger" || target == "/nobody") && row.has.Allows(capability.ManageMytokensTags):
					assert.ErrorIs(t, err, issuer.ErrNotOwned, "%v: %s%s", row.has, name, target)
				default: // it does not learn either which tokens there are
					assert.True(t, is[*mytoken.CapabilityError](err), "%v: %s%s: %v", row.has, name, target, err)
				}
			}
		}
	}
	tags, err := owner(t, s, "bob").Tags(ctx)
	require.NoError(t, err)
	require.Empty(t, tags, "nothing of bob has changed")
}

// A tag reaches the tokens that it was put on, and with the flag their descendants.
func TestTagsOfTokens(t *testing.T) {
	s := start(t, mytokentest.Options{})
	f := newFamily(t, s)
	ctx := t.Context()
	tag := func(by *mytoken.Issued, of *mytoken.Issued, name string, children bool) {
		t.Helper()
		_, err := s.Issuer.TagToken(ctx, issuer.TagTokenRequest{Token: by.Token, Other: of.ID, Tag: mytoken.Tag{Name: name, Children: children}, Client: client})
		require.NoError(t, err)
	}
	untag := func(of *mytoken.Issued, name string) {
		t.Helper()
		_, err := s.Issuer.UntagToken(ctx, issuer.TagTokenRequest{Token: f.root.Token, Other: of.ID, Tag: mytoken.Tag{Name: name}, Client: client})
		require.NoError(t, err)
	}
	tag(f.parent, f.parent, "a", true)
	require.Equal(t, map[string]string{"parent": "a*", "child": "a*"}, tagged(t, s))
	later := derive(t, s, f.child.Token, mytoken.Properties{Name: "later"})
	tag(f.root, f.child, "b", false)
	tag(f.root, f.child, "a", false) // it has that already, and passes it on
	require.Equal(t, map[string]string{"parent": "a*", "child": "a* b", "later": "a*"}, tagged(t, s))
	untag(f.child, "a")
	require.Equal(t, map[string]string{"parent": "a*", "child": "b"}, tagged(t, s))
	tag(f.root, f.parent, "a", false) // the new flag is taken
	tag(f.root, later, "a", false)
	require.Equal(t, map[string]string{"parent": "a", "child": "b", "later": "a"}, tagged(t, s))
	untag(f.parent, "a")
	untag(f.parent, "a")
	untag(f.parent, "unknown")
	require.Equal(t, map[string]string{"child": "b", "later": "a"}, tagged(t, s))
	tag(f.root, f.root, "a", true)
	require.Equal(t, map[string]string{"root": "a*", "parent": "a*", "child": "a* b", "later": "a*", "sibling": "a*"}, tagged(t, s))

	// The subtree of a descendant tells the same.
	subtree, err := s.Issuer.Subtree(ctx, issuer.InfoRequest{Token: f.child.Token, Client: client})
	require.NoError(t, err)
	require.Equal(t, "a* b", tagText(subtree.Roots[0].Tags))
	require.Equal(t, "a*", tagText(subtree.Roots[0].Children[0].Tags), "ancestors outside of the list count")

	require.NoError(t, owner(t, s, "alice").DeleteTag(ctx, "a"))
	require.Equal(t, map[string]string{"child": "b"}, tagged(t, s))
	history, err := s.Issuer.History(ctx, issuer.HistoryRequest{Token: f.root.Token, Client: client})
	require.NoError(t, err)
	told := map[string]int{}
	for _, e := range history.Events {
		told[e.Name+" "+e.Comment]++
	}
	require.Equal(t, 1, told["tag_added_to_other_token b"], "%v", told)
	require.Equal(t, 4, told["tag_removed_from_other_token "], "%v", told)
}

// A request for a token may have tags. They come beside what is inherited.
func TestTagsOfRequests(t *testing.T) {
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Policy = func(_ context.Context, s *issuer.Issuance) error {
			if s.Properties.Name == "plain" {
				s.Properties.Tags = nil
			}
			return nil
		}
	}})
	ctx := t.Context()
	with := func(name string, tags ...mytoken.Tag) mytoken.Properties {
		return mytoken.Properties{Name: name, Capabilities: allCapabilities, Tags: tags}
	}
	root := login(t, s, with("root", mytoken.Tag{Name: " a "}, mytoken.Tag{Name: "b", Color: "00ff00", Children: true}, mytoken.Tag{Name: "a", Children: true}))
	child := derive(t, s, root.Token, with("child", mytoken.Tag{Name: "b"}, mytoken.Tag{Name: "c"}))
	derive(t, s, child.Token, mytoken.Properties{Name: "grandchild"})
	login(t, s, with("plain", mytoken.Tag{Name: "d"}))
	require.Equal(t, map[string]string{"root": "a* b*", "child": "a* b* c", "grandchild": "a* b*"}, tagged(t, s))
	tags, err := owner(t, s, "alice").Tags(ctx)
	require.NoError(t, err)
	require.Equal(t, []mytoken.Tag{{Name: "a", Color: "E8B7BE"}, {Name: "b", Color: "00ff00"}, {Name: "c", Color: "6B9DF6"}}, tags)

	// A login keeps them until it ends. The user may drop some.
	n := native(t, s, issuer.LoginRequest{Properties: with("", mytoken.Tag{Name: "x"}, mytoken.Tag{Name: "y"})})
	asked, err := s.Issuer.Consent(ctx, n.ConsentCode)
	require.NoError(t, err)
	require.Equal(t, "x y", tagText(asked.Properties.Tags))
	preview, err := s.Issuer.PreviewConsent(ctx, n.ConsentCode, with("agreed", mytoken.Tag{Name: "y"}))
	require.NoError(t, err)
	require.Equal(t, "y", tagText(preview.Tags))
	require.Equal(t, "a b c", tagNames(t, s), "nothing is made before the login ends")
	agree(t, s, n, with("agreed", mytoken.Tag{Name: "y"}))
	require.Equal(t, "y", tagged(t, s)["agreed"])

	a := adoption(s, portalRefreshToken(t, s, "alice"))
	a.Properties = with("adopted", mytoken.Tag{Name: "z"})
	_, err = s.Issuer.Adopt(ctx, a)
	require.NoError(t, err)
	require.Equal(t, "z", tagged(t, s)["adopted"])
	require.Equal(t, "a b c y z", tagNames(t, s))
}

// Tags that make no sense refuse the whole request. Nothing is stored.
func TestTagsOfRequestsRefused(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := sorter(t, s, 2)
	many := make([]mytoken.Tag, 65)
	for n := range many {
		many[n].Name = fmt.Sprint(n)
	}
	before := stateOf(t, s)
	for name, tags := range map[string][]mytoken.Tag{
		"empty": {{}}, "slash": {{Name: "fine"}, {Name: "a/b"}}, "colour": {{Name: "a", Color: "red"}}, "long": {{Name: strings.Repeat("x", 65)}}, "many": many,
	} {
		props := mytoken.Properties{Tags: tags}
		field := map[string]string{"colour": "color"}[name]
		if field == "" {
			field = "tags"
		}
		_, err := s.Issuer.StartLogin(t.Context(), issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: props, Client: client})
		requireRequestError(t, err, field)
		_, err = s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: root.Token, Properties: props, Adjust: true, Client: client})
		requireRequestError(t, err, field)
		_, err = s.Issuer.Preview(t.Context(), issuer.DeriveRequest{Token: root.Token, Properties: props, Client: client})
		requireRequestError(t, err, field)
	}
	requireUnchanged(t, s, before)

	// A child that is refused brings no tags, not even new ones.
	tags := []mytoken.Tag{{Name: "new"}}
	_, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: root.Token, Properties: mytoken.Properties{Tags: tags, Name: strings.Repeat("x", 101)}, Client: client})
	requireRequestError(t, err, "name")
	for range 2 {
		_, err = s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: root.Token, Client: client})
		require.NoError(t, err)
	}
	_, err = s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: root.Token, Properties: mytoken.Properties{Tags: tags}, Client: client})
	requireRefused(t, err, restriction.KeyUsagesOther)
	require.Empty(t, tagNames(t, s))
}

// A user has 500 tags at most. A waiting login counts its tags against its size.
func TestTagsAreBounded(t *testing.T) {
	s := start(t, mytokentest.Options{})
	alice, ctx := owner(t, s, "alice"), t.Context()
	for n := range 500 {
		require.NoError(t, alice.CreateTag(ctx, mytoken.Tag{Name: fmt.Sprintf("%03d", n)}))
	}
	root := sorter(t, s, 10)
	_, err := s.Issuer.CreateTag(ctx, issuer.TagRequest{Token: root.Token, Name: "one more", Client: client})
	requireRequestError(t, err, "tag")
	_, err = s.Issuer.TagToken(ctx, issuer.TagTokenRequest{Token: root.Token, Tag: mytoken.Tag{Name: "one more"}, Client: client})
	requireRequestError(t, err, "tag")
	require.Zero(t, otherUses(t, s, root.ID))
	_, err = s.Issuer.Derive(ctx, issuer.DeriveRequest{Token: root.Token, Properties: mytoken.Properties{Tags: []mytoken.Tag{{Name: "one more"}}}, Client: client})
	requireRequestError(t, err, "tag")
	require.Zero(t, otherUses(t, s, root.ID))
	_, err = s.Login(ctx, "alice", mytoken.Properties{Tags: []mytoken.Tag{{Name: "one more"}}})
	require.Equal(t, "access_denied", errAs[*issuer.LoginError](t, err).Code, "no token comes without its tags")
	_, err = s.Issuer.CreateTag(ctx, issuer.TagRequest{Token: root.Token, Name: "007", Client: client})
	require.NoError(t, err, "it is there")
	require.NoError(t, alice.DeleteTag(ctx, "000"))
	require.NoError(t, alice.CreateTag(ctx, mytoken.Tag{Name: "one more"}))

	large := make([]mytoken.Tag, 64)
	for n := range large {
		large[n] = mytoken.Tag{Name: strings.Repeat("日", 60) + fmt.Sprint(n)}
	}
	_, err = s.Issuer.StartLogin(ctx, issuer.LoginRequest{Provider: s.Provider.Issuer(), Properties: mytoken.Properties{Tags: large}, Client: client})
	requireRequestError(t, err, "login")
}

// Every change rotates a token whose rotation says so. Its tags stay: they belong to the
// token and not to a generation.
func TestTagsRotate(t *testing.T) {
	s := start(t, mytokentest.Options{})
	ctx := t.Context()
	token := login(t, s, mytoken.Properties{
		Name: "rotating", Capabilities: append(capability.Set{capability.Settings}, allCapabilities...), Rotation: &mytoken.Rotation{OnOther: true},
		Tags: []mytoken.Tag{{Name: "a"}},
	})
	for name, do := range map[string]func(mytoken.Secret) (*mytoken.Issued, error){
		"list": func(held mytoken.Secret) (*mytoken.Issued, error) {
			_, update, err := s.Issuer.Tags(ctx, issuer.TagRequest{Token: held, Client: client})
			return update, err
		},
		"create": func(held mytoken.Secret) (*mytoken.Issued, error) {
			return s.Issuer.CreateTag(ctx, issuer.TagRequest{Token: held, Name: "b", Client: client})
		},
		"update": func(held mytoken.Secret) (*mytoken.Issued, error) {
			return s.Issuer.UpdateTag(ctx, issuer.TagRequest{Token: held, Name: "a", Color: "000000", Client: client})
		},
		"delete": func(held mytoken.Secret) (*mytoken.Issued, error) {
			return s.Issuer.DeleteTag(ctx, issuer.TagRequest{Token: held, Name: "unknown", Client: client})
		},
		"tag": func(held mytoken.Secret) (*mytoken.Issued, error) {
			return s.Issuer.TagToken(ctx, issuer.TagTokenRequest{Token: held, Tag: mytoken.Tag{Name: "a"}, Client: client})
		},
		"untag": func(held mytoken.Secret) (*mytoken.Issued, error) {
			return s.Issuer.UntagToken(ctx, issuer.TagTokenRequest{Token: held, Tag: mytoken.Tag{Name: "c"}, Client: client})
		},
	} {
		update, err := do(token.Token)
		require.NoError(t, err, name)
		require.NotNil(t, update, name)
		require.Equal(t, token.Claims.Seq()+1, update.Claims.Seq(), name)
		token = update
	}
	require.Equal(t, "a", tagged(t, s)["rotating"])
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token.Token.Reveal(), ".")[1])
	require.NoError(t, err)
	require.NotContains(t, strings.ReplaceAll(string(payload), "tokeninfo:tags", ""), "tag")
}
