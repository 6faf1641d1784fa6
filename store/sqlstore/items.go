package sqlstore

import (
	"context"
	"errors"

	"github.com/mytoken-go/sdk/store"
)

var errItems = errors.New("sqlstore: items are not stored yet")

func (s *Store) Items(context.Context, store.OwnerID) (store.Items, error) {
	return store.Items{}, errItems
}
func (s *Store) ChangeItems(context.Context, store.ItemChanges) error         { return errItems }
func (s *Store) Links(context.Context, []store.TokenID) ([]store.Link, error) { return nil, errItems }
