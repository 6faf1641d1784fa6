package tagging

import (
	"slices"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store"
)

// Tag is a tag of a user.
type Tag struct {
	ID          store.ItemID
	Name, Color string
}

// Of is the tag as users see it on a token.
func (t Tag) Of(children bool) mytoken.Tag {
	return mytoken.Tag{Name: t.Name, Color: t.Color, Children: children}
}

// View tells the tags of tokens. Tokens that inherit the same tags share the memory for
// them: a list may have very many.
type View struct {
	tags  []Tag // in the order of their names
	links Links
	below map[store.TokenID][]mytoken.Tag // those that pass from a token to its descendants
}

// NewView makes a view of a user's tags, in the order of their names, and of links.
func NewView(tags []Tag, links Links) *View {
	return &View{tags, links, make(map[store.TokenID][]mytoken.Tag)}
}

// Of returns the tags of a token in the order of their names. The caller must not change
// them.
func (v *View) Of(token store.TokenID, ancestors []store.TokenID) []mytoken.Tag {
	own, _ := v.of(token, ancestors)
	return own
}

func (v *View) of(token store.TokenID, ancestors []store.TokenID) (own, below []mytoken.Tag) {
	inherited := v.inherited(ancestors)
	links := v.links[token]
	if len(links) == 0 {
		return inherited, inherited
	}
	for _, tag := range v.tags {
		link, direct := links[tag.ID]
		has := len(inherited) > 0 && inherited[0].Name == tag.Name
		if has {
			inherited = inherited[1:] // both lists have the same order
		}
		if !direct || !decides(link) {
			link.Own, link.Below = direct || has, has
		}
		if link.Own {
			own = append(own, tag.Of(link.Below))
		}
		if link.Below {
			below = append(below, tag.Of(true))
		}
	}
	return slices.Clip(own), slices.Clip(below)
}

// inherited returns the tags that pass to a token from its ancestors.
func (v *View) inherited(ancestors []store.TokenID) []mytoken.Tag {
	if len(ancestors) == 0 {
		return nil
	}
	parent := ancestors[0]
	below, known := v.below[parent]
	if !known {
		_, below = v.of(parent, ancestors[1:])
		v.below[parent] = below
	}
	return below
}
