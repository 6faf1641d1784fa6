package storetest

import (
	"github.com/mytoken-go/sdk/store"
)

func rotateCases() []testCase {
	return []testCase{
		{name: "replaces the generation", run: rotateReplaces},
		{name: "repeated returns the stored successor", run: rotateRepeated},
		{name: "repeated without grace", run: rotateRepeatedWithoutGrace},
		{name: "after the grace is stale", run: rotateLate},
		{name: "several times within one grace", run: rotateSeveral},
		{name: "changes tickets in the same step", run: rotateTickets},
		{name: "bad arguments are refused", run: rotateArguments},
		{name: "parallel rotations have one successor", run: rotateParallel},
		{name: "parallel rotations without grace have one winner", run: rotateParallelStrict},
		{name: "uses that race it are answered", run: rotateRacingUses},
	}
}

// proves P8
func rotateReplaces(e *env) {
	root := e.root(at(5, store.NoClause))
	e.spend(root, 0)
	before := e.info(root.id())
	r := e.rotation(root, grace)
	r.Event = event("MT_rotated", t0)
	got, err := e.s.Rotate(e.ctx, r)
	e.ok(err, "Rotate")
	e.equal(got, store.Rotated{Successor: r.Successor, Fresh: true}, "Rotate")

	want := before
	want.Seq, want.Expires = 2, r.Expires
	e.equal(e.info(root.id()), want, "token after the rotation")
	state, err := e.s.Lookup(e.ctx, r.To, r.Now)
	e.ok(err, "Lookup")
	e.equal(state, store.State{TokenInfo: want, Key: r.Key}, "Lookup of the successor")
	spent, err := e.s.Spend(e.ctx, r.To, e.use(store.UseAT, 0))
	e.ok(err, "Spend")
	e.equal(spent, store.Spent{Grant: root.Grant, Owner: root.Owner, Key: r.Key}, "Spend with the successor")
	e.equal(e.used(root), []int64{2}, "uses of both generations")
	e.equal(e.history(root.id()), []string{"MT_rotated"}, "history")

	forever := e.rotation(&tok{root.Token, r.To}, grace)
	forever.Expires = 0
	_, err = e.s.Rotate(e.ctx, forever)
	e.ok(err, "Rotate")
	e.equal(e.info(root.id()).Expires, store.Micros(0), "no expiry")
}

// proves P8
func rotateRepeated(e *env) {
	root := e.root()
	r := e.rotation(root, grace)
	r.Event = event("MT_rotated", t0)
	_, err := e.s.Rotate(e.ctx, r)
	e.ok(err, "Rotate")
	until := r.Now.Add(grace)
	check := func(when string) {
		e.Helper()
		own := r
		own.Now = until
		got, err := e.s.Rotate(e.ctx, own)
		e.ok(err, "the same rotation again, %s", when)
		e.equal(got, store.Rotated{Successor: r.Successor, Fresh: true}, "the same rotation again, %s", when)
		other := e.rotation(root, 2*grace)
		other.Now, other.Event = until, event("MT_rotated", t0)
		got, err = e.s.Rotate(e.ctx, other)
		e.ok(err, "another rotation, %s", when)
		e.equal(got, store.Rotated{Successor: r.Successor}, "another rotation, %s", when)
		_, err = e.s.Lookup(e.ctx, other.To, until)
		e.fails(err, store.ErrForged, "Lookup of a successor that is not stored, %s", when)
	}
	check("before the successor was seen")
	_, err = e.s.Lookup(e.ctx, r.To, r.Now)
	e.ok(err, "Lookup of the successor")
	check("after the successor was seen")
	e.equal(e.info(root.id()).Seq, uint64(2), "generation")
	e.equal(e.info(root.id()).Expires, r.Expires, "expiry")
	e.equal(e.history(root.id()), []string{"MT_rotated"}, "history")
	state, err := e.s.Lookup(e.ctx, r.To, r.Now)
	e.ok(err, "Lookup of the successor")
	e.equal(state.Key, r.Key, "key of the successor")
	_, err = e.s.Rotate(e.ctx, e.rotation(&tok{root.Token, store.Presented{ID: root.id(), Seq: 1, Sum: e.sum()}}, grace))
	e.fails(err, store.ErrForged, "rotation of a forged outdated token")
}

// proves P8
func rotateRepeatedWithoutGrace(e *env) {
	root := e.root()
	next, r := e.rotate(root, 0)
	for i := range nodes {
		r.Now += store.Micros(i) * hour
		got, err := e.s.Rotate(e.ctx, r)
		e.ok(err, "the same rotation again")
		e.equal(got, store.Rotated{Successor: r.Successor, Fresh: true}, "the same rotation again")
	}
	_, err := e.s.Rotate(e.ctx, e.rotation(root, grace))
	e.stale(err, store.StaleError{Presented: 1, Current: 2, Reuse: true}, "another rotation")
	_, err = e.s.Lookup(e.ctx, next.Presented, t0)
	e.ok(err, "Lookup of the successor")
	_, err = e.s.Lookup(e.ctx, root.Presented, r.Now)
	e.stale(err, store.StaleError{Presented: 1, Current: 2, Reuse: true}, "Lookup of the outdated token")
}

func rotateLate(e *env) {
	root := e.root()
	next, r := e.rotate(root, grace)
	late := e.rotation(root, grace)
	late.Now = r.Now.Add(grace) + 1
	_, err := e.s.Rotate(e.ctx, late)
	e.stale(err, store.StaleError{Presented: 1, Current: 2, Reuse: true}, "another rotation after the grace")
	own := r
	own.Now = late.Now
	got, err := e.s.Rotate(e.ctx, own)
	e.ok(err, "the same rotation after the grace")
	e.equal(got, store.Rotated{Successor: r.Successor, Fresh: true}, "the same rotation after the grace")
	_, r2 := e.rotate(next, 0)
	_, err = e.s.Rotate(e.ctx, own)
	e.stale(err, store.StaleError{Presented: 1, Current: 3, Reuse: true}, "the same rotation, two generations later")
	e.equal(e.info(root.id()).Expires, r2.Expires, "expiry")
}

// proves P8
func rotateSeveral(e *env) {
	first := e.root()
	second, r1 := e.rotate(first, grace)
	third, r2 := e.rotate(second, grace)
	until := r1.Now.Add(grace)

	state, err := e.s.Lookup(e.ctx, second.Presented, until)
	e.ok(err, "Lookup of the second")
	e.equal(state.Key, r1.Key, "key of the second")
	_, err = e.s.Lookup(e.ctx, first.Presented, until)
	e.stale(err, store.StaleError{Presented: 1, Current: 3}, "Lookup of the first, whose successor was seen")
	for _, x := range []struct {
		k    *tok
		want store.Sealed
	}{{first, r1.Successor}, {second, r2.Successor}} {
		r := e.rotation(x.k, grace)
		r.Now = until
		got, err := e.s.Rotate(e.ctx, r)
		e.ok(err, "Rotate from generation %d", x.k.Presented.Seq)
		e.equal(got, store.Rotated{Successor: x.want}, "Rotate from generation %d", x.k.Presented.Seq)
	}
	_, err = e.s.Lookup(e.ctx, third.Presented, until)
	e.ok(err, "Lookup of the third")
	_, err = e.s.Lookup(e.ctx, second.Presented, until)
	e.stale(err, store.StaleError{Presented: 2, Current: 3}, "Lookup of the second, whose successor was seen")
	e.equal(e.info(first.id()).Seq, uint64(3), "generation")
}

func rotateTickets(e *env) {
	root := e.root()
	oldShort, newShort := e.newShort(root), e.newShort(root)
	e.put(oldShort)
	r := e.rotation(root, grace)
	r.Event = event("MT_rotated", t0)
	r.Tickets = store.TicketChanges{Drop: []store.TicketRef{oldShort.TicketRef}, Put: []store.Ticket{newShort}}

	failing := r
	failing.Tickets.By, failing.Tickets.Consume = e.useID(), []store.TicketRef{{Kind: store.TicketTransfer, ID: e.ticketID()}}
	_, err := e.s.Rotate(e.ctx, failing)
	e.fails(err, store.ErrTicketNotFound, "Rotate with a missing ticket")
	e.equal(e.info(root.id()).Seq, uint64(1), "generation")
	e.equal(e.history(root.id()), []string(nil), "history")
	e.equal(e.resolve(oldShort.TicketRef), oldShort, "the old short token")
	_, err = e.s.Lookup(e.ctx, root.Presented, t0)
	e.ok(err, "Lookup")

	_, err = e.s.Rotate(e.ctx, r)
	e.ok(err, "Rotate")
	e.unresolved(oldShort.TicketRef, t0, store.ErrTicketNotFound, "the old short token")
	e.equal(e.resolve(newShort.TicketRef), newShort, "the new short token")

	// Neither a repeat nor a loser makes its changes.
	other := e.rotation(root, grace)
	lost := e.newShort(root)
	other.Tickets = store.TicketChanges{Drop: []store.TicketRef{newShort.TicketRef}, Put: []store.Ticket{lost}}
	_, err = e.s.Rotate(e.ctx, other)
	e.ok(err, "Rotate, another one")
	e.unresolved(lost.TicketRef, t0, store.ErrTicketNotFound, "the loser's short token")
	e.equal(e.resolve(newShort.TicketRef), newShort, "the new short token")
	_, err = e.s.Rotate(e.ctx, r)
	e.ok(err, "Rotate, again")
	e.equal(e.resolve(newShort.TicketRef), newShort, "the new short token")
}

func rotateArguments(e *env) {
	root := e.root()
	for name, spoil := range map[string]func(*store.Rotation){
		"no token":           func(r *store.Rotation) { r.From.ID, r.To.ID = store.TokenID{}, store.TokenID{} },
		"generation zero":    func(r *store.Rotation) { r.From.Seq, r.To.Seq = 0, 1 },
		"no sum":             func(r *store.Rotation) { r.From.Sum = store.Sum{} },
		"to another token":   func(r *store.Rotation) { r.To.ID = e.tokenID() },
		"a generation ahead": func(r *store.Rotation) { r.To.Seq = 3 },
		"to no sum":          func(r *store.Rotation) { r.To.Sum = store.Sum{} },
		"to the same sum":    func(r *store.Rotation) { r.To.Sum = r.From.Sum },
		"no key":             func(r *store.Rotation) { r.Key = nil },
		"no successor":       func(r *store.Rotation) { r.Successor = nil },
		"negative grace":     func(r *store.Rotation) { r.Grace = -1 },
		"bad tickets":        func(r *store.Rotation) { r.Tickets.Drop = []store.TicketRef{{}} },
	} {
		r := e.rotation(root, grace)
		spoil(&r)
		_, err := e.s.Rotate(e.ctx, r)
		e.refused(err, "%s", name)
	}
	e.equal(e.info(root.id()).Seq, uint64(1), "generation")
}

// proves P8
func rotateParallel(e *env) {
	for range e.rounds {
		const callers = 2 * nodes
		root := e.root()
		var (
			rotations [callers]store.Rotation
			got       [callers]store.Rotated
			errs      [callers]error
		)
		for i := range rotations {
			rotations[i] = e.rotation(root, grace)
			rotations[i].Event = event("MT_rotated", t0)
		}
		e.parallel(callers, func(i int, s store.Store) { got[i], errs[i] = s.Rotate(e.ctx, rotations[i]) })
		winner := -1
		for i, err := range errs {
			e.ok(err, "Rotate")
			if got[i].Fresh {
				if winner >= 0 {
					e.Errorf("two rotations of one generation say that they are the stored one")
				}
				winner = i
			}
		}
		if winner < 0 {
			e.Fatalf("no rotation says that it is the stored one")
		}
		for i := range got {
			e.equal(got[i].Successor, rotations[winner].Successor, "successor")
			_, err := e.s.Lookup(e.ctx, rotations[i].To, t0)
			if i == winner {
				e.ok(err, "Lookup of the stored successor")
			} else {
				e.fails(err, store.ErrForged, "Lookup of a loser's successor")
			}
		}
		e.equal(e.info(root.id()).Seq, uint64(2), "generation")
		e.equal(e.history(root.id()), []string{"MT_rotated"}, "history")
	}
}

func rotateParallelStrict(e *env) {
	for range e.rounds {
		const callers = 2 * nodes
		root := e.root()
		var (
			rotations [callers]store.Rotation
			errs      [callers]error
		)
		for i := range rotations {
			rotations[i] = e.rotation(root, 0)
		}
		e.parallel(callers, func(i int, s store.Store) { _, errs[i] = s.Rotate(e.ctx, rotations[i]) })
		won := 0
		for i, err := range errs {
			if err != nil {
				e.stale(err, store.StaleError{Presented: 1, Current: 2, Reuse: true}, "Rotate that lost")
				continue
			}
			won++
			_, err := e.s.Lookup(e.ctx, rotations[i].To, t0)
			e.ok(err, "Lookup of the winner's successor")
		}
		e.equal(won, 1, "rotations that succeeded")
	}
}

// proves P3, P8: until somebody presents the successor, all holders of the
// old token are answered, and each use is counted.
func rotateRacingUses(e *env) {
	for range e.rounds {
		const callers = 2 * nodes
		root := e.root(at(store.Unlimited, store.NoClause))
		var (
			uses [callers]store.Use
			errs [callers]error
		)
		r := e.rotation(root, grace)
		for i := range uses {
			uses[i] = e.use(store.UseAT, 0)
		}
		e.parallel(callers, func(i int, s store.Store) {
			if i == callers/2 {
				_, errs[i] = s.Rotate(e.ctx, r)
				return
			}
			_, errs[i] = s.Spend(e.ctx, root.Presented, uses[i])
		})
		for i, err := range errs {
			e.ok(err, "call %d", i)
		}
		e.equal(e.used(root), []int64{callers - 1}, "uses")
		_, err := e.s.Lookup(e.ctx, r.To, t0+second)
		e.ok(err, "Lookup of the successor")
	}
}
