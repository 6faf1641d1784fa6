package storetest

import (
	"github.com/mytoken-go/sdk/store"
)

func childCases() []testCase {
	return []testCase{
		{name: "is stored and charged in one step", run: childIsStored},
		{name: "repeated changes nothing", run: childRepeated},
		{name: "that is refused charges nothing", run: childRefused},
		{name: "with bad arguments is refused", run: childArguments},
		{name: "may be as deep as allowed", run: childDepth},
		{name: "parallel repeats make one", run: childParallel},
		{name: "parallel children of one id leave one", run: childSameID},
	}
}

// proves P4
func childIsStored(e *env) {
	root := e.root(store.Clause{AT: 5, Other: 6, Draws: store.NoClause})
	child := e.newChild(root, store.Clause{AT: 9, Other: store.Unlimited, Draws: 0})
	child.Events = []store.Event{event("created", t0)}
	code := e.newTicket(store.TicketTransfer)
	code.Status, code.Token, code.OwnsToken = store.TicketReady, child.ID, true
	use := e.use(store.UseOther, 0)
	use.Event = event("MT_created", t0)
	use.Tickets.Put = []store.Ticket{code}
	spent, err := e.s.CreateChild(e.ctx, root.Presented, use, child)
	e.ok(err, "CreateChild")
	e.equal(spent, store.Spent{Grant: root.Grant, Owner: root.Owner, Key: root.Key, Clause: 0}, "CreateChild")

	e.equal(e.info(child.ID), store.TokenInfo{
		ID: child.ID, Grant: root.Grant, Owner: root.Owner, Ancestors: []store.TokenID{root.id()},
		Seq: 1, About: child.About, Created: t0, Expires: child.Expires, Live: true,
		Counters: []store.Counter{{AT: 9, Other: store.Unlimited, ATLeft: 5, OtherLeft: 5}},
	}, "child")
	e.equal(e.info(root.id()).Counters[0], store.Counter{AT: 5, Other: 6, OtherUsed: 1, ATLeft: 5, OtherLeft: 5}, "parent's counters")
	e.equal(e.history(root.id()), []string{"MT_created"}, "parent's history")
	e.equal(e.history(child.ID), []string{"created"}, "child's history")
	e.equal(e.resolve(code.TicketRef), code, "the code that the use made")

	grandchild := e.child(&tok{child, present(child)})
	e.equal(e.info(grandchild.id()).Ancestors, []store.TokenID{child.ID, root.id()}, "ancestors, parent first")
	state, err := e.s.Lookup(e.ctx, grandchild.Presented, t0)
	e.ok(err, "Lookup of the grandchild")
	e.equal(state.Key, grandchild.Key, "the grandchild's wrapped key")
}

// proves P8
func childRepeated(e *env) {
	root := e.root(store.Clause{AT: 5, Other: 6, Draws: store.NoClause})
	child := e.newChild(root)
	child.Events = []store.Event{event("created", t0)}
	use := e.use(store.UseOther, 0)
	use.Event = event("MT_created", t0)
	code := e.newTicket(store.TicketTransfer)
	code.Status, code.Token = store.TicketReady, child.ID
	use.Tickets.Put = []store.Ticket{code}
	_, err := e.s.CreateChild(e.ctx, root.Presented, use, child)
	e.ok(err, "CreateChild")
	e.ok(e.s.TakeTicket(e.ctx, code.TicketRef, e.useID(), store.Event{}, t0), "TakeTicket")
	for range nodes {
		spent, err := e.s.CreateChild(e.ctx, root.Presented, use, child)
		e.ok(err, "CreateChild again")
		e.equal(spent, store.Spent{Grant: root.Grant, Owner: root.Owner, Key: root.Key, Clause: 0, Repeated: true}, "CreateChild again")
	}
	e.equal(e.info(root.id()).Counters[0].OtherUsed, int64(1), "uses of the parent")
	e.equal(e.history(root.id(), child.ID), []string{"created", "MT_created"}, "histories")

	_, err = e.s.CreateChild(e.ctx, root.Presented, use, e.newChild(root))
	e.fails(err, store.ErrExists, "the same use for another child")

	e.ok(e.s.Refund(e.ctx, use.ID, t0), "Refund")
	_, err = e.s.CreateChild(e.ctx, root.Presented, use, child)
	e.fails(err, store.ErrRefunded, "CreateChild after the refund")
}

// proves P3
func childRefused(e *env) {
	root := e.root(store.Clause{AT: 5, Other: 2, Draws: store.NoClause})
	unchanged := func(what string, child store.Token, other int64) {
		e.Helper()
		e.equal(e.info(root.id()).Counters[0].OtherUsed, other, "uses of the parent after %s", what)
		if !child.ID.IsZero() {
			_, err := e.s.Token(e.ctx, child.ID)
			e.fails(err, store.ErrNotFound, "the child after %s", what)
		}
	}
	create := func(p store.Presented, child store.Token) error {
		use := e.use(store.UseOther, 0)
		use.Event = event("MT_created", t0)
		_, err := e.s.CreateChild(e.ctx, p, use, child)
		return err
	}
	child := e.newChild(root)

	e.fails(create(store.Presented{ID: e.tokenID(), Seq: 1, Sum: root.Presented.Sum}, child), store.ErrNotFound, "unknown parent")
	unchanged("an unknown parent", child, 0)
	e.fails(create(store.Presented{ID: root.id(), Seq: 1, Sum: e.sum()}, child), store.ErrForged, "forged parent")
	unchanged("a forged parent", child, 0)

	other := e.root()
	taken := child
	taken.ID = other.id()
	e.fails(create(root.Presented, taken), store.ErrExists, "the id of another token")
	taken.ID = root.id()
	e.fails(create(root.Presented, taken), store.ErrExists, "the id of the parent")
	unchanged("taken ids", child, 0)

	refunded := e.use(store.UseOther, 0)
	e.ok(e.s.Refund(e.ctx, refunded.ID, t0), "Refund")
	_, err := e.s.CreateChild(e.ctx, root.Presented, refunded, child)
	e.fails(err, store.ErrRefunded, "a use that was called off")
	unchanged("a refund", child, 0)

	withTicket := e.use(store.UseOther, 0)
	withTicket.Tickets = store.TicketChanges{By: e.useID(), Consume: []store.TicketRef{{Kind: store.TicketTransfer, ID: e.ticketID()}}}
	_, err = e.s.CreateChild(e.ctx, root.Presented, withTicket, child)
	e.fails(err, store.ErrTicketNotFound, "a ticket that is not there")
	unchanged("a missing ticket", child, 0)

	e.ok(create(root.Presented, e.newChild(root)), "CreateChild")
	e.ok(create(root.Presented, e.newChild(root)), "CreateChild")
	e.exhausted(create(root.Presented, child), "an exhausted parent")
	unchanged("exhaustion", child, 2)
	e.equal(e.history(root.id()), []string{"MT_created", "MT_created"}, "parent's history")

	e.revoke(root.id(), false)
	e.fails(create(root.Presented, child), store.ErrRevoked, "a revoked parent")
	unchanged("revocation", child, 2)
}

func childArguments(e *env) {
	root := e.root(store.Clause{AT: 5, Other: 5, Draws: store.NoClause})
	bare := e.root()
	for name, spoil := range map[string]func(*store.Token){
		"draws on a clause that is not there": func(t *store.Token) { t.Clauses[0].Draws = 1 },
		"draws below none":                    func(t *store.Token) { t.Clauses[0].Draws = -2 },
		"negative limit":                      func(t *store.Token) { t.Clauses[0].Other = -2 },
		"another grant":                       func(t *store.Token) { t.Grant = bare.Grant },
		"another owner":                       func(t *store.Token) { t.Owner = bare.Owner },
		"no id":                               func(t *store.Token) { t.ID = store.TokenID{} },
		"no sum":                              func(t *store.Token) { t.Sum = store.Sum{} },
		"no key":                              func(t *store.Token) { t.Key = nil },
	} {
		child := e.newChild(root, store.Clause{AT: 1, Other: 1, Draws: 0})
		spoil(&child)
		_, err := e.s.CreateChild(e.ctx, root.Presented, e.use(store.UseOther, 0), child)
		e.refused(err, "%s", name)
	}
	child := e.newChild(bare, store.Clause{AT: 1, Other: 1, Draws: 0})
	_, err := e.s.CreateChild(e.ctx, bare.Presented, e.use(store.UseOther), child)
	e.refused(err, "draws on a clause of a token without clauses")
	e.equal(e.info(root.id()).Counters[0].OtherUsed, int64(0), "uses of the parent")
}

func childDepth(e *env) {
	deepest := e.root(store.Clause{AT: 2, Other: 2, Draws: store.NoClause})
	root := deepest
	for range e.maxDepth {
		deepest = e.child(deepest, store.Clause{AT: 2, Other: 2, Draws: 0})
	}
	e.equal(len(e.info(deepest.id()).Ancestors), e.maxDepth, "ancestors of the deepest token")
	e.spend(deepest, 0)
	e.equal(e.used(root), []int64{1}, "uses of the root")
	child := e.newChild(deepest, store.Clause{AT: 2, Other: 2, Draws: 0})
	_, err := e.s.CreateChild(e.ctx, deepest.Presented, e.use(store.UseOther, 0), child)
	e.fails(err, store.ErrDepth, "one deeper")
	_, err = e.s.Token(e.ctx, child.ID)
	e.fails(err, store.ErrNotFound, "the token that is too deep")
	e.equal(e.info(root.id()).Counters[0].OtherUsed, int64(0), "uses charged for the token that is too deep")
	e.revoke(root.id(), true)
	_, err = e.s.Lookup(e.ctx, deepest.Presented, t0)
	e.fails(err, store.ErrRevoked, "the deepest token of a revoked tree")
}

// proves P3, P8
func childParallel(e *env) {
	for range e.rounds {
		root := e.root(store.Clause{AT: 5, Other: 5, Draws: store.NoClause})
		child := e.newChild(root)
		use := e.use(store.UseOther, 0)
		use.Event = event("MT_created", t0)
		var (
			spent [2 * nodes]store.Spent
			errs  [2 * nodes]error
		)
		e.parallel(len(errs), func(i int, s store.Store) {
			spent[i], errs[i] = s.CreateChild(e.ctx, root.Presented, use, child)
		})
		fresh := 0
		for i, err := range errs {
			e.ok(err, "CreateChild")
			if !spent[i].Repeated {
				fresh++
			}
		}
		e.equal(fresh, 1, "calls that say that they charged")
		e.equal(e.info(root.id()).Counters[0].OtherUsed, int64(1), "uses of the parent")
		e.equal(len(e.list(root.Owner)), 2, "tokens")
		e.equal(e.history(root.id()), []string{"MT_created"}, "history")
	}
}

// proves P3
func childSameID(e *env) {
	for range e.rounds {
		root := e.root(store.Clause{AT: 50, Other: 50, Draws: store.NoClause})
		var (
			children [2 * nodes]store.Token
			uses     [2 * nodes]store.Use
			errs     [2 * nodes]error
		)
		for i := range children {
			children[i] = e.newChild(root)
			children[i].ID = children[0].ID
			uses[i] = e.use(store.UseOther, 0)
		}
		e.parallel(len(errs), func(i int, s store.Store) {
			_, errs[i] = s.CreateChild(e.ctx, root.Presented, uses[i], children[i])
		})
		made := 0
		for i, err := range errs {
			if err == nil {
				made++
				_, err := e.s.Lookup(e.ctx, present(children[i]), t0)
				e.ok(err, "Lookup of the child that was made")
				continue
			}
			e.fails(err, store.ErrExists, "a child under a taken id")
		}
		e.equal(made, 1, "children made")
		e.equal(e.info(root.id()).Counters[0].OtherUsed, int64(1), "uses of the parent")
	}
}
