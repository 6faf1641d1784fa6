package sqlstore_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// Uses that wait are committed by one transaction, each with its event.
//
// proves P3
func TestBatchIsOneTransaction(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		calls := []*call{st.startHeld(t)}
		const waiting = 20
		for range waiting {
			calls = append(calls, st.startWaiting(t, t.Context(), newUse()))
		}
		st.spy.taken()
		st.release <- nil
		clauses := make(map[int]int)
		for _, c := range calls {
			<-c.done
			if c.err != nil {
				t.Fatal(c.err)
			}
			clauses[c.spent.Clause]++
		}
		if clauses[0] != 1+waiting {
			t.Errorf("clauses charged: %v", clauses)
		}
		charges := slices.DeleteFunc(st.spy.taken(), func(s statement) bool { return !isCharge(s) })
		if len(charges) != 1 {
			t.Errorf("%d uses that waited were written by %d statements, want 1", waiting, len(charges))
		}
		st.mustHaveUsed(t, 2+waiting)
		events, _, err := st.Events(t.Context(), []store.TokenID{st.token.ID}, store.Page{Limit: 100})
		if err != nil || len(events) != 2+waiting {
			t.Errorf("%d events, want %d: %v", len(events), 2+waiting, err)
		}
	})
}

// The budget ends within a batch. The first members get it, and the others learn the true
// counters.
//
// proves P3
func TestBatchSharesWhatIsLeft(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		const limit, callers = 10, 15
		st := newStage(t, s, limit) // one is spent
		calls := []*call{st.startHeld(t)}
		for range callers - 1 {
			calls = append(calls, st.startWaiting(t, t.Context(), newUse()))
		}
		st.release <- nil
		granted := 0
		for _, c := range calls {
			<-c.done
			exhausted, is := errors.AsType[*store.ExhaustedError](c.err)
			switch {
			case c.err == nil:
				granted++
			case !is:
				t.Errorf("Spend: %v", c.err)
			case len(exhausted.Counters) != 1 || exhausted.Counters[0] != store.Exhausted{Token: st.token.ID, Limit: limit, Used: limit}:
				t.Errorf("exhausted: %+v", exhausted.Counters)
			}
		}
		if granted != limit-1 || st.used(t) != limit {
			t.Errorf("%d uses were granted, and %d are counted; the limit is %d, and one was spent before", granted, st.used(t), limit)
		}
	})
}

// A bad use does not fail its batch. Here one token is forged, one clause does not exist,
// and one id belongs to a use of another token.
func TestBatchWithBadUses(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		other, err := newRoot(t.Context(), st, 5)
		require.NoError(t, err)
		taken := newUse()
		if _, err := st.Spend(t.Context(), other, taken); err != nil {
			t.Fatal(err)
		}
		calls := []*call{st.startHeld(t)}
		noClause := newUse()
		noClause.Candidates = []int{7}
		good := st.token
		st.token.Sum[0]++
		forged := st.startWaiting(t, t.Context(), newUse())
		st.token = good
		bad := st.startWaiting(t, t.Context(), noClause)
		stolen := st.startWaiting(t, t.Context(), taken)
		for range 5 {
			calls = append(calls, st.startWaiting(t, t.Context(), newUse()))
		}
		st.release <- nil
		granted(t, calls...)
		<-forged.done
		<-bad.done
		<-stolen.done
		assert.ErrorIs(t, forged.err, store.ErrForged, "forged")
		if _, is := errors.AsType[*store.ArgumentError](bad.err); !is {
			t.Errorf("no such clause: %v", bad.err)
		}
		assert.ErrorIs(t, stolen.err, store.ErrExists, "identity of another token's use")
		st.mustHaveUsed(t, 1+int64(len(calls)))
	})
}

// If a batch fails as a whole for an unforeseen reason, its members are committed one by
// one. Only those that fail by themselves get an error.
func TestBatchThatFailsIsTakenApart(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		calls := []*call{st.startHeld(t)}
		for range 5 {
			calls = append(calls, st.startWaiting(t, t.Context(), newUse()))
		}
		broken := errors.New("the disk is on fire")
		var failed atomic.Int64
		st.spy.hook(func(_ context.Context, s statement) error {
			if isCharge(s) && failed.Add(1) == 1 {
				return broken
			}
			return nil
		}, nil)
		st.release <- nil
		granted(t, calls...)
		if n := failed.Load(); n != 6 {
			t.Errorf("%d statements tried to charge after the first, want 1 for the batch and 5 for its members", n)
		}
		st.mustHaveUsed(t, 1+int64(len(calls)))
	})
}

// A use that a failed batch could not grant may be granted alone. Then it gets no error.
//
// proves P3
func TestBatchThatFailsLeavesNoAnswer(t *testing.T) {
	const limit = 3 // one is spent
	onStage(t, limit, func(t *testing.T, st *stage, first *call) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		gone := st.startWaiting(t, ctx, newUse()) // takes what is left in the batch
		left := st.startWaiting(t, t.Context(), newUse())
		st.spy.hook(func(_ context.Context, s statement) error {
			if isCharge(s) && ctx.Err() == nil {
				cancel()
				return errors.New("the disk is on fire")
			}
			return nil
		}, nil)
		st.release <- nil
		<-first.done
		<-gone.done
		<-left.done
		if first.err != nil || !errors.Is(gone.err, context.Canceled) || left.err != nil {
			t.Errorf("first: %v, gone: %v, left: %v", first.err, gone.err, left.err)
		}
		st.mustHaveUsed(t, limit)
	})
}

// Two calls with one id that wait together are one use.
//
// proves P8
func TestBatchWithOneUseTwice(t *testing.T) {
	onStage(t, 1000, func(t *testing.T, st *stage, first *call) {
		u := newUse()
		a, b := st.startWaiting(t, t.Context(), u), st.startWaiting(t, t.Context(), u)
		st.release <- nil
		<-first.done
		<-a.done
		<-b.done
		if a.err != nil || b.err != nil || a.spent.Repeated == b.spent.Repeated {
			t.Errorf("%+v, %v; %+v, %v", a.spent, a.err, b.spent, b.err)
		}
		st.mustHaveUsed(t, 3)
	})
}

// A slow token does not delay another one.
func TestBatchesOfDifferentTokens(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		if s.dialect == sqlstore.SQLite {
			t.Skip("SQLite has one writer")
		}
		st := newStage(t, s, 1000)
		other, err := newRoot(t.Context(), st, 5)
		require.NoError(t, err)
		slow := st.startHeld(t)
		assert.NoError(t, spend(t.Context(), st, other))
		st.release <- nil
		granted(t, slow)
	})
}
