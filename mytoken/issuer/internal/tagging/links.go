package tagging

import "github.com/mytoken-go/sdk/store"

// Links are the links of tokens, by token and item. See [store.Link] for their meaning.
type Links map[store.TokenID]map[store.ItemID]store.Link

// Add takes links in.
func (l Links) Add(links []store.Link) {
	for _, link := range links {
		of := l[link.Token]
		if of == nil {
			of = make(map[store.ItemID]store.Link)
			l[link.Token] = of
		}
		of[link.Item] = link
	}
}

// Reach says how an item concerns a token.
type Reach struct {
	Own   bool // it concerns the token
	Below bool // it concerns descendants that have no link of their own
}

// Reach returns how an item concerns a token, given its ancestors, the nearest first.
func (l Links) Reach(item store.ItemID, token store.TokenID, ancestors []store.TokenID) Reach {
	link, direct := l[token][item]
	if direct && decides(link) {
		return Reach{link.Own, link.Below}
	}
	below := false
	for _, ancestor := range ancestors {
		if above, ok := l[ancestor][item]; ok && decides(above) {
			below = above.Below
			break
		}
	}
	return Reach{direct || below, below}
}

// decides reports whether a link says anything about descendants; see [store.Link].
func decides(link store.Link) bool { return link.Below || !link.Own }

// Put returns the link that lets an item concern a token, and its descendants if below is
// true. Without below, it says nothing about descendants. So it is right whatever happens to
// the links of ancestors at the same time.
func Put(item store.ItemID, token store.TokenID, below bool) store.NewLink {
	return store.NewLink{Link: store.Link{Item: item, Token: token, Own: true, Below: below}, Clear: below}
}

// Cut returns the link that ends it, for the descendants as well if the item reached them
// through the token. Otherwise they keep what they have. needed is false if the item does
// not concern the token.
func (l Links) Cut(item store.ItemID, token store.TokenID, ancestors []store.TokenID) (link store.NewLink, needed bool) {
	now := l.Reach(item, token, ancestors)
	return store.NewLink{Link: store.Link{Item: item, Token: token}, Clear: now.Below}, now.Own || now.Below
}
