package storetest

import (
	"errors"
	"math"

	"github.com/mytoken-go/sdk/store"
)

func createCases() []testCase {
	return []testCase{
		{name: "root is stored with its grant", run: rootIsStored},
		{name: "root repeated changes nothing", run: rootRepeated},
		{name: "root under taken ids is refused", run: rootTaken},
		{name: "root with bad arguments is refused", run: rootArguments},
		{name: "root consumes one login state once", run: rootState},
		{name: "parallel repeats of a root make one", run: rootParallel},
	}
}

// proves P8
func rootIsStored(e *env) {
	g := e.newGrant(e.ownerID())
	root := e.newToken(g.ID, g.Owner,
		store.Clause{AT: 3, Other: store.Unlimited, Draws: store.NoClause},
		store.Clause{AT: 0, Other: 7, Draws: store.NoClause})
	root.Events = []store.Event{event("created", t0), {}, event("inherited_RT", t0)}
	e.ok(e.s.CreateRoot(e.ctx, g, root, store.TicketChanges{}), "CreateRoot")

	want := store.TokenInfo{
		ID: root.ID, Grant: g.ID, Owner: g.Owner, Seq: 1, About: root.About, Created: t0, Expires: root.Expires, Live: true,
		Counters: []store.Counter{
			{AT: 3, Other: store.Unlimited, ATLeft: 3, OtherLeft: store.Unlimited},
			{AT: 0, Other: 7, ATLeft: 0, OtherLeft: 7},
		},
	}
	e.equal(e.info(root.ID), want, "Token")
	state, err := e.s.Lookup(e.ctx, present(root), t0)
	e.ok(err, "Lookup")
	e.equal(state, store.State{TokenInfo: want, Key: root.Key}, "Lookup")
	refresh, err := e.s.Grant(e.ctx, g.ID)
	e.ok(err, "Grant")
	e.equal(refresh, store.RefreshState{Generation: 1, Token: g.Refresh, Scope: g.Scope, Audience: g.Audience}, "Grant")
	e.equal(e.history(root.ID), []string{"inherited_RT", "created"}, "history; an event without name is none")
}

// proves P8
func rootRepeated(e *env) {
	g := e.newGrant(e.ownerID())
	root := e.newToken(g.ID, g.Owner, store.Clause{AT: 3, Draws: store.NoClause})
	root.Events = []store.Event{event("created", t0)}
	state := e.newTicket(store.TicketState)
	e.put(state)
	code := e.newTicket(store.TicketTransfer)
	code.Status, code.Token = store.TicketReady, root.ID
	changes := store.TicketChanges{By: e.useID(), Consume: []store.TicketRef{state.TicketRef}, Put: []store.Ticket{code}}
	e.ok(e.s.CreateRoot(e.ctx, g, root, changes), "CreateRoot")
	e.spend(&tok{root, present(root)}, 0)
	e.ok(e.s.TakeTicket(e.ctx, code.TicketRef, e.useID(), store.Event{}, t0), "TakeTicket")
	for range 2 * nodes {
		e.ok(e.s.CreateRoot(e.ctx, g, root, changes), "CreateRoot again")
	}
	e.equal(e.history(root.ID), []string{"created"}, "history")
	e.equal(e.info(root.ID).Counters[0].ATUsed, int64(1), "uses")
	_, err := e.s.ResolveTicket(e.ctx, code.Kind, []store.TicketID{code.ID}, t0)
	e.fails(err, store.ErrTicketTaken, "a code that was taken since")

	next := e.rotation(&tok{root, present(root)}, 0)
	_, err = e.s.Rotate(e.ctx, next)
	e.ok(err, "Rotate")
	e.ok(e.s.CreateRoot(e.ctx, g, root, changes), "CreateRoot again, rotated since")
	e.equal(e.info(root.ID).Seq, uint64(2), "generation")
}

func rootTaken(e *env) {
	g := e.newGrant(e.ownerID())
	root := e.newToken(g.ID, g.Owner)
	e.ok(e.s.CreateRoot(e.ctx, g, root, store.TicketChanges{}), "CreateRoot")
	before := e.info(root.ID)

	otherSum := root
	otherSum.Sum = e.sum()
	e.fails(e.s.CreateRoot(e.ctx, g, otherSum, store.TicketChanges{}), store.ErrExists, "another token under the id")

	otherGrant := e.newGrant(g.Owner)
	moved := root
	moved.Grant = otherGrant.ID
	e.fails(e.s.CreateRoot(e.ctx, otherGrant, moved, store.TicketChanges{}), store.ErrExists, "the token in another grant")
	_, err := e.s.Grant(e.ctx, otherGrant.ID)
	e.fails(err, store.ErrNotFound, "the grant of a refused token")

	stolen := root
	stolen.Owner = e.ownerID()
	foreign := g
	foreign.Owner = stolen.Owner
	e.fails(e.s.CreateRoot(e.ctx, foreign, stolen, store.TicketChanges{}), store.ErrExists, "the token of another owner")

	second := e.newToken(g.ID, g.Owner)
	e.fails(e.s.CreateRoot(e.ctx, g, second, store.TicketChanges{}), store.ErrExists, "a second root in the grant")
	_, err = e.s.Token(e.ctx, second.ID)
	e.fails(err, store.ErrNotFound, "the token of a refused grant")

	child := e.child(&tok{root, present(root)})
	e.fails(e.s.CreateRoot(e.ctx, g, child.Token, store.TicketChanges{}), store.ErrExists, "a child as the root of its grant")
	asRoot := child.Token
	ownGrant := e.newGrant(g.Owner)
	asRoot.Grant = ownGrant.ID
	e.fails(e.s.CreateRoot(e.ctx, ownGrant, asRoot, store.TicketChanges{}), store.ErrExists, "a root under a child's id")
	e.equal(e.info(root.ID), before, "the first root")
}

func rootArguments(e *env) {
	for name, spoil := range map[string]func(*store.Grant, *store.Token, *store.TicketChanges){
		"no grant id": func(g *store.Grant, t *store.Token, _ *store.TicketChanges) {
			g.ID, t.Grant = store.GrantID{}, store.GrantID{}
		},
		"no owner": func(g *store.Grant, t *store.Token, _ *store.TicketChanges) {
			g.Owner, t.Owner = store.OwnerID{}, store.OwnerID{}
		},
		"no refresh token":  func(g *store.Grant, _ *store.Token, _ *store.TicketChanges) { g.Refresh = nil },
		"no token id":       func(_ *store.Grant, t *store.Token, _ *store.TicketChanges) { t.ID = store.TokenID{} },
		"no sum":            func(_ *store.Grant, t *store.Token, _ *store.TicketChanges) { t.Sum = store.Sum{} },
		"no key":            func(_ *store.Grant, t *store.Token, _ *store.TicketChanges) { t.Key = nil },
		"another grant":     func(_ *store.Grant, t *store.Token, _ *store.TicketChanges) { t.Grant = e.grantID() },
		"another owner":     func(_ *store.Grant, t *store.Token, _ *store.TicketChanges) { t.Owner = e.ownerID() },
		"negative limit":    func(_ *store.Grant, t *store.Token, _ *store.TicketChanges) { t.Clauses[0].AT = -2 },
		"negative limit 2":  func(_ *store.Grant, t *store.Token, _ *store.TicketChanges) { t.Clauses[0].Other = math.MinInt64 },
		"draws on a clause": func(_ *store.Grant, t *store.Token, _ *store.TicketChanges) { t.Clauses[0].Draws = 0 },
		"draws on less":     func(_ *store.Grant, t *store.Token, _ *store.TicketChanges) { t.Clauses[0].Draws = -2 },
		"nobody consumes": func(_ *store.Grant, _ *store.Token, c *store.TicketChanges) {
			c.Consume = []store.TicketRef{{Kind: store.TicketState, ID: e.ticketID()}}
		},
	} {
		g := e.newGrant(e.ownerID())
		root := e.newToken(g.ID, g.Owner, store.Clause{AT: 1, Other: 1, Draws: store.NoClause})
		var changes store.TicketChanges
		spoil(&g, &root, &changes)
		e.refused(e.s.CreateRoot(e.ctx, g, root, changes), "%s", name)
		if _, err := e.s.Token(e.ctx, root.ID); !root.ID.IsZero() && !errors.Is(err, store.ErrNotFound) {
			e.Errorf("%s: the token is stored: %v", name, err)
		}
	}
}

// proves P7, P8
func rootState(e *env) {
	for range e.rounds {
		const callers = 2 * nodes
		state := e.newTicket(store.TicketState)
		e.put(state)
		var (
			grants [callers]store.Grant
			roots  [callers]store.Token
			by     [callers]store.UseID
			errs   [callers]error
		)
		owner := e.ownerID()
		for i := range callers {
			grants[i] = e.newGrant(owner)
			roots[i] = e.newToken(grants[i].ID, owner)
			by[i] = e.useID()
		}
		e.parallel(callers, func(i int, s store.Store) {
			errs[i] = s.CreateRoot(e.ctx, grants[i], roots[i], store.TicketChanges{By: by[i], Consume: []store.TicketRef{state.TicketRef}})
		})
		won := 0
		for i, err := range errs {
			_, grantErr := e.s.Grant(e.ctx, grants[i].ID)
			if err == nil {
				won++
				e.ok(grantErr, "the grant of the root that was made")
				continue
			}
			e.fails(err, store.ErrTicketTaken, "CreateRoot with a state that was used")
			e.fails(grantErr, store.ErrNotFound, "the grant of a refused root")
		}
		e.equal(won, 1, "roots made with one state")
		e.equal(len(e.list(owner)), 1, "tokens of the owner")
	}
}

// proves P8
func rootParallel(e *env) {
	for range e.rounds {
		g := e.newGrant(e.ownerID())
		root := e.newToken(g.ID, g.Owner)
		root.Events = []store.Event{event("created", t0)}
		var errs [2 * nodes]error
		e.parallel(len(errs), func(i int, s store.Store) {
			errs[i] = s.CreateRoot(e.ctx, g, root, store.TicketChanges{})
		})
		for _, err := range errs {
			e.ok(err, "CreateRoot")
		}
		e.equal(len(e.list(g.Owner)), 1, "tokens of the owner")
		e.equal(e.history(root.ID), []string{"created"}, "history")
	}
}
