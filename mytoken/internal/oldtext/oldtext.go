// Package oldtext gives tests a store that holds texts from before control and format
// characters were refused.
package oldtext

import (
	"bytes"
	"context"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// Store is a store with old texts: it adds [Text] to the names of tokens in lists, and to
// comments and user agents of events. Ring opens and seals the descriptions of tokens.
type Store struct {
	store.Store
	Ring *seal.Ring
}

// Text has a bidirectional override and a terminal escape.
const Text = "\u202e\x1b[2J"

// List implements [store.Records].
func (s Store) List(ctx context.Context, owner store.OwnerID, page store.Page) ([]store.TokenInfo, string, error) {
	list, next, err := s.Store.List(ctx, owner, page)
	for k := range list {
		place := store.AboutPlace(list[k].ID)
		text, oerr := s.Ring.Open(place, list[k].About)
		if oerr != nil {
			return nil, "", oerr
		}
		old := bytes.Replace(text, []byte(`"name":"`), []byte(`"name":"\u202e\u001b[2J`), 1)
		if list[k].About, oerr = s.Ring.Seal(place, old); oerr != nil {
			return nil, "", oerr
		}
	}
	return list, next, err
}

// Events implements [store.Records].
func (s Store) Events(ctx context.Context, tokens []store.TokenID, page store.Page) ([]store.EventRecord, string, error) {
	list, next, err := s.Store.Events(ctx, tokens, page)
	for k := range list {
		list[k].Comment, list[k].UserAgent = Text+list[k].Comment, Text+list[k].UserAgent
	}
	return list, next, err
}
