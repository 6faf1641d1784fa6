package storetest

import "github.com/mytoken-go/sdk/store"

// fresh returns the outcome of the rotation that the store holds.
func fresh(r store.Rotation) store.Rotated {
	return store.Rotated{Successor: r.Successor, Fresh: true}
}

// proves P8
func rotateReplaces(e *env) {
	root := e.root(at(5, none))
	e.spend(root, 0)
	want := e.info(root.id())
	r := e.rotation(root, grace)
	r.Event = event("MT_rotated", t0)
	e.rotatedTo(r, fresh(r), "the first time")

	want.Seq, want.Expires = 2, r.Expires
	e.equal(e.info(root.id()), want, "token after the rotation")
	e.equal(e.lookup(r.To, r.Now), store.State{TokenInfo: want, Key: r.Key}, "Lookup of the successor")
	spent := root.spent(0)
	spent.Key = r.Key
	e.equal(e.charge(r.To, e.use(store.UseAT, 0)), spent, "Spend with the successor")
	e.wantUsed(root, 2)
	e.wantHistory([]*tok{root}, "MT_rotated")

	forever := e.rotation(&tok{root.Token, r.To}, grace)
	forever.Expires = 0
	e.ok(e.rotateErr(forever), "Rotate")
	e.equal(e.info(root.id()).Expires, store.Micros(0), "no expiry")
}

// proves P8
func rotateRepeated(e *env) {
	root := e.root()
	r := e.rotation(root, grace)
	r.Event = event("MT_rotated", t0)
	e.ok(e.rotateErr(r), "Rotate")
	until := r.Now.Add(grace)
	own, other := r, e.rotation(root, 2*grace)
	own.Now, other.Now, other.Event = until, until, event("MT_rotated", t0)
	e.rotatedTo(own, fresh(r), "the same again")
	e.rotatedTo(other, store.Rotated{Successor: r.Successor}, "another one")
	e.fails(e.lookupErr(other.To, until), store.ErrForged, "Lookup of a successor that is not stored")
	e.lookup(r.To, r.Now)
	e.rotatedTo(own, fresh(r), "the same again, after the successor was seen")
	e.stale(e.rotateErr(other), store.StaleError{Presented: 1, Current: 2}, "another one, after the successor was seen")
	e.equal(e.info(root.id()).Seq, uint64(2), "generation")
	e.equal(e.info(root.id()).Expires, r.Expires, "expiry")
	e.wantHistory([]*tok{root}, "MT_rotated")
	e.equal(e.lookup(r.To, r.Now).Key, r.Key, "key of the successor")
	e.fails(e.rotateErr(e.rotation(&tok{root.Token, root.forged(e)}, grace)), store.ErrForged, "rotation of a forged outdated token")
}

// proves P8
func rotateRepeatedWithoutGrace(e *env) {
	root := e.root()
	next, r := e.rotate(root, 0)
	for i := range nodes {
		r.Now += store.Micros(i) * hour
		e.rotatedTo(r, fresh(r), "the same again")
	}
	e.stale(e.rotateErr(e.rotation(root, grace)), reuse, "another rotation")
	e.lookup(next.Presented, t0)
	e.stale(e.lookupErr(root.Presented, r.Now), reuse, "Lookup of the outdated token")
}

func rotateLate(e *env) {
	root := e.root()
	next, r := e.rotate(root, grace)
	late, own := e.rotation(root, grace), r
	late.Now = r.Now.Add(grace) + 1
	own.Now = late.Now
	e.stale(e.rotateErr(late), reuse, "another rotation after the grace")
	e.rotatedTo(own, fresh(r), "the same after the grace")
	_, r2 := e.rotate(next, 0)
	e.stale(e.rotateErr(own), store.StaleError{Presented: 1, Current: 3, Reuse: true}, "the same rotation, two generations later")
	e.equal(e.info(root.id()).Expires, r2.Expires, "expiry")
}

// proves P8
func rotateSeveral(e *env) {
	first := e.root()
	second, r1 := e.rotate(first, grace)
	third, r2 := e.rotate(second, grace)
	until := r1.Now.Add(grace)

	e.equal(e.lookup(second.Presented, until).Key, r1.Key, "key of the second")
	e.stale(e.lookupErr(first.Presented, until), store.StaleError{Presented: 1, Current: 3}, "Lookup of the first, whose successor was seen")
	again := e.rotation(second, grace)
	again.Now = until
	e.rotatedTo(again, store.Rotated{Successor: r2.Successor}, "from the second")
	again = e.rotation(first, grace)
	again.Now = until
	e.stale(e.rotateErr(again), store.StaleError{Presented: 1, Current: 3}, "Rotate of the first, whose successor was seen")
	e.lookup(third.Presented, until)
	e.stale(e.lookupErr(second.Presented, until), store.StaleError{Presented: 2, Current: 3}, "Lookup of the second, whose successor was seen")
	e.equal(e.info(first.id()).Seq, uint64(3), "generation")
}

func rotateTickets(e *env) {
	root := e.root()
	oldShort, newShort, lost := e.newShort(root), e.newShort(root), e.newShort(root)
	e.put(oldShort)
	r := e.rotation(root, grace)
	r.Event = event("MT_rotated", t0)
	r.Tickets = store.TicketChanges{Drop: []store.TicketRef{oldShort.TicketRef}, Put: []store.Ticket{newShort}}

	failing := r
	failing.Tickets.By, failing.Tickets.Consume = e.useID(), []store.TicketRef{e.unknown(store.TicketTransfer)}
	e.fails(e.rotateErr(failing), store.ErrTicketNotFound, "Rotate with a missing ticket")
	e.equal(e.info(root.id()).Seq, uint64(1), "generation")
	e.wantHistory([]*tok{root})
	e.wantTicket(oldShort)
	e.lookup(root.Presented, t0)

	e.ok(e.rotateErr(r), "Rotate")
	e.unresolved(oldShort.TicketRef, t0, store.ErrTicketNotFound, "the old short token")
	e.wantTicket(newShort)

	// Neither a repeat nor the loser of a race makes its ticket changes.
	other := e.rotation(root, grace)
	other.Tickets = store.TicketChanges{Drop: []store.TicketRef{newShort.TicketRef}, Put: []store.Ticket{lost}}
	e.ok(e.rotateErr(other), "Rotate, another one")
	e.unresolved(lost.TicketRef, t0, store.ErrTicketNotFound, "the loser's short token")
	e.wantTicket(newShort)
	e.ok(e.rotateErr(r), "Rotate, again")
	e.wantTicket(newShort)
}

// proves P8: the ticket of an SSH key holds the token of the newest generation, under the
// same id.
func rotateSSHKey(e *env) {
	k := e.root()
	ticket := e.newSSHKey(k)
	e.put(ticket)
	var gone [][]byte
	for range 3 {
		r, outdated := e.rotation(k, grace), ticket.Payload
		ticket.Payload = e.sealed()
		r.Tickets = store.TicketChanges{Drop: []store.TicketRef{ticket.TicketRef}, Put: []store.Ticket{ticket}}
		for range nodes {
			e.ok(e.rotateErr(r), "Rotate")
			e.wantTicket(ticket)
		}
		gone = append(gone, outdated)
		k = &tok{k.Token, r.To}
	}
	e.hides(gone...)
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
		e.refused(e.rotateErr(r), "%s", name)
	}
	e.equal(e.info(root.id()).Seq, uint64(1), "generation")
}

// rotateAtOnce rotates one token to several successors at once.
func (e *env) rotateAtOnce(rotations []store.Rotation) ([]store.Rotated, []error) {
	e.Helper()
	got := make([]store.Rotated, len(rotations))
	errs := e.atOnce(len(rotations), func(i int, s store.Store) (err error) {
		got[i], err = s.Rotate(e.ctx, rotations[i])
		return err
	})
	return got, errs
}

// proves P8
func rotateParallel(e *env) {
	for range e.rounds {
		root := e.root()
		rotations := several(callers, func() store.Rotation {
			r := e.rotation(root, grace)
			r.Event = event("MT_rotated", t0)
			return r
		})
		got, errs := e.rotateAtOnce(rotations)
		e.allOK(errs, "Rotate")
		var won []int
		for i := range got {
			if got[i].Fresh {
				won = append(won, i)
			}
		}
		winner := e.onlyOne(won, "rotations that say that they are the stored one")
		for i := range got {
			e.equal(got[i].Successor, rotations[winner].Successor, "successor")
			if err := e.lookupErr(rotations[i].To, t0); i == winner {
				e.ok(err, "Lookup of the stored successor")
			} else {
				e.fails(err, store.ErrForged, "Lookup of a loser's successor")
			}
		}
		e.equal(e.info(root.id()).Seq, uint64(2), "generation")
		e.wantHistory([]*tok{root}, "MT_rotated")
	}
}

func rotateParallelStrict(e *env) {
	for range e.rounds {
		root := e.root()
		rotations := several(callers, func() store.Rotation { return e.rotation(root, 0) })
		_, errs := e.rotateAtOnce(rotations)
		won := e.onlyOne(winners(errs, func(err error) { e.stale(err, reuse, "Rotate that lost") }), "Rotate")
		e.lookup(rotations[won].To, t0)
	}
}

// proves P3, P8: until somebody presents the successor, the store accepts the old token
// from every holder and counts each use.
func rotateRacingUses(e *env) {
	for range e.rounds {
		root := e.root(at(unlimited, none))
		r, uses := e.rotation(root, grace), e.uses(callers, "", 0)
		errs := e.atOnce(callers, func(i int, s store.Store) error {
			if i == callers/2 {
				return errOf(s.Rotate(e.ctx, r))
			}
			return errOf(s.Spend(e.ctx, root.Presented, uses[i]))
		})
		e.allOK(errs, "Spend or Rotate")
		e.wantUsed(root, callers-1)
		e.lookup(r.To, t0+second)
	}
}
