package sqlstore_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

// An access token of the login before is kept after ReplaceGrant has looked for such, and
// before it has written. Whoever keeps it finds the old login afterwards, and so leaves it.
// It is gone when ReplaceGrant returns.
//
// proves P1
func TestAccessTokenKeptDuringAReplacement(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, store.Unlimited)
		info, err := st.Token(t.Context(), st.token.ID)
		require.NoError(t, err)
		kept := newTicket(st.token.ID)
		kept.Kind, kept.Expires = store.TicketAccess, lifeNow
		var put atomic.Bool
		st.spy.hook(nil, func(ctx context.Context, said statement) error {
			if !said.is("SELECT") || !strings.Contains(said.text, "k.ticket_id") || put.Swap(true) {
				return nil
			}
			err := st.ChangeTickets(ctx, store.TicketChanges{Put: []store.Ticket{kept}}, 1)
			if err != nil {
				return err
			}
			state, err := st.Grant(ctx, info.Grant)
			require.EqualValues(t, 1, state.Generation)
			return err
		})
		require.NoError(t, st.ReplaceGrant(t.Context(), store.Replacement{
			Grant: info.Grant, Owner: info.Owner, Lease: store.LeaseID{1}, Generation: 1, Token: store.Sealed("new"), Now: 1,
		}))
		require.True(t, put.Load())
		_, err = st.ResolveTicket(t.Context(), kept.Kind, []store.TicketID{kept.ID}, 1)
		require.Equal(t, store.ErrTicketNotFound, err)
	})
}
