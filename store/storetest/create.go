package storetest

import (
	"errors"
	"math"

	"github.com/mytoken-go/sdk/store"
)

// proves P8
func rootIsStored(e *env) {
	g, root := e.newRoot(limits(3, unlimited, none), limits(0, 7, none))
	root.Events = []store.Event{event("created", t0), {}, event("inherited_RT", t0)}
	e.ok(e.createRoot(g, root, store.TicketChanges{}), "CreateRoot")

	want := store.TokenInfo{
		ID: root.id(), Grant: g.ID, Owner: g.Owner, Seq: 1, About: root.About, Created: t0, Expires: root.Expires, Live: true,
		Counters: []store.Counter{{AT: 3, Other: unlimited, ATLeft: 3, OtherLeft: unlimited}, {AT: 0, Other: 7, ATLeft: 0, OtherLeft: 7}},
	}
	e.equal(e.info(root.id()), want, "Token")
	e.equal(e.lookup(root.Presented, t0), store.State{TokenInfo: want, Key: root.Key}, "Lookup")
	e.wantGrant(g.ID, granted(1, g.Refresh))
	e.wantHistory([]*tok{root}, "inherited_RT", "created") // an event without name is none
}

// proves P8
func rootRepeated(e *env) {
	g, root := e.newRoot(limits(3, 0, none))
	root.Events = []store.Event{event("created", t0)}
	state, code := e.newTicket(store.TicketState), e.newCode(root)
	e.put(state)
	changes := e.consuming(state.TicketRef)
	changes.Put = []store.Ticket{code}
	e.ok(e.createRoot(g, root, changes), "CreateRoot")
	e.spend(root, 0)
	e.take(code)
	for range 2 * nodes {
		e.ok(e.createRoot(g, root, changes), "CreateRoot again")
	}
	e.wantHistory([]*tok{root}, "created")
	e.wantUsed(root, 1)
	e.unresolved(code.TicketRef, t0, store.ErrTicketTaken, "a code that was taken since")

	e.ok(e.rotateErr(e.rotation(root, 0)), "Rotate")
	e.ok(e.createRoot(g, root, changes), "CreateRoot again, rotated since")
	e.equal(e.info(root.id()).Seq, uint64(2), "generation")
}

func rootTaken(e *env) {
	g, root := e.newRoot()
	e.ok(e.createRoot(g, root, store.TicketChanges{}), "CreateRoot")
	before := e.info(root.id())
	taken := func(g store.Grant, t store.Token, what string) {
		e.Helper()
		e.fails(e.createRoot(g, issued(t), store.TicketChanges{}), store.ErrExists, "%s", what)
	}

	otherSum := root.Token
	otherSum.Sum = e.sum()
	taken(g, otherSum, "another token under the id")

	otherGrant, moved := e.newGrant(g.Owner), root.Token
	moved.Grant = otherGrant.ID
	taken(otherGrant, moved, "the token in another grant")
	e.fails(errOf(e.s.Grant(e.ctx, otherGrant.ID)), store.ErrNotFound, "the grant of a refused token")

	stolen, foreign := root.Token, g
	stolen.Owner = e.ownerID()
	foreign.Owner = stolen.Owner
	taken(foreign, stolen, "the token of another owner")

	second := e.newToken(g.ID, g.Owner)
	taken(g, second.Token, "a second root in the grant")
	e.notStored(second)

	child, ownGrant := e.child(root), e.newGrant(g.Owner)
	taken(g, child.Token, "a child as the root of its grant")
	asRoot := child.Token
	asRoot.Grant = ownGrant.ID
	taken(ownGrant, asRoot, "a root under a child's id")
	e.equal(e.info(root.id()), before, "the first root")
}

func rootArguments(e *env) {
	type args struct {
		g store.Grant
		store.Token
		c store.TicketChanges
	}
	for name, spoil := range map[string]func(*args){
		"no grant id":       func(a *args) { a.g.ID, a.Grant = store.GrantID{}, store.GrantID{} },
		"no owner":          func(a *args) { a.g.Owner, a.Owner = store.OwnerID{}, store.OwnerID{} },
		"no refresh token":  func(a *args) { a.g.Refresh = nil },
		"no token id":       func(a *args) { a.ID = store.TokenID{} },
		"no sum":            func(a *args) { a.Sum = store.Sum{} },
		"no key":            func(a *args) { a.Key = nil },
		"another grant":     func(a *args) { a.Grant = e.grantID() },
		"another owner":     func(a *args) { a.Owner = e.ownerID() },
		"negative limit":    func(a *args) { a.Clauses[0].AT = -2 },
		"negative limit 2":  func(a *args) { a.Clauses[0].Other = math.MinInt64 },
		"draws on a clause": func(a *args) { a.Clauses[0].Draws = 0 },
		"draws on less":     func(a *args) { a.Clauses[0].Draws = -2 },
		"nobody consumes":   func(a *args) { a.c.Consume = []store.TicketRef{e.unknown(store.TicketState)} },
	} {
		g, root := e.newRoot(limits(1, 1, none))
		a := args{g: g, Token: root.Token}
		spoil(&a)
		e.refused(e.s.CreateRoot(e.ctx, a.g, a.Token, a.c), "%s", name)
		if _, err := e.s.Token(e.ctx, a.ID); !a.ID.IsZero() && !errors.Is(err, store.ErrNotFound) {
			e.Errorf("%s: the token is stored: %v", name, err)
		}
	}
}

// proves P7, P8
func rootState(e *env) {
	for range e.rounds {
		state := e.newTicket(store.TicketState)
		e.put(state)
		owner := e.ownerID()
		grants := several(callers, func() store.Grant { return e.newGrant(owner) })
		var (
			roots   [callers]*tok
			changes [callers]store.TicketChanges
		)
		for i, g := range grants {
			roots[i], changes[i] = e.newToken(g.ID, owner), e.consuming(state.TicketRef)
		}
		errs := e.atOnce(callers, func(i int, s store.Store) error { return s.CreateRoot(e.ctx, grants[i], roots[i].Token, changes[i]) })
		won := e.oneWinner(errs, store.ErrTicketTaken, "CreateRoot with one state")
		for i, g := range grants {
			if err := errOf(e.s.Grant(e.ctx, g.ID)); i == won {
				e.ok(err, "the grant of the root that was made")
			} else {
				e.fails(err, store.ErrNotFound, "the grant of a refused root")
			}
		}
		e.wantListed(owner, 1)
	}
}

// proves P8
func rootParallel(e *env) {
	for range e.rounds {
		g, root := e.newRoot()
		root.Events = []store.Event{event("created", t0)}
		errs := e.atOnce(callers, func(_ int, s store.Store) error { return s.CreateRoot(e.ctx, g, root.Token, store.TicketChanges{}) })
		e.allOK(errs, "CreateRoot")
		e.wantListed(g.Owner, 1)
		e.wantHistory([]*tok{root}, "created")
	}
}
