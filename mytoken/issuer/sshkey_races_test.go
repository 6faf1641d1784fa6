package issuer_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/memstore"
)

// afterItems calls a function once after the items of a user were read.
type afterItems struct {
	store.Store
	call atomic.Pointer[func()]
}

func (s *afterItems) Items(ctx context.Context, owner store.OwnerID) (store.Items, error) {
	items, err := s.Store.Items(ctx, owner)
	if call := s.call.Swap(nil); call != nil {
		(*call)()
	}
	return items, err
}

// TestDeletionMeetsRegistration: a key that is stored while the same key is deleted is
// either deleted with its token, or stays in the list. It never works unseen.
func TestDeletionMeetsRegistration(t *testing.T) {
	f := &afterItems{Store: memstore.New()}
	s := start(t, mytokentest.Options{Store: f})
	by := settingsToken(t, s)
	started := startKey(t, s, issuer.SSHKeyRequest{Token: by.Token})
	require.NoError(t, consentTo(t, s, started, "alice", nil))
	var c issuer.Client
	poll := func() {
		got, err := pollKey(t, s, started)
		require.NoError(t, err)
		c = keyClient(t, s, fingerprint, got.User)
	}
	f.call.Store(&poll)
	_, err := s.Issuer.DeleteSSHKey(t.Context(), issuer.SSHKeyDeletion{Token: by.Token, Fingerprint: fingerprint, Client: client})
	require.NoError(t, err)
	require.NotNil(t, c.Key)
	works := keyAccess(t, s, c) == nil
	assert.Len(t, listKeys(t, s, by.Token).List, map[bool]int{true: 1, false: 0}[works])
}

// TestExpiredKeyComesAgain: the user registers a key anew after its token has expired.
func TestExpiredKeyComesAgain(t *testing.T) {
	s := start(t, mytokentest.Options{})
	by := settingsToken(t, s)
	c := register(t, s, issuer.SSHKeyRequest{Token: by.Token, Restrictions: restriction.List{{Expires: unix(s, time.Hour)}}}, nil)
	s.Clock.Advance(time.Hour)
	require.NoError(t, keyAccess(t, s, c), "the last second")
	assert.Len(t, listKeys(t, s, by.Token).List, 1)
	s.Clock.Advance(time.Second)
	requireTokenError(t, keyAccess(t, s, c), issuer.TokenExpired)
	assert.Empty(t, listKeys(t, s, by.Token).List)
	c = register(t, s, issuer.SSHKeyRequest{Token: by.Token}, nil)
	require.NoError(t, keyAccess(t, s, c))
	assert.Len(t, listKeys(t, s, by.Token).List, 1)
}
