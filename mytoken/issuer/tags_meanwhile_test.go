package issuer_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// meanwhile lets somebody do something just before or after the first call of a step. After
// the call, its answer is lost.
func meanwhile(faulty *storetest.Faulty, at storetest.Call, do func()) {
	faulty.Reset(func(c storetest.Call) error {
		if c != at {
			return nil
		}
		do()
		if c.Before {
			return nil
		}
		return storetest.ErrFault
	})
}

// makesTag are requests that make the missing tag "new" with the token.
func makesTag(t *testing.T) map[string]func(s *mytokentest.Service, token mytoken.Secret) error {
	return map[string]func(s *mytokentest.Service, token mytoken.Secret) error{
		"create": func(s *mytokentest.Service, token mytoken.Secret) error {
			_, err := s.Issuer.CreateTag(t.Context(), issuer.TagRequest{Token: token, Name: "new", Client: client})
			return err
		},
		"tag": func(s *mytokentest.Service, token mytoken.Secret) error {
			_, err := s.Issuer.TagToken(t.Context(), issuer.TagTokenRequest{Token: token, Tag: mytoken.Tag{Name: "new"}, Client: client})
			return err
		},
		"derive": func(s *mytokentest.Service, token mytoken.Secret) error {
			_, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{
				Token: token, Properties: mytoken.Properties{Name: "child", Tags: []mytoken.Tag{{Name: "new"}}}, Client: client,
			})
			return err
		},
	}
}

// The answer to a request that made a tag is lost, and the tag is renamed before the issuer
// looks again. The request made one tag, which keeps its new name.
func TestTagRenamedBeforeItsMakerLooks(t *testing.T) {
	for name, do := range makesTag(t) {
		t.Run(name, func(t *testing.T) {
			faulty := storetest.NewFaulty(memstore.New(), nil)
			s := start(t, mytokentest.Options{Store: faulty})
			root := sorter(t, s, 100)
			alice := owner(t, s, "alice")
			meanwhile(faulty, storetest.After("ChangeItems", 1), func() {
				assert.NoError(t, alice.UpdateTag(t.Context(), "new", mytoken.Tag{Name: "renamed"}))
			})
			require.NoError(t, do(s, root.Token))
			require.Equal(t, "renamed", tagNames(t, s))
			want := map[string]map[string]string{"tag": {"sorter": "renamed"}, "derive": {"child": "renamed"}, "create": {}}
			require.Equal(t, want[name], tagged(t, s))
		})
	}
}

// A tag is deleted, the answer is lost, and somebody makes another tag of the same name. That
// one stays.
func TestTagMadeAnewBeforeItsDeleterLooks(t *testing.T) {
	faulty := storetest.NewFaulty(memstore.New(), nil)
	s := start(t, mytokentest.Options{Store: faulty})
	root := sorter(t, s, 100)
	alice := owner(t, s, "alice")
	require.NoError(t, alice.CreateTag(t.Context(), mytoken.Tag{Name: "x"}))
	meanwhile(faulty, storetest.After("ChangeItems", 1), func() {
		assert.NoError(t, alice.CreateTag(t.Context(), mytoken.Tag{Name: "x", Color: "00ff00"}))
	})
	_, err := s.Issuer.DeleteTag(t.Context(), issuer.TagRequest{Token: root.Token, Name: "x", Client: client})
	require.NoError(t, err)
	require.Equal(t, "x", tagNames(t, s))
}

// A user is deleted while a request makes a tag, be it their first one or not. No tag is
// left.
//
// proves P7
func TestTagsOfADeletedUser(t *testing.T) {
	for name, do := range makesTag(t) {
		for _, first := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				faulty := storetest.NewFaulty(memstore.New(), nil)
				s := start(t, mytokentest.Options{Store: faulty})
				root := sorter(t, s, 100)
				info, err := faulty.Token(t.Context(), root.ID)
				require.NoError(t, err)
				alice := owner(t, s, "alice")
				if !first {
					require.NoError(t, alice.CreateTag(t.Context(), mytoken.Tag{Name: "x"}))
				}
				meanwhile(faulty, storetest.Before("ChangeItems", 1), func() { assert.NoError(t, alice.Delete(t.Context())) })
				requireTokenError(t, do(s, root.Token), issuer.TokenUnknown)
				items, err := faulty.Items(t.Context(), info.Owner)
				require.NoError(t, err)
				require.Equal(t, store.Items{}, items)
			})
		}
	}
}

// A token gets a tag of its own while an ancestor gets it for all descendants. Nothing keeps
// it from the descendants of the token, those that exist and those that are made later.
func TestTagWhileAnAncestorGetsIt(t *testing.T) {
	for name, row := range map[string]struct {
		at storetest.Call
		do func(s *mytokentest.Service, f family) *mytoken.Issued
	}{
		"a token that exists": {storetest.Before("ChangeItems", 1), func(s *mytokentest.Service, f family) *mytoken.Issued {
			_, err := s.Issuer.TagToken(t.Context(), issuer.TagTokenRequest{Token: f.parent.Token, Tag: mytoken.Tag{Name: "a"}, Client: client})
			require.NoError(t, err)
			return f.parent
		}},
		"a new token": {storetest.Before("CreateChild", 1), func(s *mytokentest.Service, f family) *mytoken.Issued {
			child, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{
				Token: f.root.Token, Properties: mytoken.Properties{Name: "new", Tags: []mytoken.Tag{{Name: "a"}}}, Client: client,
			})
			require.NoError(t, err)
			return child
		}},
	} {
		t.Run(name, func(t *testing.T) {
			faulty := storetest.NewFaulty(memstore.New(), nil)
			s := start(t, mytokentest.Options{Store: faulty})
			f := newFamily(t, s)
			alice := owner(t, s, "alice")
			require.NoError(t, alice.CreateTag(t.Context(), mytoken.Tag{Name: "a"}))
			meanwhile(faulty, row.at, func() {
				assert.NoError(t, alice.TagToken(t.Context(), f.root.ID, mytoken.Tag{Name: "a", Children: true}))
			})
			token := row.do(s, f)
			faulty.Reset(nil)
			_, err := s.Issuer.Derive(t.Context(), issuer.DeriveRequest{Token: token.Token, Properties: mytoken.Properties{Name: "later"}, Client: client})
			require.NoError(t, err)
			shown := tagged(t, s)
			require.Contains(t, shown, "later")
			for name, tags := range shown {
				require.Equal(t, "a*", tags, name)
			}
		})
	}
}
