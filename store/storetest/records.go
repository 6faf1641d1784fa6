package storetest

import (
	"fmt"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

func recordCases() []testCase {
	return []testCase{
		{name: "unknown ids", run: recordsUnknown},
		{name: "list", run: recordsList},
		{name: "list pages are stable", run: recordsListStable},
		{name: "subtree", run: recordsSubtree},
		{name: "subtree pages are stable", run: recordsSubtreeStable},
		{name: "events", run: recordsEvents},
		{name: "event pages are stable", run: recordsEventsStable},
		{name: "page without limit is refused", run: recordsPages},
		{name: "delete owner", run: deleteOwner, alone: true},
		{name: "delete owner races derivation", run: deleteOwnerRace},
	}
}

func idsOf(infos []store.TokenInfo) []store.TokenID {
	var ids []store.TokenID
	for _, i := range infos {
		ids = append(ids, i.ID)
	}
	return ids
}

func idsOfToks(toks ...*tok) []store.TokenID {
	var ids []store.TokenID
	for _, k := range toks {
		ids = append(ids, k.id())
	}
	return ids
}

func (e *env) subtree(id store.TokenID, limit int) []store.TokenInfo {
	e.Helper()
	return collect(e, func(p store.Page) ([]store.TokenInfo, string, error) { return e.s.Subtree(e.ctx, id, p) }, limit)
}

func recordsUnknown(e *env) {
	for _, id := range []store.TokenID{e.tokenID(), {}} {
		_, err := e.s.Token(e.ctx, id)
		e.fails(err, store.ErrNotFound, "Token")
		e.equal(len(e.subtree(id, 5)), 0, "subtree")
		e.equal(e.history(id), []string(nil), "history")
		_, err = e.s.Lookup(e.ctx, store.Presented{ID: id, Seq: 1, Sum: e.sum()}, t0)
		e.fails(err, store.ErrNotFound, "Lookup")
	}
	for _, o := range []store.OwnerID{e.ownerID(), {}} {
		e.equal(len(e.list(o)), 0, "list")
	}
	e.equal(e.history(), []string(nil), "history of no token")
	_, err := e.s.Grant(e.ctx, store.GrantID{})
	e.fails(err, store.ErrNotFound, "Grant")
}

func recordsList(e *env) {
	owner := e.ownerID()
	var all []*tok
	for range 3 {
		root := e.rootOf(owner, at(1, store.NoClause))
		e.root() // somebody else's
		all = append(all, root, e.child(root, at(2, 0)), e.child(root))
	}
	e.revoke(all[0].id(), true)
	e.spend(all[4], 0)
	var want []store.TokenInfo
	for _, k := range all {
		want = append(want, e.info(k.id()))
	}
	e.equal(want[1].Live, false, "a revoked token is listed, and not live")
	for _, limit := range []int{1, 2, 3, len(all) - 1, len(all), 1000} {
		got := collect(e, func(p store.Page) ([]store.TokenInfo, string, error) { return e.s.List(e.ctx, owner, p) }, limit)
		e.equal(got, want, "list in pages of %d", limit)
	}
	_, next, err := e.s.List(e.ctx, owner, store.Page{Limit: 1000})
	e.ok(err, "List")
	e.equal(next, "", "cursor at the end")
}

func recordsListStable(e *env) {
	owner := e.ownerID()
	var want []store.TokenID
	for range 6 {
		want = append(want, e.rootOf(owner).id())
	}
	added := 0
	got := collect(e, func(p store.Page) ([]store.TokenInfo, string, error) {
		infos, next, err := e.s.List(e.ctx, owner, p)
		if added < 4 {
			added++
			e.rootOf(owner)
			e.revoke(want[added], true)
		}
		return infos, next, err
	}, 2)
	e.equal(idsOf(got)[:len(want)], want, "tokens that were there throughout, each once and in order")
	for _, id := range idsOf(got)[len(want):] {
		if slices.Contains(want, id) {
			e.Errorf("a token is returned twice")
		}
	}
}

func recordsSubtree(e *env) {
	root := e.root()
	a := e.child(root)
	b := e.child(root)
	aa := e.child(a)
	// The clocks of nodes differ: a child may seem older than its parent.
	early := e.newChild(aa)
	early.Created = t0 - hour
	_, err := e.s.CreateChild(e.ctx, aa.Presented, e.uncounted(), early)
	e.ok(err, "CreateChild")
	aaa := &tok{early, present(early)}
	ba := e.child(b)
	e.child(e.root())
	for _, limit := range []int{1, 2, 4, 100} {
		e.equal(idsOf(e.subtree(root.id(), limit)), idsOfToks(root, a, b, aa, aaa, ba), "subtree of the root in pages of %d", limit)
		e.equal(idsOf(e.subtree(a.id(), limit)), idsOfToks(a, aa, aaa), "subtree of a child in pages of %d", limit)
	}
	e.equal(idsOf(e.subtree(ba.id(), 10)), idsOfToks(ba), "subtree of a leaf")
	e.revoke(a.id(), true)
	for _, info := range e.subtree(root.id(), 10) {
		e.equal(info, e.info(info.ID), "entry of the subtree")
		e.equal(info.Live, !slices.Contains(idsOfToks(a, aa, aaa), info.ID), "live")
	}
}

func recordsSubtreeStable(e *env) {
	root := e.root()
	want := idsOfToks(root)
	for range 5 {
		want = append(want, e.child(root).id())
	}
	added := 0
	got := collect(e, func(p store.Page) ([]store.TokenInfo, string, error) {
		infos, next, err := e.s.Subtree(e.ctx, root.id(), p)
		if added < 4 {
			added++
			e.child(root)
			e.revoke(want[added], true)
		}
		return infos, next, err
	}, 2)
	e.equal(idsOf(got)[:len(want)], want, "tokens that were there throughout, each once and in order")
	for _, id := range idsOf(got)[len(want):] {
		if slices.Contains(want, id) {
			e.Errorf("a token is returned twice")
		}
	}
}

func (e *env) record(k *tok, ev store.Event) {
	e.Helper()
	u := e.uncounted()
	u.Event = ev
	_, err := e.s.Spend(e.ctx, k.Presented, u)
	e.ok(err, "Spend")
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
	// Recorded late, it still belongs before the others.
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
	e.equal(e.history(other.id()), []string{"other"}, "history of another token")
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
		records, next, err := e.s.Events(e.ctx, []store.TokenID{root.id()}, p)
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
		_, _, err := e.s.List(e.ctx, root.Owner, p)
		e.refused(err, "List of %d", limit)
		_, _, err = e.s.Subtree(e.ctx, root.id(), p)
		e.refused(err, "Subtree of %d", limit)
		_, _, err = e.s.Events(e.ctx, []store.TokenID{root.id()}, p)
		e.refused(err, "Events of %d", limit)
		_, _, err = e.s.Sealed(e.ctx, p)
		e.refused(err, "Sealed of %d", limit)
	}
}

// proves P7
func deleteOwner(e *env) {
	root, other := e.root(at(5, store.NoClause)), e.root(at(5, store.NoClause))
	child := e.child(root, at(5, 0))
	second := e.rootOf(root.Owner)
	next, rotation := e.rotate(child, grace)
	use := e.use(store.UseAT, 0)
	use.Event = store.Event{Name: "AT_created", Comment: "comment of the deleted", Address: "203.0.113.77", UserAgent: "agent of the deleted", Time: t0}
	_, err := e.s.Spend(e.ctx, next.Presented, use)
	e.ok(err, "Spend")
	code, short := e.newCode(root), e.newShort(next)
	kept := e.newCode(other)
	e.put(code, short, kept)
	lease := e.leaseID()
	e.begin(root.Grant, lease, t0)
	current := e.commit(root.Grant, lease, 1)
	spare := e.commit(root.Grant, e.leaseID(), 1)
	e.revoke(second.id(), true)
	otherBefore := e.info(other.id())

	contents := [][]byte{
		root.Key, root.About, child.About, rotation.Key, rotation.Successor, current.Token, spare.Token, code.Key, code.Payload, short.Payload,
		[]byte(use.Event.Comment), []byte(use.Event.Address), []byte(use.Event.UserAgent),
	}
	e.shows(contents...)
	private := append([][]byte{
		root.Owner[:], root.Token.ID[:], child.Token.ID[:], second.Token.ID[:], root.Grant[:], second.Grant[:],
		code.ID[:], short.ID[:], root.Token.Sum[:], rotation.To.Sum[:],
	}, contents...)
	for range 2 {
		e.ok(e.s.DeleteOwner(e.ctx, root.Owner), "DeleteOwner")
		for _, k := range []*tok{root, child, next, second} {
			for _, s := range e.steps(k) {
				e.fails(s.do(k.Presented, t0), store.ErrNotFound, "%s with a deleted token", s.name)
			}
			_, err := e.s.Token(e.ctx, k.id())
			e.fails(err, store.ErrNotFound, "Token")
			_, err = e.s.Revoke(e.ctx, store.Revocation{Token: k.id(), Now: t0})
			e.fails(err, store.ErrNotFound, "Revoke")
			_, err = e.s.Grant(e.ctx, k.Grant)
			e.fails(err, store.ErrNotFound, "Grant")
		}
		e.equal(len(e.list(root.Owner)), 0, "list")
		e.equal(len(e.subtree(root.id(), 10)), 0, "subtree")
		e.equal(e.history(root.id(), child.id(), second.id()), []string(nil), "history")
		for _, t := range []store.Ticket{code, short} {
			e.unresolved(t.TicketRef, t0, store.ErrTicketNotFound, "a deleted token's ticket")
		}
		e.ok(e.s.Refund(e.ctx, use.ID, t0), "Refund of a deleted use")
	}
	e.hides(private...)
	e.equal(e.info(other.id()), otherBefore, "another owner's token")
	e.equal(e.resolve(kept.TicketRef), kept, "another owner's ticket")
	e.spend(other, 0)
	e.ok(e.s.DeleteOwner(e.ctx, e.ownerID()), "DeleteOwner of somebody unknown")
}

// proves P6: nothing is left of what was derived while its owner was deleted.
func deleteOwnerRace(e *env) {
	for range e.rounds {
		const callers = 2 * nodes
		root := e.root(at(50, store.NoClause))
		middle := e.child(root, at(50, 0))
		var (
			children [callers]store.Token
			uses     [callers]store.Use
			errs     [callers]error
			delErr   error
		)
		for i := range children {
			children[i] = e.newChild(root, at(50, 0))
			uses[i] = e.use(store.UseOther, 0)
			uses[i].Event = event("MT_created", t0)
		}
		e.parallel(callers+1, func(i int, s store.Store) {
			if i == callers {
				delErr = s.DeleteOwner(e.ctx, root.Owner)
				return
			}
			_, errs[i] = s.CreateChild(e.ctx, []*tok{root, middle}[i%2].Presented, uses[i], children[i])
		})
		e.ok(delErr, "DeleteOwner")
		for i, err := range errs {
			if err != nil {
				e.fails(err, store.ErrNotFound, "CreateChild that lost the race")
			}
			_, err := e.s.Lookup(e.ctx, present(children[i]), t0)
			e.fails(err, store.ErrNotFound, "Lookup of a child of a deleted owner")
			e.equal(e.history(children[i].ID), []string(nil), "history")
		}
		e.equal(len(e.list(root.Owner)), 0, "tokens")
		e.equal(e.history(root.id(), middle.id()), []string(nil), "histories")
	}
}
