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
	Own    bool // it concerns the token
	Below  bool // it concerns descendants that have no link of their own
	Direct bool // the token has a link of its own
}

// Reach returns how an item concerns a token, given its ancestors, the nearest first.
func (l Links) Reach(item store.ItemID, token store.TokenID, ancestors []store.TokenID) Reach {
	if link, ok := l[token][item]; ok {
		return Reach{link.Own, link.Below, true}
	}
	for _, ancestor := range ancestors {
		if link, ok := l[ancestor][item]; ok {
			return Reach{link.Below, link.Below, false}
		}
	}
	return Reach{}
}

// Put returns the link that lets an item concern a token, and its descendants if below is
// true. It never takes the item from descendants that have it because of an ancestor of
// the token.
func (l Links) Put(item store.ItemID, token store.TokenID, ancestors []store.TokenID, below bool) store.NewLink {
	now := l.Reach(item, token, ancestors)
	inherited := now.Below && !now.Direct
	return store.NewLink{Link: store.Link{Item: item, Token: token, Own: true, Below: below || inherited}, Clear: below}
}

// Cut returns the link that ends it, for the descendants as well if the item reached them
// through the token. Otherwise they keep what they have. needed is false if the item does
// not concern the token.
func (l Links) Cut(item store.ItemID, token store.TokenID, ancestors []store.TokenID) (link store.NewLink, needed bool) {
	now := l.Reach(item, token, ancestors)
	return store.NewLink{Link: store.Link{Item: item, Token: token}, Clear: now.Below}, now.Own || now.Below
}
