package broken

import (
	"context"
	"slices"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

// Records returns a store that has the bug, or nil if the bug is not one about lists that
// can be built into any store.
func Records(s store.Store, bug storetest.Bug) store.Store {
	if bug == storetest.BugRevokedUnlisted {
		return revokedUnlisted{s}
	}
	return nil
}

// revokedUnlisted takes a list for one of the tokens that work.
type revokedUnlisted struct{ store.Store }

func (s revokedUnlisted) List(ctx context.Context, owner store.OwnerID, page store.Page) ([]store.TokenInfo, string, error) {
	return live(s.Store.List(ctx, owner, page))
}

func (s revokedUnlisted) Subtree(ctx context.Context, root store.TokenID, page store.Page) ([]store.TokenInfo, string, error) {
	return live(s.Store.Subtree(ctx, root, page))
}

func live(list []store.TokenInfo, next string, err error) ([]store.TokenInfo, string, error) {
	return slices.DeleteFunc(list, func(t store.TokenInfo) bool { return !t.Live }), next, err
}
