package tagging_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/tagging"
	"github.com/mytoken-go/sdk/store"
)

var item = store.ItemID{7}

// forest is tokens with their ancestors, the nearest first, and the links of one tag.
type forest struct {
	above map[store.TokenID][]store.TokenID
	order []store.TokenID
	links tagging.Links
}

func (f *forest) make(parent int) store.TokenID {
	id := store.TokenID{byte(len(f.order) + 1)}
	if parent > 0 {
		p := f.order[parent-1]
		f.above[id] = append([]store.TokenID{p}, f.above[p]...)
	}
	f.order = append(f.order, id)
	return id
}

// change does what a store does with a link.
func (f *forest) change(link store.NewLink) {
	if link.Clear {
		for _, id := range f.order {
			if slices.Contains(f.above[id], link.Token) {
				delete(f.links[id], link.Item)
			}
		}
	}
	f.links.Add([]store.Link{link.Link})
}

func (f *forest) has(id store.TokenID) bool { return f.links.Reach(item, id, f.above[id]).Own }

// ruled reports whether a token has a link that decides for its descendants.
func (f *forest) ruled(id store.TokenID) bool {
	return f.linked(id) && f.links[id][item] != store.Link{Item: item, Token: id, Own: true}
}

func (f *forest) linked(id store.TokenID) bool { _, ok := f.links[id][item]; return ok }

// A list shows what each operation promises, whatever happened before: adding a tag with
// the flag reaches all descendants, and those made later; adding it without the flag
// leaves the descendants what passes down from ancestors; removing it takes it from the
// subtree if it passed down there, and else from the token alone.
func TestLinks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &forest{above: map[store.TokenID][]store.TokenID{}, links: tagging.Links{}}
		f.make(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			id := f.order[rapid.IntRange(0, len(f.order)-1).Draw(t, "token")]
			above := f.above[id]
			before := map[store.TokenID]bool{}
			for _, other := range f.order {
				before[other] = f.has(other)
			}
			reach := f.links.Reach(item, id, above)
			within := func(other store.TokenID) bool { return slices.Contains(f.above[other], id) }
			var want func(other store.TokenID) bool
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				if len(f.order) == 20 {
					continue
				}
				fresh := f.make(slices.Index(f.order, id) + 1)
				want = func(other store.TokenID) bool { return before[other] || other == fresh && reach.Below }
			case 1:
				f.change(tagging.Put(item, id, true))
				want = func(other store.TokenID) bool { return before[other] || other == id || within(other) }
			case 2:
				passes := len(above) > 0 && f.links.Reach(item, above[0], above[1:]).Below
				f.change(tagging.Put(item, id, false))
				want = func(other store.TokenID) bool {
					// Descendants whose links leave it to this token have what passes to it.
					line := append([]store.TokenID{other}, f.above[other]...)
					if at := slices.Index(line, id); at > 0 && !f.linked(other) && !slices.ContainsFunc(line[:at], f.ruled) {
						return passes
					}
					return before[other] || other == id
				}
			case 3:
				link, needed := f.links.Cut(item, id, above)
				if needed != (reach.Own || reach.Below) {
					t.Fatalf("needed is %t", needed)
				}
				if needed {
					f.change(link)
				}
				want = func(other store.TokenID) bool {
					return before[other] && other != id && !(reach.Below && within(other))
				}
			}
			view := tagging.NewView([]tagging.Tag{{ID: item, Name: "x"}}, f.links)
			for _, other := range f.order {
				if got := f.has(other); got != want(other) {
					t.Fatalf("token %d has the tag: %t", other[0], got)
				}
				shown := view.Of(other, f.above[other])
				if len(shown) == 1 != f.has(other) || f.has(other) && shown[0].Children != f.links.Reach(item, other, f.above[other]).Below {
					t.Fatalf("token %d is shown with %v", other[0], shown)
				}
			}
		}
	})
}

// A view shows several tags in the order of their names, each with its flag. Descendants
// without links of their own share what they inherit.
func TestView(t *testing.T) {
	root, child, grandchild, other := store.TokenID{1}, store.TokenID{2}, store.TokenID{3}, store.TokenID{4}
	a, b, c, d := store.ItemID{1}, store.ItemID{2}, store.ItemID{3}, store.ItemID{4}
	links := tagging.Links{}
	links.Add([]store.Link{
		{Item: a, Token: root, Own: true, Below: true}, {Item: b, Token: root, Own: true}, {Item: c, Token: root, Own: true, Below: true},
		{Item: d, Token: child, Own: true, Below: true}, {Item: a, Token: child},
	})
	view := tagging.NewView([]tagging.Tag{{a, "a", "0000AA"}, {b, "b", ""}, {c, "c", ""}, {d, "d", ""}}, links)
	require.Equal(t, []mytoken.Tag{{Name: "a", Color: "0000AA", Children: true}, {Name: "b"}, {Name: "c", Children: true}}, view.Of(root, nil))
	require.Equal(t, []mytoken.Tag{{Name: "c", Children: true}, {Name: "d", Children: true}}, view.Of(child, []store.TokenID{root}))
	below := view.Of(grandchild, []store.TokenID{child, root})
	require.Equal(t, []mytoken.Tag{{Name: "c", Children: true}, {Name: "d", Children: true}}, below)
	require.Empty(t, view.Of(other, nil))

	shared := view.Of(store.TokenID{5}, []store.TokenID{child, root})
	require.Same(t, &below[0], &shared[0])
}
