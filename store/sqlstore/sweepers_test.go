package sqlstore_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// Two sweepers meet: one deletes rows that the other has found but not read yet. Both
// succeed, and each row is deleted once.
func TestSweepersMeet(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.migrate(t)
		other := s.on(t, db)
		sp := &spy{Connector: s.connector}
		st := s.on(t, s.connectBy(t, sp))
		const tokens = 3
		for range tokens {
			p, err := newRoot(t.Context(), st, 1)
			require.NoError(t, err)
			if _, err := st.Revoke(t.Context(), store.Revocation{Token: p.ID, Recursive: true, Now: 1}); err != nil {
				t.Fatal(err)
			}
		}
		cleaning := store.Cleaning{Now: lifeNow, Limit: 10}
		var met atomic.Int64
		var meanwhile store.Cleaned
		sp.hook(func(ctx context.Context, text statement) error {
			// The sweeper has found the tokens that are due. This statement reads them.
			if !strings.Contains(text.text, "SELECT id, token_id FROM "+s.table("tokens")) || met.Add(1) > 1 {
				return nil
			}
			var err error
			meanwhile, err = other.Sweep(ctx, cleaning)
			return err
		}, nil)
		done, err := st.Sweep(t.Context(), cleaning)
		require.NoError(t, err)
		if met.Load() == 0 || meanwhile.Tokens != tokens || done.Tokens != 0 {
			t.Errorf("met %d times; one sweeper deleted %d tokens, the other one %d; there were %d", met.Load(), meanwhile.Tokens, done.Tokens, tokens)
		}
		if n := s.count(t, db, "tokens"); n != 0 {
			t.Errorf("%d tokens are left", n)
		}
	})
}

// A use never waits for Sweep. The test spends after each statement of a sweep, on a
// token whose parent the sweep deletes.
func TestSweepBlocksNoUse(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		if s.dialect == sqlstore.SQLite {
			t.Skip("SQLite has one writer, who is done soon")
		}
		db := s.migrate(t)
		other := s.on(t, db)
		sp := &spy{Connector: s.connector}
		st := s.on(t, s.connectBy(t, sp))
		root, child := lineage(t, st)
		gone, err := newRoot(t.Context(), st, 1)
		require.NoError(t, err)
		for id, recursive := range map[store.TokenID]bool{root.ID: false, gone.ID: true} {
			if _, err := st.Revoke(t.Context(), store.Revocation{Token: id, Recursive: recursive, Now: 1}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		uses := 0
		sp.hook(nil, func(_ context.Context, said statement) error {
			if !said.is("UPDATE") && !said.is("DELETE") {
				return nil
			}
			uses++
			return spend(ctx, other, child)
		})
		done, err := st.Sweep(t.Context(), store.Cleaning{Now: lifeNow, Limit: 100})
		if err != nil {
			t.Fatalf("Sweep, or a use in the middle of it: %v", err)
		}
		if done.Tokens != 2 || uses < 5 {
			t.Errorf("%d tokens were deleted and %d uses made meanwhile", done.Tokens, uses)
		}
		info, err := other.Token(t.Context(), child.ID)
		if err != nil || info.Counters[0].ATUsed != int64(uses) {
			t.Errorf("%+v, %v; %d uses were made", info.Counters, err, uses)
		}
	})
}
