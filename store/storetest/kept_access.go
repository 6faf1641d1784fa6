package storetest

import "github.com/mytoken-go/sdk/store"

// newAccess returns a kept access token of a token. It is ready, and not stored.
func (e *env) newAccess(owner *tok) store.Ticket {
	t := e.newTicket(store.TicketAccess)
	t.Status, t.Token = store.TicketReady, owner.id()
	return t
}

// fetchComment: the event of a use tells whether the use returned the ticket.
//
// proves P3
func fetchComment(e *env) {
	for name, c := range map[string]struct {
		prepare func(u *store.Use, kept store.Ticket)
		want    string
	}{
		"a ticket that the store has":  {func(*store.Use, store.Ticket) {}, "kept"},
		"a ticket at its expiry":       {func(u *store.Use, kept store.Ticket) { u.Now = kept.Expires }, "kept"},
		"an expired ticket":            {func(u *store.Use, kept store.Ticket) { u.Now = kept.Expires + 1 }, "comment"},
		"an unknown ticket":            {func(u *store.Use, _ store.Ticket) { u.Fetch = e.unknown(store.TicketAccess) }, "comment"},
		"a ticket of another kind":     {func(u *store.Use, _ store.Ticket) { u.Fetch.Kind = store.TicketReply }, "comment"},
		"a ticket without its comment": {func(u *store.Use, _ store.Ticket) { u.FetchedComment = "" }, "comment"},
		"a ticket that the use drops": {func(u *store.Use, kept store.Ticket) {
			u.Tickets.Drop = []store.TicketRef{kept.TicketRef}
		}, "comment"},
		"a ticket that the use puts": {func(u *store.Use, kept store.Ticket) {
			kept.ID = e.ticketID()
			u.Fetch, u.Tickets = kept.TicketRef, putting(kept)
		}, "kept"},
	} {
		root := e.root(at(9, none))
		kept := e.newAccess(root)
		e.put(kept)
		u := e.noted("AT_created", store.UseAT, 0)
		u.Lease = store.LeaseRequest{ID: e.leaseID(), TTL: ttl}
		u.Fetch, u.FetchedComment = kept.TicketRef, "kept"
		c.prepare(&u, kept)
		for range nodes {
			got := e.charge(root.Presented, u)
			if returned := got.Ticket != nil; u.FetchedComment != "" && returned != (c.want == "kept") {
				e.Errorf("%s: Spend returned it: %v", name, returned)
			}
			if (got.Refresh != nil) == (got.Ticket != nil) {
				e.Errorf("%s: Spend returned lease %v and ticket %v", name, got.Refresh, got.Ticket)
			}
		}
		e.wantUsed(root, 1)
		e.wantComments(root, name, c.want)

		// A repeat returns what is there by then. The event of the use stays.
		e.change(store.TicketChanges{Drop: []store.TicketRef{kept.TicketRef}}, "drop")
		e.charge(root.Presented, u)
		e.wantComments(root, name+", and a repeat without it", c.want)
	}

	// Uses that wait at the same time are told apart.
	for range e.rounds {
		root := e.root(at(unlimited, none))
		kept := e.newAccess(root)
		e.put(kept)
		uses := several(2*nodes, func() store.Use {
			u := e.noted("AT_created", store.UseAT, 0)
			u.FetchedComment = "kept"
			return u
		})
		for i := range uses {
			if uses[i].Fetch = kept.TicketRef; i%2 == 1 {
				uses[i].Fetch = e.unknown(store.TicketAccess)
			}
		}
		e.allOK(e.atOnce(len(uses), func(i int, s store.Store) error { return errOf(s.Spend(e.ctx, root.Presented, uses[i])) }), "Spend")
		records, _, err := e.s.Events(e.ctx, idsOf(root), store.Page{Limit: 100})
		e.ok(err, "Events")
		count := make(map[string]int)
		for _, r := range records {
			count[r.Comment]++
		}
		e.equal(count, map[string]int{"kept": nodes, "comment": nodes}, "comments of parallel uses")
	}

	root := e.root(at(9, none))
	u := e.noted("AT_created", store.UseAT, 0)
	u.FetchedComment = "kept"
	e.refused(e.spendErr(root.Presented, u), "a comment for no ticket")
	e.wantUsed(root, 0)
}

// wantComments compares the comments of the events of a token, newest first.
func (e *env) wantComments(k *tok, what string, want ...string) {
	e.Helper()
	records, _, err := e.s.Events(e.ctx, idsOf(k), store.Page{Limit: 100})
	e.ok(err, "Events")
	var got []string
	for _, r := range records {
		got = append(got, r.Comment)
	}
	e.equal(got, want, "comments of the events after %s", what)
}

// keptAccessEnds: kept access tokens end with their token, and with the login.
//
// proves P6, P7
func keptAccessEnds(e *env) {
	root, other := e.root(), e.root()
	child := e.child(root)
	grandchild := e.child(child)
	kept := map[*tok]store.Ticket{}
	for _, k := range []*tok{root, other, child, grandchild} {
		kept[k] = e.newAccess(k)
		e.put(kept[k])
	}
	reply := e.newCode(child)
	e.put(reply)
	gone := func(what string, toks ...*tok) {
		e.Helper()
		for _, k := range toks {
			e.unresolved(kept[k].TicketRef, t0, store.ErrTicketNotFound, what)
			e.hides(kept[k].Payload)
		}
	}
	e.revoke(child, true)
	gone("the kept access token of a revoked token", child, grandchild)
	e.wantTicket(kept[root], kept[other])

	child = e.child(root)
	kept[child], reply = e.newAccess(child), e.newCode(child)
	e.put(kept[child], reply)
	early := e.replacement(root, 2)
	e.fails(e.s.ReplaceGrant(e.ctx, early), store.ErrConflict, "ReplaceGrant of a generation to come")
	e.wantTicket(kept[root], kept[child])
	r := e.replacement(root, 1)
	e.replace(r)
	gone("the kept access token of an earlier login", root, child)
	e.wantTicket(kept[other], reply)

	// Repeating the replacement deletes no more than that.
	e.replace(r)
	e.wantTicket(kept[other], reply)
}
