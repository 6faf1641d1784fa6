package storetest

import "github.com/mytoken-go/sdk/store"

func presentedUnknown(e *env) {
	root := e.root()
	for _, s := range e.steps(root) {
		e.fails(s.do(store.Presented{ID: e.tokenID(), Seq: 1, Sum: root.Presented.Sum}, t0), store.ErrNotFound, "%s", s.name)
	}
}

func presentedForged(e *env) {
	root := e.root()
	next, _ := e.rotate(root, grace)
	seq := func(n uint64) store.Presented {
		return store.Presented{ID: root.id(), Seq: n, Sum: next.Presented.Sum}
	}
	ofFirst := next.Presented
	ofFirst.Sum = root.Presented.Sum
	for _, s := range e.steps(root) {
		e.fails(s.do(next.forged(e), t0), store.ErrForged, "%s, current generation, another sum", s.name)
		e.fails(s.do(ofFirst, t0), store.ErrForged, "%s, current generation, the sum of the first", s.name)
		e.fails(s.do(seq(3), t0), store.ErrForged, "%s, a generation to come", s.name)
		e.fails(s.do(seq(1<<40), t0), store.ErrForged, "%s, a generation far away", s.name)
		if s.name != "Rotate" { // whose arguments would be wrong
			e.fails(s.do(seq(0), t0), store.ErrForged, "%s, generation zero", s.name)
		}
	}
	for _, s := range e.steps(root) {
		e.ok(s.do(root.Presented, t0+second), "%s: a forgery must not confirm the rotation", s.name)
	}
}

// proves P6
func presentedRevoked(e *env) {
	root := e.root()
	child := e.child(root)
	grandchild := e.child(child)
	e.revoke(child, true)
	for _, s := range e.steps(root) {
		e.fails(s.do(child.Presented, t0), store.ErrRevoked, "%s with a revoked token", s.name)
		e.fails(s.do(grandchild.Presented, t0), store.ErrRevoked, "%s below a revoked token", s.name)
		if err := s.do(child.forged(e), t0); err == nil {
			e.Errorf("%s with a forged and revoked token succeeded", s.name)
		}
	}
}

// proves P8
func presentedInGrace(e *env) {
	root := e.root(limits(9, 9, none))
	_, r := e.rotate(root, grace)
	until := r.Now.Add(grace)
	for _, s := range e.steps(root) {
		e.ok(s.do(root.Presented, r.Now), "%s at the instant of the rotation", s.name)
		e.ok(s.do(root.Presented, until), "%s at the last instant of the grace", s.name)
	}
	state := e.lookup(root.Presented, until)
	e.equal(state.Key, root.Key, "key for the outdated generation")
	e.equal(state.Outdated, true, "Lookup says that the generation is outdated")
	e.equal(state.Seq, uint64(2), "current generation")
	want := root.spent(0)
	want.Outdated = true
	e.equal(e.charge(root.Presented, e.use(store.UseAT, 0)), want, "Spend")
	e.equal(e.derive(root.Presented, e.use(store.UseOther, 0), e.newChild(root)), want, "CreateChild")
}

func presentedAfterGrace(e *env) {
	root := e.root()
	next, r := e.rotate(root, grace)
	late := r.Now.Add(grace) + 1
	for _, s := range e.steps(root) {
		e.stale(s.do(root.Presented, late), reuse, "%s", s.name)
		e.stale(s.do(root.forged(e), late), reuse, "%s with another sum", s.name)
	}
	e.lookup(next.Presented, late)
}

func presentedAfterConfirmation(e *env) {
	for i := range e.steps(nil) {
		root := e.root()
		next, r := e.rotate(root, grace)
		until := r.Now.Add(grace)
		confirm := e.steps(next)[i]
		e.ok(confirm.do(next.Presented, r.Now), "%s with the successor", confirm.name)
		lost := store.StaleError{Presented: 1, Current: 2}
		if confirm.name == "Rotate" {
			lost.Current = 3
		}
		late := lost
		late.Reuse = true
		for _, s := range e.steps(root) {
			e.stale(s.do(root.Presented, until), lost, "%s within the grace, after %s with the successor", s.name, confirm.name)
			e.stale(s.do(root.Presented, until+1), late, "%s after the grace, after %s with the successor", s.name, confirm.name)
		}
	}
}

// presentedAgain checks that a repeated step confirms as well.
func presentedAgain(e *env) {
	root := e.root(at(9, none))
	use, birth, child := e.use(store.UseAT, 0), e.uncounted(), e.newChild(root)
	spend := func(p store.Presented) error { return e.spendErr(p, use) }
	create := func(p store.Presented) error { return e.childErr(p, birth, child) }
	e.ok(spend(root.Presented), "Spend")
	e.ok(create(root.Presented), "CreateChild")
	current := root
	for _, again := range []func(store.Presented) error{spend, create} {
		next, r := e.rotate(current, grace)
		e.ok(again(current.Presented), "the same use with the outdated token")
		e.ok(again(next.Presented), "the same use with the successor")
		want := store.StaleError{Presented: current.Presented.Seq, Current: next.Presented.Seq}
		e.stale(again(current.Presented), want, "the same use with the outdated token")
		e.stale(e.lookupErr(current.Presented, r.Now), want, "Lookup of the outdated token")
		current = next
	}
}

func presentedWithoutGrace(e *env) {
	root := e.root()
	next, r := e.rotate(root, 0)
	for _, s := range e.steps(root) {
		e.stale(s.do(root.Presented, r.Now), reuse, "%s", s.name)
	}
	e.lookup(next.Presented, r.Now)
}

func presentedOutdatedForged(e *env) {
	root := e.root()
	next, r := e.rotate(root, grace)
	forged, asSuccessor := root.forged(e), root.Presented
	asSuccessor.Sum = next.Presented.Sum
	check := func(when string) {
		for _, s := range e.steps(root) {
			e.fails(s.do(forged, r.Now), store.ErrForged, "%s, forged, %s", s.name, when)
			e.fails(s.do(asSuccessor, r.Now), store.ErrForged, "%s, with the successor's sum, %s", s.name, when)
		}
	}
	check("before the successor was seen")
	e.lookup(next.Presented, r.Now)
	check("after the successor was seen")
}

// proves P6
func presentedRevokedOutdated(e *env) {
	root := e.root()
	child := e.child(root)
	_, r := e.rotate(child, grace)
	e.revoke(root, true)
	for _, s := range e.steps(child) {
		e.fails(s.do(child.Presented, r.Now), store.ErrRevoked, "%s within the grace", s.name)
		e.fails(s.do(child.Presented, r.Now.Add(grace)+1), store.ErrRevoked, "%s after the grace", s.name)
	}
}

func presentedFirst(e *env) {
	root := e.root(limits(0, 0, none))
	outdated, revoked := e.child(root, limits(0, 0, none)), e.child(root, limits(0, 0, none))
	e.rotate(outdated, 0)
	e.revoke(revoked, false)
	refunded, other := e.use(store.UseOther, 0), e.use(store.UseOther, 0)
	e.refund(refunded.ID)
	e.charge(e.root(limits(1, 1, none)).Presented, other)
	missing := e.uncounted()
	missing.Tickets = e.consuming(e.unknown(store.TicketState))
	forged := root.forged(e)
	child := e.newChild(root)
	child.Token.ID = root.id()
	for what, use := range map[string]store.Use{
		"a refunded use": refunded, "another token's use": other, "no budget": e.use(store.UseOther, 0), "a missing ticket": missing,
	} {
		for _, do := range []func(store.Presented) error{
			func(p store.Presented) error { return e.spendErr(p, use) },
			func(p store.Presented) error { return e.childErr(p, use, child) },
		} {
			e.fails(do(forged), store.ErrForged, "forged, and %s", what)
			e.fails(do(revoked.Presented), store.ErrRevoked, "revoked, and %s", what)
			e.stale(do(outdated.Presented), reuse, "outdated, and %s", what)
		}
	}
}

func presentedFailed(e *env) {
	root := e.root(limits(0, 0, none))
	next, r := e.rotate(root, grace)
	e.exhausted(e.spendErr(next.Presented, e.use(store.UseAT, 0)), "Spend with the successor")
	for _, s := range e.steps(root) {
		e.ok(s.do(root.Presented, r.Now), "%s after a failed step with the successor", s.name)
	}
}

func lookupWritesNothing(e *env) {
	root := e.root(limits(3, 3, none))
	child := e.child(root, limits(2, 2, 0))
	e.spend(child, 0)
	before := e.info(child.id())
	for i := range 2 * nodes {
		got := e.lookup(child.Presented, t0+store.Micros(i)*hour)
		e.equal(got, store.State{TokenInfo: before, Key: child.Key}, "Lookup")
	}
	e.equal(e.info(child.id()), before, "the token")
	e.wantHistory([]*tok{child, root})
	e.wantUsed(root, 1)
}
