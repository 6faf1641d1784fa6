package issuer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/tagging"
	"github.com/mytoken-go/sdk/store"
)

// maxItems is how many items of one kind a user may have.
const maxItems = 500

// maxDecisions is how often a change of items is decided anew because another one came
// first.
const maxDecisions = 20

// itemContents is what the contents of an item may be. The method itemKind does not look at
// the value.
type itemContents interface{ itemKind() store.ItemKind }

// item is an item of a user with its contents.
type item[T itemContents] struct {
	id       store.ItemID
	contents T
}

// belongings is what a user keeps besides tokens, still sealed.
type belongings struct {
	owner mytoken.OwnerID
	store.Items
}

func (i *Issuer) belongings(ctx context.Context, owner mytoken.OwnerID) (*belongings, error) {
	items, err := i.ledger.items(ctx, owner)
	if err != nil {
		return nil, err
	}
	return &belongings{owner, items}, nil
}

// openItems opens the items with contents of the type T, in the order of their ids.
func openItems[T itemContents](i *Issuer, b *belongings) ([]item[T], error) {
	var out []item[T]
	for _, sealed := range b.List {
		var one item[T]
		if sealed.Kind != one.contents.itemKind() {
			continue
		}
		plain, err := i.cfg.Seal.Open(store.ItemPlace(b.owner, sealed.ID, sealed.Kind), sealed.Contents)
		if err == nil {
			err = json.Unmarshal(plain, &one.contents)
		}
		if err != nil {
			return nil, fmt.Errorf("issuer: a stored item of the user cannot be read: %w", err)
		}
		one.id = sealed.ID
		out = append(out, one)
	}
	return out, nil
}

// sealItem seals an item of the owner. A zero id draws a new one.
func sealItem[T itemContents](i *Issuer, owner mytoken.OwnerID, one item[T]) (store.Item, error) {
	out := store.Item{ID: one.id, Kind: one.contents.itemKind()}
	if out.ID.IsZero() {
		out.ID = newItemID()
	}
	plain, err := json.Marshal(one.contents)
	if err != nil {
		return store.Item{}, fmt.Errorf("issuer: %w", err)
	}
	out.Contents, err = i.cfg.Seal.Seal(store.ItemPlace(owner, out.ID, out.Kind), plain)
	return out, err
}

func newItemID() (id store.ItemID) {
	rand.Read(id[:]) // never fails
	return id
}

// changeItems changes what a user keeps. decide looks at the present items and fills in
// the changes, or leaves them empty if there is nothing to do. It is called again if
// another change came first, so it must decide from b alone and have no effect. That other
// change may also be its own, made by an earlier try whose answer was lost: decide draws the
// ids of new items once, and looks for these first. An error of decide is returned as it is,
// and so is [store.ErrNotFound] if the changes need a token that is not stored. So many
// changes of one user at once that none gets through return a [*BusyError].
func (i *Issuer) changeItems(ctx context.Context, owner mytoken.OwnerID, decide func(b *belongings, c *store.ItemChanges) error) error {
	for range maxDecisions {
		b, err := i.belongings(ctx, owner)
		if err != nil {
			return err
		}
		c := store.ItemChanges{Owner: owner, ID: NewUseID(), Revision: b.Revision}
		if err := decide(b, &c); err != nil {
			return err
		}
		if !c.ChangesList() && len(c.Links) == 0 {
			return nil
		}
		err = i.ledger.changeItems(ctx, c)
		switch missing := errors.Is(err, store.ErrNotFound); {
		case !missing && !errors.Is(err, store.ErrConflict):
			return err
		case missing && c.NeedsToken:
			if _, err := i.ledger.Token(ctx, c.Token); err != nil {
				return err
			}
		}
		// Or else a link names an item that somebody has just deleted.
	}
	return &BusyError{RetryAfter: time.Second}
}

// linkPage is for how many tokens one step reads the links.
const linkPage = 500

// readLinks returns the links of tokens with an item, or all for the zero id.
func (i *Issuer) readLinks(ctx context.Context, tokens []mytoken.TokenID, of store.ItemID) (tagging.Links, error) {
	out := make(tagging.Links)
	for page := range slices.Chunk(tokens, linkPage) {
		links, err := i.ledger.links(ctx, page)
		if err != nil {
			return nil, err
		}
		out.Add(slices.DeleteFunc(links, func(l store.Link) bool { return !of.IsZero() && l.Item != of }))
	}
	return out, nil
}

// lineLinks returns the links of a token and its ancestors with an item, and who these are.
// It returns [store.ErrNotFound] if the token was deleted meanwhile.
func (i *Issuer) lineLinks(ctx context.Context, id mytoken.TokenID, of store.ItemID) (links tagging.Links, ancestors []mytoken.TokenID, err error) {
	info, err := i.ledger.Token(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	links, err = i.readLinks(ctx, append([]mytoken.TokenID{id}, info.Ancestors...), of)
	return links, info.Ancestors, err
}
