package storetest

import (
	"fmt"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

func recordsUnknown(e *env) {
	for _, id := range []store.TokenID{e.tokenID(), {}} {
		k := issued(store.Token{ID: id, Sum: e.sum()})
		e.notStored(k)
		e.equal(len(e.subtree(id, 5)), 0, "subtree")
		e.wantHistory([]*tok{k})
		e.fails(e.lookupErr(k.Presented, t0), store.ErrNotFound, "Lookup")
	}
	e.wantListed(e.ownerID(), 0)
	e.wantListed(store.OwnerID{}, 0)
	e.wantHistory(nil)
	e.fails(errOf(e.s.Grant(e.ctx, store.GrantID{})), store.ErrNotFound, "Grant")
}

func recordsList(e *env) {
	owner := e.ownerID()
	var all []*tok
	for range 3 {
		root := e.rootOf(owner, at(1, none))
		e.root() // somebody else's
		all = append(all, root, e.child(root, at(2, 0)), e.child(root))
	}
	e.revoke(all[0], true)
	e.spend(all[4], 0)
	var want []store.TokenInfo
	for _, k := range all {
		want = append(want, e.info(k.id()))
	}
	e.equal(want[1].Live, false, "a revoked token is listed, and not live")
	for _, limit := range []int{1, 2, 3, len(all) - 1, len(all), 1000} {
		e.equal(e.listIn(owner, limit), want, "list in pages of %d", limit)
	}
	_, next, err := e.s.List(e.ctx, owner, store.Page{Limit: 1000})
	e.ok(err, "List")
	e.equal(next, "", "cursor at the end")
}

func recordsCount(e *env) {
	owner := e.ownerID()
	for n := range 4 {
		for _, most := range []int{1, n + 1, n + 2, 1 << 30} {
			got, err := e.s.Count(e.ctx, owner, most)
			e.ok(err, "Count")
			e.equal(got, min(n, most), "count of %d tokens, at most %d", n, most)
		}
		root := e.rootOf(owner)
		e.root() // somebody else's
		if n == 0 {
			e.revoke(root, true)
		}
	}
	for _, most := range []int{0, -1} {
		e.refused(errOf(e.s.Count(e.ctx, owner, most)), "Count of at most %d", most)
	}
}

// stable reads pages of two tokens, and after each page adds a token and revokes another
// one. It checks that the pages return each token in there exactly once and in order.
func (e *env) stable(read func(store.Page) ([]store.TokenInfo, string, error), there []*tok, add func()) {
	e.Helper()
	added := 0
	got := infoIDs(collect(e, func(p store.Page) ([]store.TokenInfo, string, error) {
		infos, next, err := read(p)
		if added < 4 {
			added++
			add()
			e.revoke(there[added], true)
		}
		return infos, next, err
	}, 2))
	e.equal(got[:len(there)], idsOf(there...), "tokens that were there throughout, each once and in order")
	for _, id := range got[len(there):] {
		e.equal(slices.Contains(got[:len(there)], id), false, "a token is returned twice")
	}
}

func recordsListStable(e *env) {
	owner := e.ownerID()
	there := several(6, func() *tok { return e.rootOf(owner) })
	read := func(p store.Page) ([]store.TokenInfo, string, error) { return e.s.List(e.ctx, owner, p) }
	e.stable(read, there, func() { e.rootOf(owner) })
}

func recordsSubtree(e *env) {
	root := e.root()
	a, b := e.child(root), e.child(root)
	aa := e.child(a)
	// The clocks of nodes differ: a child may seem older than its parent.
	aaa := e.newChild(aa)
	aaa.Created = t0 - hour
	e.derive(aa.Presented, e.uncounted(), aaa)
	ba := e.child(b)
	e.child(e.root())
	for _, limit := range []int{1, 2, 4, 100} {
		e.equal(infoIDs(e.subtree(root.id(), limit)), idsOf(root, a, b, aa, aaa, ba), "subtree of the root in pages of %d", limit)
		e.equal(infoIDs(e.subtree(a.id(), limit)), idsOf(a, aa, aaa), "subtree of a child in pages of %d", limit)
	}
	e.equal(infoIDs(e.subtree(ba.id(), 10)), idsOf(ba), "subtree of a leaf")
	e.revoke(a, true)
	for _, info := range e.subtree(root.id(), 10) {
		e.equal(info, e.info(info.ID), "entry of the subtree")
		e.equal(info.Live, !slices.Contains(idsOf(a, aa, aaa), info.ID), "live")
	}
}

func recordsSubtreeStable(e *env) {
	root := e.root()
	there := append([]*tok{root}, several(5, func() *tok { return e.child(root) })...)
	read := func(p store.Page) ([]store.TokenInfo, string, error) { return e.s.Subtree(e.ctx, root.id(), p) }
	e.stable(read, there, func() { e.child(root) })
}

func recordsEvents(e *env) {
	one, two, other := e.root(), e.root(), e.root()
	var want []store.EventRecord
	add := func(k *tok, at store.Micros) {
		ev := store.Event{Name: fmt.Sprintf("event %d", len(want)), Time: at}
		e.record(k, ev)
		want = append(want, store.EventRecord{Token: k.id(), Event: ev})
	}
	for i := range 3 {
		at := t0 + store.Micros(i)
		add(one, at)
		add(two, at)
		add(one, at)
	}
	// This event is recorded late, but it comes before the others.
	add(two, t0-1)
	want = append(want[len(want)-1:], want[:len(want)-1]...)
	slices.Reverse(want)
	e.record(other, event("other", t0))
	for _, limit := range []int{1, 2, 3, len(want), 1000} {
		got := collect(e, func(p store.Page) ([]store.EventRecord, string, error) {
			return e.s.Events(e.ctx, []store.TokenID{two.id(), one.id(), e.tokenID(), one.id()}, p)
		}, limit)
		e.equal(got, want, "events in pages of %d", limit)
	}
	e.wantHistory([]*tok{other}, "other")
}

func recordsEventsStable(e *env) {
	root := e.root()
	var want []string
	for i := range 6 {
		want = append(want, fmt.Sprintf("event %d", i))
		e.record(root, event(want[i], t0))
	}
	slices.Reverse(want)
	added := 0
	got := collect(e, func(p store.Page) ([]store.EventRecord, string, error) {
		records, next, err := e.s.Events(e.ctx, idsOf(root), p)
		if added < 4 {
			added++
			e.record(root, event("added", t0+store.Micros(added)))
		}
		return records, next, err
	}, 2)
	var names []string
	for _, r := range got {
		if r.Name != "added" {
			names = append(names, r.Name)
		}
	}
	e.equal(names, want, "events that were there throughout")
}

func recordsPages(e *env) {
	root := e.root()
	for _, limit := range []int{0, -1} {
		p := store.Page{Limit: limit}
		_, _, listErr := e.s.List(e.ctx, root.Owner, p)
		_, _, subtreeErr := e.s.Subtree(e.ctx, root.id(), p)
		_, _, eventsErr := e.s.Events(e.ctx, idsOf(root), p)
		_, _, sealedErr := e.s.Sealed(e.ctx, p)
		for i, err := range []error{listErr, subtreeErr, eventsErr, sealedErr} {
			e.refused(err, "%s of %d", []string{"List", "Subtree", "Events", "Sealed"}[i], limit)
		}
	}
}

// proves P7
func deleteOwner(e *env) {
	root, other := e.root(at(5, none)), e.root(at(5, none))
	child, second := e.child(root, at(5, 0)), e.rootOf(root.Owner)
	next, rotation := e.rotate(child, grace)
	use := e.use(store.UseAT, 0)
	use.Event = store.Event{Name: "AT_created", Comment: "comment of the deleted", Address: "203.0.113.77", UserAgent: "agent of the deleted", Time: t0}
	e.charge(child.Presented, use) // which does not confirm the rotation
	code, short, kept := e.newCode(root), e.newShort(next), e.newCode(other)
	e.put(code, short, kept)
	lease := e.leaseID()
	e.begin(root.Grant, lease, t0)
	current, spare := e.commit(root.Grant, lease, 1), e.commit(root.Grant, e.leaseID(), 1)
	e.revoke(second, true)
	otherBefore := e.info(other.id())
	items, tags := e.keep(root.Owner, 200), e.keep(other.Owner, 1)
	unborn := e.tokenID()
	e.link(root.Owner, newLinks(append(tag(items[0], root.id(), child.id(), unborn), tag(items[1], second.id())...))...)
	e.link(other.Owner, newLinks(tag(tags[0], other.id()))...)
	alone := e.ownerID() // who has items and no token
	lone := e.keep(alone, 1)[0]

	values := [][]byte{
		root.Key, root.About, child.About, rotation.Key, rotation.Successor, current.Token, spare.Token, code.Key, code.Payload, short.Payload,
		[]byte(use.Event.Comment), []byte(use.Event.Address), []byte(use.Event.UserAgent), items[0].Contents, items[199].Contents, lone.Contents,
	}
	e.shows(values...)
	private := append([][]byte{
		root.Owner[:], root.Token.ID[:], child.Token.ID[:], second.Token.ID[:], root.Grant[:], second.Grant[:],
		code.ID[:], short.ID[:], root.Token.Sum[:], rotation.To.Sum[:], items[0].ID[:], items[199].ID[:], unborn[:], alone[:],
	}, values...)
	for range 2 {
		e.ok(e.s.DeleteOwner(e.ctx, root.Owner), "DeleteOwner")
		e.ok(e.s.DeleteOwner(e.ctx, alone), "DeleteOwner of somebody without tokens")
		e.wantItems(root.Owner, 0)
		e.wantItems(alone, 0)
		e.wantLinks(append(idsOf(root, child, second), unborn))
		for _, k := range []*tok{root, child, next, second} {
			for _, s := range e.steps(k) {
				e.fails(s.do(k.Presented, t0), store.ErrNotFound, "%s with a deleted token", s.name)
			}
			e.notStored(k)
			e.fails(errOf(e.s.Revoke(e.ctx, store.Revocation{Token: k.id(), Now: t0})), store.ErrNotFound, "Revoke")
			e.fails(errOf(e.s.Grant(e.ctx, k.Grant)), store.ErrNotFound, "Grant")
		}
		e.wantListed(root.Owner, 0)
		e.equal(len(e.subtree(root.id(), 10)), 0, "subtree")
		e.wantHistory([]*tok{root, child, second})
		for _, t := range []store.Ticket{code, short} {
			e.unresolved(t.TicketRef, t0, store.ErrTicketNotFound, "a deleted token's ticket")
		}
		e.refund(use.ID)
	}
	e.hides(private...)
	e.equal(e.info(other.id()), otherBefore, "another owner's token")
	e.wantTicket(kept)
	e.wantItems(other.Owner, 1, tags...)
	e.wantLinks(idsOf(other), tag(tags[0], other.id())...)
	e.spend(other, 0)
	e.ok(e.s.DeleteOwner(e.ctx, e.ownerID()), "DeleteOwner of somebody unknown")
}

// proves P6: no token is left that was created while its owner was being deleted.
func deleteOwnerRace(e *env) {
	for range e.rounds {
		root := e.root(at(50, none))
		parents := []*tok{root, e.child(root, at(50, 0))}
		children := several(callers, func() *tok { return e.newChild(root, at(50, 0)) })
		uses := several(callers, func() store.Use { return e.noted("MT_created", store.UseOther, 0) })
		errs := e.atOnce(callers+1, func(i int, s store.Store) error {
			if i == callers {
				return s.DeleteOwner(e.ctx, root.Owner)
			}
			return errOf(s.CreateChild(e.ctx, parents[i%2].Presented, uses[i], children[i].Token))
		})
		e.ok(errs[callers], "DeleteOwner")
		winners(errs[:callers], func(err error) { e.fails(err, store.ErrNotFound, "CreateChild that lost the race") })
		for _, k := range children {
			e.fails(e.lookupErr(k.Presented, t0), store.ErrNotFound, "Lookup of a child of a deleted owner")
		}
		e.wantListed(root.Owner, 0)
		e.wantHistory(append(parents, children...))
	}
}
