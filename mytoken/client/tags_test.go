package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/restriction"
)

// A program sorts tokens by tags, and asks for tags with a new token.
func TestTags(t *testing.T) {
	s := start(t, nil)
	ctx := t.Context()
	token := s.token(mytoken.Properties{Name: "root"})
	ok := func(update *mytoken.Issued, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Nil(t, update)
	}
	ok(s.client.CreateTag(ctx, token, mytoken.Tag{Name: " two words ", Color: "#00ff00"}))
	ok(s.client.CreateTag(ctx, token, mytoken.Tag{Name: "a+b&c=ü"}))
	ok(s.client.UpdateTag(ctx, token, "two words", mytoken.Tag{Name: "grid"}))
	tags, update, err := s.client.Tags(ctx, token)
	ok(update, err)
	require.Equal(t, []mytoken.Tag{{Name: "a+b&c=ü", Color: tags[0].Color}, {Name: "grid", Color: "00ff00"}}, tags)

	child, err := s.client.Derive(ctx, token, client.DeriveRequest{Properties: mytoken.Properties{
		Name: "child", Tags: []mytoken.Tag{{Name: "grid"}, {Name: "new", Children: true}},
	}})
	require.NoError(t, err)
	ok(s.client.TagToken(ctx, token, mytoken.TokenID{}, mytoken.Tag{Name: "top", Children: true}))
	ok(s.client.TagToken(ctx, token, child.ID, mytoken.Tag{Name: "a+b&c=ü"}))
	ok(s.client.UntagToken(ctx, token, child.ID, "grid"))
	ok(s.client.UntagToken(ctx, token, child.ID, "grid"))
	list, err := s.client.List(ctx, token)
	require.NoError(t, err)
	names := func(tags []mytoken.Tag) (out []string) {
		for _, tag := range tags {
			out = append(out, tag.Name)
		}
		return out
	}
	require.Equal(t, []string{"top"}, names(list.Roots[0].Tags))
	require.Equal(t, []string{"a+b&c=ü", "new", "top"}, names(list.Roots[0].Children[0].Tags))
	ok(s.client.DeleteTag(ctx, token, "new"))

	_, err = s.client.UpdateTag(ctx, token, "grid", mytoken.Tag{Name: "top"})
	require.True(t, client.IsCode(err, client.CodeInvalidRequest), "%v", err)
	_, err = s.client.CreateTag(ctx, token, mytoken.Tag{Name: "a/b"})
	require.True(t, client.IsCode(err, client.CodeInvalidRequest), "%v", err)
}

// A request that the server could not take as it is meant is not sent.
func TestTagsThatAreNotSent(t *testing.T) {
	var sent atomic.Int32
	s := start(t, func(o *setup) {
		o.wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet {
					sent.Add(1)
				}
				next.ServeHTTP(w, r)
			})
		}
	})
	token, ctx := s.token(mytoken.Properties{}), t.Context()
	for _, name := range []string{"", " ", ".", "..", "a\x00", "\u202e"} {
		_, err := s.client.CreateTag(ctx, token, mytoken.Tag{Name: name})
		require.Error(t, err, "%q", name)
		_, err = s.client.TagToken(ctx, token, mytoken.TokenID{}, mytoken.Tag{Name: name})
		require.Error(t, err, "%q", name)
		_, err = s.client.Derive(ctx, token, client.DeriveRequest{Properties: mytoken.Properties{Tags: []mytoken.Tag{{Name: name}}}})
		require.Error(t, err, "%q", name)
	}
	_, err := s.client.Derive(ctx, token, client.DeriveRequest{Properties: mytoken.Properties{Tags: []mytoken.Tag{{Name: "a", Color: "000000"}}}})
	require.ErrorContains(t, err, "CreateTag")
	require.Zero(t, sent.Load())
}

// The holder keeps the successors of a token that rotates. A request whose answer is lost
// counts once.
//
// proves P3, P8
func TestHolderTags(t *testing.T) {
	var lose atomic.Bool
	s := start(t, func(o *setup) {
		o.wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/tags") && lose.CompareAndSwap(true, false) {
					next.ServeHTTP(httptest.NewRecorder(), r)
					panic(http.ErrAbortHandler)
				}
				next.ServeHTTP(w, r)
			})
		}
	})
	ctx := t.Context()
	h := s.client.NewHolder(client.NewMemoryStore(s.token(mytoken.Properties{
		Rotation: &mytoken.Rotation{OnOther: true, AutoRevoke: true}, Restrictions: restriction.List{{UsagesOther: restriction.Usages(7)}},
	})))
	for _, do := range []func(context.Context) error{
		func(ctx context.Context) error { return h.CreateTag(ctx, mytoken.Tag{Name: "a"}) },
		func(ctx context.Context) error { return h.UpdateTag(ctx, "a", mytoken.Tag{Name: "b"}) },
		func(ctx context.Context) error { return h.TagToken(ctx, mytoken.TokenID{}, mytoken.Tag{Name: "b"}) },
		func(ctx context.Context) error { return h.UntagToken(ctx, mytoken.TokenID{}, "b") },
		func(ctx context.Context) error {
			tags, err := h.Tags(ctx)
			if err == nil && (len(tags) != 1 || tags[0].Name != "b") {
				err = errors.New("other tags")
			}
			return err
		},
		func(ctx context.Context) error { return h.DeleteTag(ctx, "b") },
	} {
		lose.Store(true)
		require.NoError(t, do(ctx))
		require.False(t, lose.Load())
	}
	require.NoError(t, h.CreateTag(ctx, mytoken.Tag{Name: "the seventh use"}))
	require.True(t, client.IsCode(h.DeleteTag(ctx, "x"), client.CodeUsageRestricted))
}
