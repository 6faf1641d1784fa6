package sqlstore_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

// derive starts a use that creates a child.
func (st *stage) derive(ctx context.Context, u store.Use, child store.Token) *call {
	return begin(u, func() (store.Spent, error) { return st.CreateChild(ctx, st.token, u, child) })
}

// heldCreation starts the creation of a token and keeps it under way.
func (st *stage) heldCreation(t *testing.T) (*call, store.Token) {
	t.Helper()
	child := newChild(t, st, st.token.ID, 5)
	return st.underWay(func() *call { return st.derive(t.Context(), newUse(), child) }), child
}

// Creations that wait at the same time are committed by one transaction. Each child has
// its event, its counters and its part of the parent's budget.
//
// proves P4
func TestBatchCreatesChildren(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		const waiting = 10
		st := newStage(t, s, 1000) // one is spent
		first, child := st.heldCreation(t)
		calls, children := []*call{first}, []store.Token{child}
		for range waiting {
			child := newChild(t, st, st.token.ID, 5)
			calls = append(calls, st.waiting(t, func() *call { return st.derive(t.Context(), newUse(), child) }))
			children = append(children, child)
		}
		st.spy.taken()
		st.release <- nil
		for _, c := range calls {
			<-c.done
			if c.err != nil || c.spent.Clause != 0 {
				t.Fatalf("CreateChild: %+v, %v", c.spent, c.err)
			}
		}
		charges := 0
		for _, said := range st.spy.taken() {
			if isCharge(said) {
				charges++
			}
		}
		if charges != 1 {
			t.Errorf("%d creations that waited were charged by %d statements, want 1", waiting, charges)
		}
		for _, c := range children {
			info, err := st.Token(t.Context(), c.ID)
			if err != nil || !info.Live || len(info.Ancestors) != 1 || info.Ancestors[0] != st.token.ID {
				t.Fatalf("child: %+v, %v", info, err)
			}
			for range 5 {
				require.NoError(t, spend(t.Context(), st, presented(c)))
			}
			var exhausted *store.ExhaustedError
			if err := spend(t.Context(), st, presented(c)); !errors.As(err, &exhausted) {
				t.Errorf("use 6 of 5: %v", err)
			}
		}
		st.mustHaveUsed(t, int64(1+len(children)+5*len(children)))
		events, _, err := st.Events(t.Context(), []store.TokenID{st.token.ID}, store.Page{Limit: 100})
		if err != nil || len(events) != 1+len(children) {
			t.Errorf("%d events of the parent, want %d: %v", len(events), 1+len(children), err)
		}
	})
}

// A bad creation does not fail its batch. Here one child exists already, one has a
// foreign owner, and two members create the same child. A repeated creation creates its
// child once.
//
// proves P8
func TestBatchWithBadChildren(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000) // one is spent
		root, err := newRoot(t.Context(), st, 5)
		require.NoError(t, err)
		first, _ := st.heldCreation(t)
		wait := func(u store.Use, child store.Token) *call {
			return st.waiting(t, func() *call { return st.derive(t.Context(), u, child) })
		}
		exists := newChild(t, st, st.token.ID, 5)
		exists.ID = root.ID
		twin := newChild(t, st, st.token.ID, 5)
		foreign := newChild(t, st, st.token.ID, 5)
		foreign.Owner[0]++
		good, again := wait(newUse(), newChild(t, st, st.token.ID, 5)), newUse()
		repeated := newChild(t, st, st.token.ID, 5)
		bad := []struct {
			*call
			want error
		}{
			{wait(newUse(), exists), store.ErrExists},
			{wait(newUse(), foreign), new(store.ArgumentError)},
		}
		twins := []*call{wait(newUse(), twin), wait(newUse(), twin)}
		repeats := []*call{wait(again, repeated), wait(again, repeated)}
		st.release <- nil
		for _, c := range append(append([]*call{first, good}, repeats...), twins...) {
			<-c.done
		}
		if first.err != nil || good.err != nil || repeats[0].err != nil || repeats[1].err != nil {
			t.Errorf("good ones: %v, %v, %v, %v", first.err, good.err, repeats[0].err, repeats[1].err)
		}
		if repeats[0].spent.Repeated == repeats[1].spent.Repeated {
			t.Errorf("the same twice: %+v, %+v", repeats[0].spent, repeats[1].spent)
		}
		if (twins[0].err == nil) == (twins[1].err == nil) || !errors.Is(errors.Join(twins[0].err, twins[1].err), store.ErrExists) {
			t.Errorf("one token twice: %v, %v", twins[0].err, twins[1].err)
		}
		for _, b := range bad {
			<-b.done
			var argument *store.ArgumentError
			if !errors.Is(b.err, b.want) && !(errors.As(b.want, &argument) && errors.As(b.err, &argument)) {
				t.Errorf("CreateChild: %v, want %v", b.err, b.want)
			}
		}
		st.mustHaveUsed(t, 1+4)
	})
}

// A caller that gives up while its batch is under way learns the outcome by repeating.
// The batch creates the token that the caller asked for, even if the caller changes its
// slices afterwards.
//
// proves P8
func TestBatchCreatesForCancelledCaller(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000) // one is spent
		first, _ := st.heldCreation(t)
		leader := st.waiting(t, func() *call { return st.derive(t.Context(), newUse(), newChild(t, st, st.token.ID, 5)) })
		ctx, cancel := context.WithCancel(t.Context())
		child := newChild(t, st, st.token.ID, 5)
		gone := st.waiting(t, func() *call { return st.derive(ctx, newUse(), child) })
		st.hold.Store(true)
		st.release <- nil
		<-st.held
		cancel()
		<-gone.done
		assert.ErrorIs(t, gone.err, context.Canceled, "CreateChild")
		kept := child
		kept.Key, kept.Clauses, kept.Events = slices.Clone(child.Key), slices.Clone(child.Clauses), slices.Clone(child.Events)
		child.Key[0], child.Clauses[0].AT, child.Events[0].Name = 1, 1, "changed" // the caller may do so now
		st.release <- nil
		<-first.done
		<-leader.done
		state, err := st.Lookup(t.Context(), presented(kept), 2)
		if err != nil || !bytes.Equal(state.Key, kept.Key) || state.Counters[0].AT != kept.Clauses[0].AT {
			t.Errorf("stored: %+v, %v; want %+v", state, err, kept)
		}
		events, _, err := st.Events(t.Context(), []store.TokenID{kept.ID}, store.Page{Limit: 10})
		if err != nil || len(events) != 1 || events[0].Name != kept.Events[0].Name {
			t.Errorf("its history: %+v, %v", events, err)
		}
		again, err := st.CreateChild(t.Context(), st.token, gone.use, kept)
		if first.err != nil || leader.err != nil || err != nil || !again.Repeated {
			t.Errorf("%v, %v, again: %+v, %v", first.err, leader.err, again, err)
		}
		st.mustHaveUsed(t, 4)
	})
}
