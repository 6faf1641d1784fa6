package storetest

import "github.com/mytoken-go/sdk/store"

// newBirth returns a child with an event about its creation, its transfer code, and the
// use that creates both.
func (e *env) newBirth(parent *tok, k store.Kind, clauses ...store.Clause) (*tok, store.Ticket, store.Use) {
	child := e.newChild(parent, clauses...)
	child.Events = []store.Event{event("created", t0)}
	code, use := e.newCode(child), e.noted("MT_created", k, 0)
	use.Tickets = putting(code)
	return child, code, use
}

// proves P4
func childIsStored(e *env) {
	root := e.root(limits(5, 6, none))
	child, code, use := e.newBirth(root, store.UseOther, limits(9, unlimited, 0))
	code.OwnsToken = true
	use.Tickets = putting(code)
	e.equal(e.derive(root.Presented, use, child), root.spent(0), "CreateChild")

	e.equal(e.info(child.id()), store.TokenInfo{
		ID: child.id(), Grant: root.Grant, Owner: root.Owner, Ancestors: idsOf(root),
		Seq: 1, About: child.About, Created: t0, Expires: child.Expires, Live: true,
		Counters: []store.Counter{{AT: 9, Other: unlimited, ATLeft: 5, OtherLeft: 5}},
	}, "child")
	e.wantCounter(root, 0, store.Counter{AT: 5, Other: 6, OtherUsed: 1, ATLeft: 5, OtherLeft: 5})
	e.wantHistory([]*tok{root}, "MT_created")
	e.wantHistory([]*tok{child}, "created")
	e.wantTicket(code)

	grandchild := e.child(child)
	e.equal(e.info(grandchild.id()).Ancestors, idsOf(child, root), "ancestors, parent first")
	e.equal(e.lookup(grandchild.Presented, t0).Key, grandchild.Key, "the grandchild's wrapped key")
}

// proves P8
func childRepeated(e *env) {
	root := e.root(limits(5, 6, none))
	child, code, use := e.newBirth(root, store.UseOther)
	want := root.spent(0)
	e.derive(root.Presented, use, child)
	e.take(code)
	want.Repeated = true
	for range nodes {
		e.equal(e.derive(root.Presented, use, child), want, "CreateChild again")
	}
	e.wantOtherUsed(root, 1, "the repeats")
	e.wantHistory([]*tok{root, child}, "created", "MT_created")
	e.fails(e.childErr(root.Presented, use, e.newChild(root)), store.ErrExists, "the same use for another child")
	e.refund(use.ID)
	e.fails(e.childErr(root.Presented, use, child), store.ErrRefunded, "CreateChild after the refund")
}

// proves P3
func childRefused(e *env) {
	root := e.root(limits(5, 2, none))
	child := e.newChild(root)
	unchanged := func(what string, other int64) {
		e.Helper()
		e.wantOtherUsed(root, other, "%s", what)
		e.notStored(child)
	}
	create := func(p store.Presented, k *tok) error {
		return e.childErr(p, e.noted("MT_created", store.UseOther, 0), k)
	}

	e.fails(create(store.Presented{ID: e.tokenID(), Seq: 1, Sum: root.Presented.Sum}, child), store.ErrNotFound, "unknown parent")
	unchanged("an unknown parent", 0)
	e.fails(create(root.forged(e), child), store.ErrForged, "forged parent")
	unchanged("a forged parent", 0)

	taken := *child
	for _, owner := range []*tok{e.root(), root} {
		taken.Token.ID = owner.id()
		e.fails(create(root.Presented, &taken), store.ErrExists, "the id of another token or of the parent")
	}
	unchanged("taken ids", 0)

	refunded := e.use(store.UseOther, 0)
	e.refund(refunded.ID)
	e.fails(e.childErr(root.Presented, refunded, child), store.ErrRefunded, "a use that was called off")
	unchanged("a refund", 0)

	withTicket := e.use(store.UseOther, 0)
	withTicket.Tickets = e.consuming(e.unknown(store.TicketTransfer))
	e.fails(e.childErr(root.Presented, withTicket, child), store.ErrTicketNotFound, "a ticket that is not there")
	unchanged("a missing ticket", 0)

	for range 2 {
		e.ok(create(root.Presented, e.newChild(root)), "CreateChild")
	}
	e.exhausted(create(root.Presented, child), "an exhausted parent")
	unchanged("exhaustion", 2)
	e.wantHistory([]*tok{root}, "MT_created", "MT_created")

	e.revoke(root, false)
	e.fails(create(root.Presented, child), store.ErrRevoked, "a revoked parent")
	unchanged("revocation", 2)
}

func childArguments(e *env) {
	root, bare := e.root(limits(5, 5, none)), e.root()
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
		child := e.newChild(root, limits(1, 1, 0))
		spoil(&child.Token)
		e.refused(e.childErr(root.Presented, e.use(store.UseOther, 0), child), "%s", name)
	}
	child := e.newChild(bare, limits(1, 1, 0))
	e.refused(e.childErr(bare.Presented, e.use(store.UseOther), child), "draws on a clause of a token without clauses")
	e.wantOtherUsed(root, 0, "bad arguments")
}

func childDepth(e *env) {
	root := e.root(limits(2, 2, none))
	deepest := root
	for range e.maxDepth {
		deepest = e.child(deepest, limits(2, 2, 0))
	}
	e.equal(len(e.info(deepest.id()).Ancestors), e.maxDepth, "ancestors of the deepest token")
	e.spend(deepest, 0)
	e.wantUsed(root, 1)
	child := e.newChild(deepest, limits(2, 2, 0))
	e.fails(e.childErr(deepest.Presented, e.use(store.UseOther, 0), child), store.ErrDepth, "one deeper")
	e.notStored(child)
	e.wantOtherUsed(root, 0, "refusing a token that is too deep")
	e.revoke(root, true)
	e.fails(e.lookupErr(deepest.Presented, t0), store.ErrRevoked, "the deepest token of a revoked tree")
}

// proves P3, P8
func childParallel(e *env) {
	for range e.rounds {
		root := e.root(limits(5, 5, none))
		child, use := e.newChild(root), e.noted("MT_created", store.UseOther, 0)
		spent := make([]store.Spent, callers)
		errs := e.atOnce(callers, func(i int, s store.Store) (err error) {
			spent[i], err = s.CreateChild(e.ctx, root.Presented, use, child.Token)
			return err
		})
		e.chargedOnce(spent, errs)
		e.wantOtherUsed(root, 1, "parallel repeats")
		e.wantListed(root.Owner, 2)
		e.wantHistory([]*tok{root}, "MT_created")
	}
}

// proves P3
func childSameID(e *env) {
	for range e.rounds {
		root := e.root(limits(50, 50, none))
		id := e.tokenID()
		uses := several(callers, func() store.Use { return e.use(store.UseOther, 0) })
		children := several(callers, func() *tok {
			k := e.newChild(root)
			k.Token.ID = id
			return issued(k.Token)
		})
		errs := e.atOnce(callers, func(i int, s store.Store) error {
			return errOf(s.CreateChild(e.ctx, root.Presented, uses[i], children[i].Token))
		})
		won := e.oneWinner(errs, store.ErrExists, "CreateChild under one id")
		e.ok(e.lookupErr(children[won].Presented, t0), "Lookup of the child that was made")
		e.wantOtherUsed(root, 1, "one child")
	}
}
