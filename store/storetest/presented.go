package storetest

import (
	"github.com/mytoken-go/sdk/store"
)

func presentedCases() []testCase {
	return []testCase{
		{name: "unknown token", run: presentedUnknown},
		{name: "forged token", run: presentedForged},
		{name: "revoked token", run: presentedRevoked},
		{name: "outdated token within its grace", run: presentedInGrace},
		{name: "outdated token after its grace", run: presentedAfterGrace},
		{name: "outdated token after its successor was seen", run: presentedAfterConfirmation},
		{name: "outdated token after its successor was seen in a repeat", run: presentedAgain},
		{name: "outdated token without grace", run: presentedWithoutGrace},
		{name: "outdated token forged", run: presentedOutdatedForged},
		{name: "revocation comes before staleness", run: presentedRevokedOutdated},
		{name: "comes before anything else in the way", run: presentedFirst},
		{name: "failed step confirms nothing", run: presentedFailed},
		{name: "lookup spends and writes nothing", run: lookupWritesNothing},
	}
}

func presentedUnknown(e *env) {
	root := e.root()
	for _, s := range e.steps(root) {
		e.fails(s.do(store.Presented{ID: e.tokenID(), Seq: 1, Sum: root.Presented.Sum}, t0), store.ErrNotFound, "%s", s.name)
	}
}

func presentedForged(e *env) {
	root := e.root()
	next, _ := e.rotate(root, grace)
	for _, s := range e.steps(root) {
		p := next.Presented
		p.Sum = e.sum()
		e.fails(s.do(p, t0), store.ErrForged, "%s, current generation, another sum", s.name)
		p.Sum = root.Presented.Sum
		e.fails(s.do(p, t0), store.ErrForged, "%s, current generation, the sum of the first", s.name)
		p = next.Presented
		p.Seq = 3
		e.fails(s.do(p, t0), store.ErrForged, "%s, a generation to come", s.name)
		p.Seq = 1 << 40
		e.fails(s.do(p, t0), store.ErrForged, "%s, a generation far away", s.name)
		if s.name != "Rotate" { // whose arguments would be wrong
			p.Seq = 0
			e.fails(s.do(p, t0), store.ErrForged, "%s, generation zero", s.name)
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
	e.revoke(child.id(), true)
	for _, s := range e.steps(root) {
		e.fails(s.do(child.Presented, t0), store.ErrRevoked, "%s with a revoked token", s.name)
		e.fails(s.do(grandchild.Presented, t0), store.ErrRevoked, "%s below a revoked token", s.name)
		p := child.Presented
		p.Sum = e.sum()
		if err := s.do(p, t0); err == nil {
			e.Errorf("%s with a forged and revoked token succeeded", s.name)
		}
	}
}

// proves P8
func presentedInGrace(e *env) {
	root := e.root(store.Clause{AT: 9, Other: 9, Draws: store.NoClause})
	_, r := e.rotate(root, grace)
	until := r.Now.Add(grace)
	for _, s := range e.steps(root) {
		e.ok(s.do(root.Presented, r.Now), "%s at the instant of the rotation", s.name)
		e.ok(s.do(root.Presented, until), "%s at the last instant of the grace", s.name)
	}
	state, err := e.s.Lookup(e.ctx, root.Presented, until)
	e.ok(err, "Lookup")
	e.equal(state.Key, root.Key, "key for the outdated generation")
	e.equal(state.Outdated, true, "Lookup says that the generation is outdated")
	e.equal(state.Seq, uint64(2), "current generation")
	spent, err := e.s.Spend(e.ctx, root.Presented, e.use(store.UseAT, 0))
	e.ok(err, "Spend")
	e.equal(spent, store.Spent{Grant: root.Grant, Owner: root.Owner, Key: root.Key, Outdated: true}, "Spend")
	spent, err = e.s.CreateChild(e.ctx, root.Presented, e.use(store.UseOther, 0), e.newChild(root))
	e.ok(err, "CreateChild")
	e.equal(spent, store.Spent{Grant: root.Grant, Owner: root.Owner, Key: root.Key, Outdated: true}, "CreateChild")
}

func presentedAfterGrace(e *env) {
	root := e.root()
	next, r := e.rotate(root, grace)
	late := r.Now.Add(grace) + 1
	for _, s := range e.steps(root) {
		e.stale(s.do(root.Presented, late), store.StaleError{Presented: 1, Current: 2, Reuse: true}, "%s", s.name)
		p := root.Presented
		p.Sum = e.sum()
		e.stale(s.do(p, late), store.StaleError{Presented: 1, Current: 2, Reuse: true}, "%s with another sum", s.name)
	}
	_, err := e.s.Lookup(e.ctx, next.Presented, late)
	e.ok(err, "Lookup of the successor")
}

func presentedAfterConfirmation(e *env) {
	for i := range e.steps(nil) {
		root := e.root()
		next, r := e.rotate(root, grace)
		until := r.Now.Add(grace)
		confirm := e.steps(next)[i]
		e.ok(confirm.do(next.Presented, r.Now), "%s with the successor", confirm.name)
		current := uint64(2)
		if confirm.name == "Rotate" {
			current = 3
		}
		for _, s := range e.steps(root) {
			if s.name != "Rotate" { // which hands out the stored successor
				e.stale(s.do(root.Presented, until), store.StaleError{Presented: 1, Current: current},
					"%s within the grace, after %s with the successor", s.name, confirm.name)
			}
			e.stale(s.do(root.Presented, until+1), store.StaleError{Presented: 1, Current: current, Reuse: true},
				"%s after the grace, after %s with the successor", s.name, confirm.name)
		}
	}
}

// A step that is repeated confirms as well.
func presentedAgain(e *env) {
	root := e.root(at(9, store.NoClause))
	use, birth := e.use(store.UseAT, 0), e.uncounted()
	child := e.newChild(root)
	spend := func(p store.Presented) error {
		_, err := e.s.Spend(e.ctx, p, use)
		return err
	}
	create := func(p store.Presented) error {
		_, err := e.s.CreateChild(e.ctx, p, birth, child)
		return err
	}
	current := root
	e.ok(spend(root.Presented), "Spend")
	e.ok(create(root.Presented), "CreateChild")
	for _, again := range []func(store.Presented) error{spend, create} {
		next, r := e.rotate(current, grace)
		e.ok(again(current.Presented), "the same use with the outdated token")
		e.ok(again(next.Presented), "the same use with the successor")
		e.stale(again(current.Presented), store.StaleError{Presented: current.Presented.Seq, Current: next.Presented.Seq}, "the same use with the outdated token")
		_, err := e.s.Lookup(e.ctx, current.Presented, r.Now)
		e.stale(err, store.StaleError{Presented: current.Presented.Seq, Current: next.Presented.Seq}, "Lookup of the outdated token")
		current = next
	}
}

func presentedWithoutGrace(e *env) {
	root := e.root()
	next, r := e.rotate(root, 0)
	for _, s := range e.steps(root) {
		e.stale(s.do(root.Presented, r.Now), store.StaleError{Presented: 1, Current: 2, Reuse: true}, "%s", s.name)
	}
	_, err := e.s.Lookup(e.ctx, next.Presented, r.Now)
	e.ok(err, "Lookup of the successor")
}

func presentedOutdatedForged(e *env) {
	root := e.root()
	next, r := e.rotate(root, grace)
	forged := root.Presented
	forged.Sum = e.sum()
	asSuccessor := root.Presented
	asSuccessor.Sum = next.Presented.Sum
	check := func(when string) {
		for _, s := range e.steps(root) {
			e.fails(s.do(forged, r.Now), store.ErrForged, "%s, forged, %s", s.name, when)
			e.fails(s.do(asSuccessor, r.Now), store.ErrForged, "%s, with the successor's sum, %s", s.name, when)
		}
	}
	check("before the successor was seen")
	e.ok(e.steps(next)[0].do(next.Presented, r.Now), "Lookup")
	check("after the successor was seen")
}

// proves P6
func presentedRevokedOutdated(e *env) {
	root := e.root()
	child := e.child(root)
	_, r := e.rotate(child, grace)
	e.revoke(root.id(), true)
	for _, s := range e.steps(child) {
		e.fails(s.do(child.Presented, r.Now), store.ErrRevoked, "%s within the grace", s.name)
		e.fails(s.do(child.Presented, r.Now.Add(grace)+1), store.ErrRevoked, "%s after the grace", s.name)
	}
}

func presentedFirst(e *env) {
	root := e.root(store.Clause{Draws: store.NoClause})
	outdated := e.child(root, store.Clause{Draws: store.NoClause})
	_, rotated := e.rotate(outdated, 0)
	revoked := e.child(root, store.Clause{Draws: store.NoClause})
	e.revoke(revoked.id(), false)
	refunded, other := e.use(store.UseOther, 0), e.use(store.UseOther, 0)
	e.ok(e.s.Refund(e.ctx, refunded.ID, t0), "Refund")
	free := e.root(store.Clause{AT: 1, Other: 1, Draws: store.NoClause})
	_, err := e.s.Spend(e.ctx, free.Presented, other)
	e.ok(err, "Spend")
	exhausted, missing := e.use(store.UseOther, 0), e.uncounted()
	missing.Tickets = store.TicketChanges{By: e.useID(), Consume: []store.TicketRef{{Kind: store.TicketState, ID: e.ticketID()}}}
	forged := root.Presented
	forged.Sum = e.sum()
	for what, use := range map[string]store.Use{"a refunded use": refunded, "another token's use": other, "no budget": exhausted, "a missing ticket": missing} {
		for _, x := range []struct {
			p     store.Presented
			check func(error)
		}{
			{forged, func(err error) { e.fails(err, store.ErrForged, "forged, and %s", what) }},
			{revoked.Presented, func(err error) { e.fails(err, store.ErrRevoked, "revoked, and %s", what) }},
			{outdated.Presented, func(err error) {
				e.stale(err, store.StaleError{Presented: 1, Current: rotated.To.Seq, Reuse: true}, "outdated, and %s", what)
			}},
		} {
			_, err := e.s.Spend(e.ctx, x.p, use)
			x.check(err)
			child := e.newChild(root)
			child.ID = root.id()
			_, err = e.s.CreateChild(e.ctx, x.p, use, child)
			x.check(err)
		}
	}
}

func presentedFailed(e *env) {
	root := e.root(store.Clause{AT: 0, Other: 0, Draws: store.NoClause})
	next, r := e.rotate(root, grace)
	_, err := e.s.Spend(e.ctx, next.Presented, e.use(store.UseAT, 0))
	e.exhausted(err, "Spend with the successor")
	for _, s := range e.steps(root) {
		e.ok(s.do(root.Presented, r.Now), "%s after a failed step with the successor", s.name)
	}
}

func lookupWritesNothing(e *env) {
	root := e.root(store.Clause{AT: 3, Other: 3, Draws: store.NoClause})
	root2 := e.child(root, store.Clause{AT: 2, Other: 2, Draws: 0})
	e.spend(root2, 0)
	before := e.info(root2.id())
	for i := range 2 * nodes {
		state, err := e.s.Lookup(e.ctx, root2.Presented, t0+store.Micros(i)*hour)
		e.ok(err, "Lookup")
		e.equal(state, store.State{TokenInfo: before, Key: root2.Key}, "Lookup")
	}
	e.equal(e.info(root2.id()), before, "the token")
	e.equal(e.history(root2.id(), root.id()), []string(nil), "histories")
	e.equal(e.used(root), []int64{1}, "uses of the parent")
}
