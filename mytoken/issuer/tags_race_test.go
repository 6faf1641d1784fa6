package issuer_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

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

// refusing is a store that never creates a child.
type refusing struct{ store.Store }

func (refusing) CreateChild(context.Context, store.Presented, store.Use, store.Token) (store.Spent, error) {
	return store.Spent{}, store.ErrUnavailable
}

// Sweep deletes the links of a token that was not created after all, but not while it may
// still be created.
func TestTagsOfNoToken(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := sorter(t, s, 10)
	cut := s.Config
	cut.Store = refusing{s.Store}
	other, err := issuer.New(cut)
	require.NoError(t, err)
	_, err = other.Derive(t.Context(), issuer.DeriveRequest{Token: root.Token, Properties: mytoken.Properties{Tags: []mytoken.Tag{{Name: "a"}}}, Client: client})
	require.True(t, is[*issuer.StoreError](err), "%v", err)
	require.Equal(t, "a", tagNames(t, s))
	require.Empty(t, tagged(t, s), "nobody sees the link")
	swept, err := s.Issuer.Sweep(t.Context(), 1000)
	require.NoError(t, err)
	s.Clock.Advance(store.Remembered + time.Second)
	later, err := s.Issuer.Sweep(t.Context(), 1000)
	require.NoError(t, err)
	require.Greater(t, later.Others, swept.Others)
}

// Many requests that need the same missing tag at once make one tag.
func TestTagsMadeAtOnce(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := login(t, s, mytoken.Properties{Name: "root", Capabilities: append(capability.Set{capability.Settings}, allCapabilities...)})
	children := make([]*mytoken.Issued, 32)
	errs := make([]error, 32)
	paralleltest.Do(32, func(k int) {
		switch k % 4 {
		case 0:
			_, errs[k] = s.Issuer.CreateTag(t.Context(), issuer.TagRequest{Token: root.Token, Name: "same", Client: client})
		case 1:
			_, errs[k] = s.Issuer.TagToken(t.Context(), issuer.TagTokenRequest{Token: root.Token, Tag: mytoken.Tag{Name: "same"}, Client: client})
		default:
			children[k], errs[k] = s.Issuer.Derive(t.Context(), issuer.DeriveRequest{
				Token: root.Token, Properties: mytoken.Properties{Name: fmt.Sprint(k), Tags: []mytoken.Tag{{Name: "same"}}}, Client: client,
			})
		}
	})
	shown := tagged(t, s)
	for k, err := range errs {
		require.NoError(t, err)
		if children[k] != nil {
			assert.Equal(t, "same", shown[fmt.Sprint(k)])
		}
	}
	require.Equal(t, "same", shown["root"])
	require.Equal(t, "same", tagNames(t, s), "one tag")
}

// Every child that is made while its parent gets a tag with the flag has it afterwards.
func TestTagWhileChildrenAreMade(t *testing.T) {
	s := start(t, mytokentest.Options{})
	f := newFamily(t, s)
	paralleltest.Do(33, func(k int) {
		if k == 0 {
			_, err := s.Issuer.TagToken(t.Context(), issuer.TagTokenRequest{Token: f.root.Token, Tag: mytoken.Tag{Name: "all", Children: true}, Client: client})
			assert.NoError(t, err)
			return
		}
		parent := []*mytoken.Issued{f.root, f.parent, f.child}[k%3]
		_, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: parent.Token, Properties: mytoken.Properties{Name: fmt.Sprint(k)}, Client: client})
		assert.NoError(t, err)
	})
	shown := tagged(t, s)
	require.Len(t, shown, 36)
	for name, tags := range shown {
		assert.Equal(t, "all*", tags, name)
	}
}

// A repeated request has one effect, counts once and gets the same answer, whatever
// happened in between.
func TestTagsRepeated(t *testing.T) {
	s := start(t, mytokentest.Options{})
	root := sorter(t, s, 100)
	ctx := t.Context()
	ids := [4]issuer.UseID{issuer.NewUseID(), issuer.NewUseID(), issuer.NewUseID(), issuer.NewUseID()}
	for range 3 {
		_, err := s.Issuer.CreateTag(ctx, issuer.TagRequest{Token: root.Token, ID: ids[0], Name: "a", Client: client})
		require.NoError(t, err)
		require.NoError(t, owner(t, s, "alice").DeleteTag(ctx, "a"))
	}
	_, err := s.Issuer.TagToken(ctx, issuer.TagTokenRequest{Token: root.Token, ID: ids[1], Tag: mytoken.Tag{Name: "a"}, Client: client})
	require.NoError(t, err)
	for range 3 { // the old name is gone after the first one
		_, err = s.Issuer.UpdateTag(ctx, issuer.TagRequest{Token: root.Token, ID: ids[2], Name: "a", NewName: "b", Client: client})
		require.NoError(t, err)
		require.Equal(t, "b", tagNames(t, s))
	}
	_, err = s.Issuer.UpdateTag(ctx, issuer.TagRequest{Token: root.Token, ID: ids[3], Name: "a", NewName: "b", Client: client})
	require.ErrorIs(t, err, issuer.ErrUnknownTag, "another request is decided anew")
	require.Equal(t, int64(3), otherUses(t, s, root.ID))

	s.Clock.Advance(s.Config.CodeLifetime + 6*60*1e9)
	_, err = s.Issuer.TagToken(ctx, issuer.TagTokenRequest{Token: root.Token, ID: ids[1], Tag: mytoken.Tag{Name: "a"}, Client: client})
	require.ErrorIs(t, err, issuer.ErrRepeatedID)
}

// Wherever a request fails, its repetition with the same ID takes effect and counts once.
//
// proves P3, P8
func TestTagsAfterFailures(t *testing.T) {
	type step struct {
		setUp, do func(i *issuer.Issuer, token mytoken.Secret, id issuer.UseID) error
		want      string
	}
	tag := func(name string) func(*issuer.Issuer, mytoken.Secret, issuer.UseID) error {
		return func(i *issuer.Issuer, token mytoken.Secret, id issuer.UseID) error {
			_, err := i.TagToken(t.Context(), issuer.TagTokenRequest{Token: token, ID: id, Tag: mytoken.Tag{Name: name}, Client: client})
			return err
		}
	}
	for name, row := range map[string]step{
		"tag": {nil, tag("new"), "new"},
		"rename": {tag("old"), func(i *issuer.Issuer, token mytoken.Secret, id issuer.UseID) error {
			_, err := i.UpdateTag(t.Context(), issuer.TagRequest{Token: token, ID: id, Name: "old", NewName: "new", Client: client})
			return err
		}, "new"},
		"untag": {tag("old"), func(i *issuer.Issuer, token mytoken.Secret, id issuer.UseID) error {
			_, err := i.UntagToken(t.Context(), issuer.TagTokenRequest{Token: token, ID: id, Tag: mytoken.Tag{Name: "old"}, Client: client})
			return err
		}, ""},
		"delete": {tag("old"), func(i *issuer.Issuer, token mytoken.Secret, id issuer.UseID) error {
			_, err := i.DeleteTag(t.Context(), issuer.TagRequest{Token: token, ID: id, Name: "old", Client: client})
			return err
		}, ""},
	} {
		for _, method := range []string{"Lookup", "Items", "Links", "Spend", "ChangeItems"} {
			for n := 1; n <= 3; n++ {
				for _, point := range []storetest.Call{storetest.Before(method, n), storetest.After(method, n)} {
					t.Run(name+" "+point.String(), func(t *testing.T) {
						faulty := storetest.NewFaulty(memstore.New(), nil)
						s := start(t, mytokentest.Options{Store: faulty})
						root := sorter(t, s, 100)
						before := int64(0)
						if row.setUp != nil {
							require.NoError(t, row.setUp(s.Issuer, root.Token, issuer.NewUseID()))
							before = 1
						}
						faulty.Reset(storetest.FailFrom(point, storetest.ErrFault))
						id := issuer.NewUseID()
						err := row.do(s.Issuer, root.Token, id)
						if err != nil {
							require.True(t, is[*issuer.StoreError](err), "%v", err)
						}
						faulty.Reset(nil)
						require.NoError(t, row.do(s.Issuer, root.Token, id), "the repetition")
						records, err := owner(t, s, "alice").List(t.Context())
						require.NoError(t, err)
						require.Equal(t, row.want, tagText(records.Roots[0].Tags))
						info, err := faulty.Token(t.Context(), root.ID)
						require.NoError(t, err)
						require.Equal(t, before+1, info.Counters[0].OtherUsed)
					})
				}
			}
		}
	}
}

// A rename whose answer was lost succeeds, even if another change came in between.
func TestTagRenamedTwice(t *testing.T) {
	faulty := storetest.NewFaulty(memstore.New(), nil)
	s := start(t, mytokentest.Options{Store: faulty})
	root := sorter(t, s, 100)
	alice := owner(t, s, "alice")
	require.NoError(t, alice.CreateTag(t.Context(), mytoken.Tag{Name: "old"}))
	faulty.Reset(func(c storetest.Call) error {
		if c.Method != "ChangeItems" || c.N != 1 || c.Before {
			return nil
		}
		assert.NoError(t, alice.CreateTag(t.Context(), mytoken.Tag{Name: "between"})) // the second call
		return storetest.ErrFault
	})
	_, err := s.Issuer.UpdateTag(t.Context(), issuer.TagRequest{Token: root.Token, Name: "old", NewName: "new", Client: client})
	require.NoError(t, err)
	require.Equal(t, "between new", tagNames(t, s))
}

// Neither a dump of the store nor a log holds the name of a tag, whatever was done with it.
// Each tag is sealed at a place of its own.
//
// It proves P7 and P9.
func TestTagNamesAreSealed(t *testing.T) {
	var log paralleltest.Buffer
	s := start(t, mytokentest.Options{Config: func(c *issuer.Config) {
		c.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Observer = func(_ context.Context, n issuer.Notice) { fmt.Fprintf(&log, "%+v\n", n) }
	}})
	const word = "jack-in-the-box"
	name := func(n int) string { return fmt.Sprint(word, "-", n) }
	ctx := t.Context()
	root := login(t, s, mytoken.Properties{
		Capabilities: append(capability.Set{capability.Settings}, allCapabilities...), Tags: []mytoken.Tag{{Name: name(0), Color: "c0ffee"}},
	})
	waiting := native(t, s, issuer.LoginRequest{Properties: mytoken.Properties{Tags: []mytoken.Tag{{Name: name(1)}}}})
	child, err := s.Issuer.Derive(ctx, issuer.DeriveRequest{
		Token: root.Token, ID: issuer.NewUseID(), Properties: mytoken.Properties{Tags: []mytoken.Tag{{Name: name(2)}}}, Client: client,
	})
	require.NoError(t, err)
	for n := range 3 {
		_, err = s.Issuer.TagToken(ctx, issuer.TagTokenRequest{Token: root.Token, Other: child.ID, Tag: mytoken.Tag{Name: name(n)}, Client: client})
		require.NoError(t, err)
		_, err = s.Issuer.UntagToken(ctx, issuer.TagTokenRequest{Token: root.Token, Tag: mytoken.Tag{Name: name(n)}, Client: client})
		require.NoError(t, err)
	}
	_, err = s.Issuer.CreateTag(ctx, issuer.TagRequest{Token: root.Token, Name: name(3), ID: issuer.NewUseID(), Client: client})
	require.NoError(t, err)
	_, err = s.Issuer.UpdateTag(ctx, issuer.TagRequest{Token: root.Token, Name: name(3), NewName: name(4), Client: client})
	require.NoError(t, err)
	_, err = s.Issuer.UpdateTag(ctx, issuer.TagRequest{Token: root.Token, Name: name(5), NewName: name(6), Client: client})
	require.ErrorIs(t, err, issuer.ErrUnknownTag)
	_, err = s.Issuer.RevokeTagged(ctx, issuer.RevokeTaggedRequest{Token: root.Token, Tag: name(2), Client: client})
	require.NoError(t, err)
	_, err = s.Issuer.DeleteTag(ctx, issuer.TagRequest{Token: root.Token, Name: name(1), Client: client})
	require.NoError(t, err)
	_, err = s.Issuer.History(ctx, issuer.HistoryRequest{Token: root.Token, Client: client})
	require.NoError(t, err)

	dump, err := s.Store.(*memstore.Store).Dump(ctx)
	require.NoError(t, err)
	require.Empty(t, storetest.FindSecrets(dump, word, `"color":"`))
	require.NotEmpty(t, storetest.FindSecrets(dump, "tag_created"), "the search finds what is there")
	require.NotContains(t, log.String(), word)
	require.Contains(t, log.String(), "issued")
	_, err = s.Issuer.Consent(ctx, waiting.ConsentCode)
	require.NoError(t, err)

	items, _, err := s.Store.Sealed(ctx, store.Page{Limit: 1000})
	require.NoError(t, err)
	kept := 0
	for _, item := range items {
		plain, err := s.Config.Seal.Open(item.Place, item.Sealed)
		if item.Place.Kind == store.PlaceItem {
			require.NoError(t, err)
			require.True(t, bytes.Contains(plain, []byte(word)))
			kept++
		}
	}
	require.Equal(t, 3, kept)
}
