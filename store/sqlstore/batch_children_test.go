package sqlstore_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/mytoken-go/sdk/store"
)

// newChild is a token below one that newRoot has made, with a limit of its own.
func newChild(t *testing.T, st *stage, limit store.Limit) store.Token {
	t.Helper()
	info, err := st.Token(t.Context(), st.token.ID)
	if err != nil {
		t.Fatal(err)
	}
	c := store.Token{Grant: info.Grant, Owner: info.Owner, Key: make(store.Sealed, 92), Created: 1}
	fresh(c.ID[:])
	fresh(c.Sum[:])
	c.Clauses = []store.Clause{{AT: limit, Other: store.Unlimited, Draws: 0}}
	c.Events = []store.Event{{Name: "created", Time: 1}}
	return c
}

// derive starts a use that creates a child.
func (st *stage) derive(ctx context.Context, u store.Use, child store.Token) *call {
	return begin(u, func() (store.Spent, error) { return st.CreateChild(ctx, st.token, u, child) })
}

// presented is a token as its holder shows it.
func presented(c store.Token) store.Presented {
	return store.Presented{ID: c.ID, Seq: 1, Sum: c.Sum}
}

// heldCreation starts the creation of a token and keeps it under way.
func (st *stage) heldCreation(t *testing.T) (*call, store.Token) {
	t.Helper()
	child := newChild(t, st, 5)
	return st.underWay(func() *call { return st.derive(t.Context(), newUse(), child) }), child
}

// Tokens whose creations wait at once are created by one transaction, each with
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
			child := newChild(t, st, 5)
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
				if err := spend(t.Context(), st, presented(c)); err != nil {
					t.Fatal(err)
				}
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

// A creation that cannot be does not fail its batch: one of a token that exists,
// one of a token that another member creates, one by a forged token; and what is
// repeated is created once.
//
// proves P8
func TestBatchWithBadChildren(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000) // one is spent
		root, err := newRoot(t.Context(), st, 5)
		if err != nil {
			t.Fatal(err)
		}
		first, _ := st.heldCreation(t)
		wait := func(u store.Use, child store.Token) *call {
			return st.waiting(t, func() *call { return st.derive(t.Context(), u, child) })
		}
		exists := newChild(t, st, 5)
		exists.ID = root.ID
		twin := newChild(t, st, 5)
		foreign := newChild(t, st, 5)
		foreign.Owner[0]++
		good, again := wait(newUse(), newChild(t, st, 5)), newUse()
		repeated := newChild(t, st, 5)
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

// Who gives up while his batch is under way finds out by repeating. What was to be
// created is what he had asked for, whatever he does with his slices afterwards.
//
// proves P8
func TestBatchCreatesForWhoHasGone(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000) // one is spent
		first, _ := st.heldCreation(t)
		leader := st.waiting(t, func() *call { return st.derive(t.Context(), newUse(), newChild(t, st, 5)) })
		ctx, cancel := context.WithCancel(t.Context())
		child := newChild(t, st, 5)
		gone := st.waiting(t, func() *call { return st.derive(ctx, newUse(), child) })
		st.hold.Store(true)
		st.release <- nil
		<-st.held
		cancel()
		<-gone.done
		if !errors.Is(gone.err, context.Canceled) {
			t.Errorf("CreateChild: %v", gone.err)
		}
		kept := child
		kept.Key, kept.Clauses, kept.Events = slices.Clone(child.Key), slices.Clone(child.Clauses), slices.Clone(child.Events)
		child.Key[0], child.Clauses[0].AT, child.Events[0].Name = 1, 1, "changed" // what the caller does with it now is his business
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
