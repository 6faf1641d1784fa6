package sqlstore_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

// keepDuringReplacement keeps an access token after ReplaceGrant has looked for such, and
// before it has written. look is called before each look.
func keepDuringReplacement(t *testing.T, st *stage, look func(n int64) error) (kept store.Ticket, r store.Replacement) {
	t.Helper()
	info, err := st.Token(t.Context(), st.token.ID)
	require.NoError(t, err)
	kept = newTicket(st.token.ID)
	kept.Kind, kept.Expires = store.TicketAccess, lifeNow
	looks := func(said statement) bool { return said.is("SELECT k.ticket_id FROM") }
	var n atomic.Int64
	st.spy.hook(func(_ context.Context, said statement) error {
		if !looks(said) {
			return nil
		}
		return look(n.Add(1))
	}, func(ctx context.Context, said statement) error {
		if !looks(said) || n.Load() > 1 {
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
	t.Cleanup(func() { require.GreaterOrEqual(t, n.Load(), int64(2), "looks") })
	return kept, store.Replacement{
		Grant: info.Grant, Owner: info.Owner, Lease: store.LeaseID{1}, Generation: 1, Token: store.Sealed("new"), Now: 1,
	}
}

// An access token of the login before is kept after ReplaceGrant has looked for such, and
// before it has written. Whoever keeps it finds the old login afterwards, and so leaves it.
// It is gone when ReplaceGrant returns.
//
// proves P1
func TestAccessTokenKeptDuringAReplacement(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, store.Unlimited)
		kept, r := keepDuringReplacement(t, st, func(int64) error { return nil })
		require.NoError(t, st.ReplaceGrant(t.Context(), r))
		_, err := st.ResolveTicket(t.Context(), kept.Kind, []store.TicketID{kept.ID}, 1)
		require.Equal(t, store.ErrTicketNotFound, err)
	})
}

// ReplaceGrant fails after it has replaced the grant, and before it has looked again. The
// repeat looks again.
//
// proves P1, P8
func TestRepeatedReplacementLooksAgain(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, store.Unlimited)
		kept, r := keepDuringReplacement(t, st, func(n int64) error {
			if n == 2 {
				return errors.New("the disk is on fire")
			}
			return nil
		})
		err := st.ReplaceGrant(t.Context(), r)
		require.ErrorContains(t, err, "on fire")
		require.NotErrorIs(t, err, store.ErrUnavailable, "the grant is replaced")
		require.NoError(t, st.ReplaceGrant(t.Context(), r))
		_, err = st.ResolveTicket(t.Context(), kept.Kind, []store.TicketID{kept.ID}, 1)
		require.Equal(t, store.ErrTicketNotFound, err)
	})
}
