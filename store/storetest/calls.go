package storetest

import (
	"time"

	"github.com/mytoken-go/sdk/store"
)

// These are the calls that most cases make, with the context of the case. Some return an
// error, which the case judges. The others end the case unless the step succeeds.

func (e *env) createRoot(g store.Grant, k *tok, changes store.TicketChanges) error {
	return e.s.CreateRoot(e.ctx, g, k.Token, changes)
}

func (e *env) childErr(parent store.Presented, u store.Use, child *tok) error {
	return errOf(e.s.CreateChild(e.ctx, parent, u, child.Token))
}

// derive stores a child, which must succeed.
func (e *env) derive(parent store.Presented, u store.Use, child *tok) store.Spent {
	e.Helper()
	spent, err := e.s.CreateChild(e.ctx, parent, u, child.Token)
	e.ok(err, "CreateChild")
	return spent
}

func (e *env) lookupErr(p store.Presented, now store.Micros) error {
	return errOf(e.s.Lookup(e.ctx, p, now))
}

func (e *env) lookup(p store.Presented, now store.Micros) store.State {
	e.Helper()
	state, err := e.s.Lookup(e.ctx, p, now)
	e.ok(err, "Lookup")
	return state
}

func (e *env) spendErr(p store.Presented, u store.Use) error {
	return errOf(e.s.Spend(e.ctx, p, u))
}

// charge makes a use.
func (e *env) charge(p store.Presented, u store.Use) store.Spent {
	e.Helper()
	spent, err := e.s.Spend(e.ctx, p, u)
	e.ok(err, "Spend")
	return spent
}

// spend makes one use for an access token.
func (e *env) spend(k *tok, candidates ...int) store.Spent {
	e.Helper()
	return e.charge(k.Presented, e.use(store.UseAT, candidates...))
}

// record appends an event to the history of a token.
func (e *env) record(k *tok, ev store.Event) {
	e.Helper()
	u := e.uncounted()
	u.Event = ev
	e.charge(k.Presented, u)
}

func (e *env) refund(id store.UseID) {
	e.Helper()
	e.ok(e.s.Refund(e.ctx, id, t0), "Refund")
}

// rotate rotates the token and returns its successor.
func (e *env) rotate(k *tok, grace time.Duration) (*tok, store.Rotation) {
	e.Helper()
	r := e.rotation(k, grace)
	e.rotatedTo(r, store.Rotated{Successor: r.Successor, Fresh: true}, "the first time")
	return &tok{k.Token, r.To}, r
}

// rotatedTo makes a rotation and checks its outcome.
func (e *env) rotatedTo(r store.Rotation, want store.Rotated, what string, args ...any) {
	e.Helper()
	got, err := e.s.Rotate(e.ctx, r)
	e.ok(err, "Rotate, "+what, args...)
	e.equal(got, want, "Rotate, "+what, args...)
}

func (e *env) rotateErr(r store.Rotation) error { return errOf(e.s.Rotate(e.ctx, r)) }

// revoke revokes a token and reports whether a live one may be left.
func (e *env) revoke(k *tok, recursive bool) bool {
	e.Helper()
	return e.revokeAs(store.Revocation{Token: k.id(), Recursive: recursive, Now: t0 + 2*second}).LiveLeft
}

func (e *env) revokeAs(r store.Revocation) store.Revoked {
	e.Helper()
	out, err := e.s.Revoke(e.ctx, r)
	e.ok(err, "Revoke")
	return out
}

// beginning returns the arguments of BeginRefresh for a caller without a process.
func beginning(g store.GrantID, l store.LeaseID, now store.Micros) store.Begin {
	return store.Begin{Grant: g, Lease: l, Now: now, TTL: ttl}
}

func (e *env) beginErr(g store.GrantID, l store.LeaseID, now store.Micros) error {
	return errOf(e.s.BeginRefresh(e.ctx, beginning(g, l, now)))
}

func (e *env) begin(g store.GrantID, l store.LeaseID, now store.Micros) store.Refresh {
	e.Helper()
	return e.beginAs(store.ProcessID{}, g, l, now)
}

// beginAs takes a lease for a process.
func (e *env) beginAs(p store.ProcessID, g store.GrantID, l store.LeaseID, now store.Micros) store.Refresh {
	e.Helper()
	b := beginning(g, l, now)
	b.Process = p
	r, err := e.s.BeginRefresh(e.ctx, b)
	e.ok(err, "BeginRefresh")
	return r
}

// commit stores a new refresh token.
func (e *env) commit(g store.GrantID, l store.LeaseID, generation uint64) store.Commit {
	e.Helper()
	c := e.newCommit(g, l, generation)
	e.recommit(c, "the first time")
	return c
}

func (e *env) recommit(c store.Commit, what string, args ...any) {
	e.Helper()
	e.ok(e.s.CommitRefresh(e.ctx, c), "CommitRefresh, "+what, args...)
}

// ending returns the arguments of EndRefresh.
func ending(g store.GrantID, l store.LeaseID, generation uint64, o store.Outcome) store.End {
	return store.End{Grant: g, Lease: l, Generation: generation, Outcome: o, Now: t0}
}

func (e *env) end(g store.GrantID, l store.LeaseID, generation uint64, o store.Outcome) {
	e.Helper()
	e.endWith(ending(g, l, generation, o))
}

func (e *env) endWith(end store.End) {
	e.Helper()
	e.ok(e.s.EndRefresh(e.ctx, end), "EndRefresh")
}

// kill reports two refusals of all that a grant has. now is the instant of the first; the
// second one comes a minute later.
func (e *env) kill(g store.GrantID, generation uint64, now store.Micros) {
	e.Helper()
	for i := range store.Micros(2) {
		l := e.leaseID()
		e.begin(g, l, now+i*minute)
		e.end(g, l, generation, store.RefreshRefused)
	}
}

func (e *env) replace(r store.Replacement) {
	e.Helper()
	e.ok(e.s.ReplaceGrant(e.ctx, r), "ReplaceGrant")
}

func (e *env) grantState(g store.GrantID) store.RefreshState {
	e.Helper()
	s, err := e.s.Grant(e.ctx, g)
	e.ok(err, "Grant")
	return s
}

func (e *env) changeErr(c store.TicketChanges) error { return e.s.ChangeTickets(e.ctx, c, t0) }

func (e *env) change(c store.TicketChanges, what string, args ...any) {
	e.Helper()
	e.ok(e.changeErr(c), "ChangeTickets: "+what, args...)
}

func (e *env) put(tickets ...store.Ticket) {
	e.Helper()
	e.change(putting(tickets...), "put")
}

// ready stores a code that belongs to no token and is ready to be taken.
func (e *env) ready(kind store.TicketKind) store.Ticket {
	e.Helper()
	t := e.newTicket(kind)
	t.Status = store.TicketReady
	e.put(t)
	return t
}

func (e *env) consumeErr(by store.UseID, refs ...store.TicketRef) error {
	return e.changeErr(store.TicketChanges{By: by, Consume: refs})
}

func (e *env) resolveErr(ref store.TicketRef, now store.Micros) error {
	return errOf(e.s.ResolveTicket(e.ctx, ref.Kind, []store.TicketID{ref.ID}, now))
}

func (e *env) resolve(ref store.TicketRef) store.Ticket {
	e.Helper()
	t, err := e.s.ResolveTicket(e.ctx, ref.Kind, []store.TicketID{ref.ID}, t0)
	e.ok(err, "ResolveTicket")
	return t
}

// takeErr takes a ticket and leaves no event.
func (e *env) takeErr(ref store.TicketRef, taker store.UseID) error {
	return e.s.TakeTicket(e.ctx, ref, taker, store.Event{}, t0)
}

// take takes a ticket with a new taker.
func (e *env) take(t store.Ticket) {
	e.Helper()
	e.ok(e.takeErr(t.TicketRef, e.useID()), "TakeTicket")
}

func (e *env) info(id store.TokenID) store.TokenInfo {
	e.Helper()
	i, err := e.s.Token(e.ctx, id)
	e.ok(err, "Token")
	return i
}

func (e *env) list(owner store.OwnerID) []store.TokenInfo {
	e.Helper()
	return e.listIn(owner, 100)
}

// listIn, subtree and walk read all pages, limit entries at a time.
func (e *env) listIn(owner store.OwnerID, limit int) []store.TokenInfo {
	e.Helper()
	return collect(e, func(p store.Page) ([]store.TokenInfo, string, error) { return e.s.List(e.ctx, owner, p) }, limit)
}

func (e *env) subtree(id store.TokenID, limit int) []store.TokenInfo {
	e.Helper()
	return collect(e, func(p store.Page) ([]store.TokenInfo, string, error) { return e.s.Subtree(e.ctx, id, p) }, limit)
}

func (e *env) walk(limit int) []store.SealedItem {
	e.Helper()
	return collect(e, func(p store.Page) ([]store.SealedItem, string, error) { return e.s.Sealed(e.ctx, p) }, limit)
}

// collect reads all pages, limit entries at a time.
func collect[T any](e *env, read func(store.Page) ([]T, string, error), limit int) []T {
	e.Helper()
	var all []T
	page := store.Page{Limit: limit}
	for {
		part, next, err := read(page)
		e.ok(err, "page after %d entries", len(all))
		if len(part) > limit {
			e.Fatalf("a page of at most %d entries has %d", limit, len(part))
		}
		all = append(all, part...)
		if next == "" {
			return all
		}
		if len(part) == 0 || next == page.After {
			e.Fatalf("page after %d entries leads nowhere", len(all))
		}
		page.After = next
	}
}

// infoIDs returns the ids of the tokens.
func infoIDs(infos []store.TokenInfo) []store.TokenID {
	var ids []store.TokenID
	for _, i := range infos {
		ids = append(ids, i.ID)
	}
	return ids
}

// step is one of the methods to which a token is presented.
type step struct {
	name string
	do   func(p store.Presented, now store.Micros) error
}

// steps returns all methods to which a token is presented.
func (e *env) steps(k *tok) []step {
	at := func(now store.Micros) store.Use {
		u := e.uncounted()
		u.Now = now
		return u
	}
	return []step{
		{"Lookup", e.lookupErr},
		{"Spend", func(p store.Presented, now store.Micros) error { return e.spendErr(p, at(now)) }},
		{"CreateChild", func(p store.Presented, now store.Micros) error { return e.childErr(p, at(now), e.newChild(k)) }},
		{"Rotate", func(p store.Presented, now store.Micros) error {
			r := e.rotation(&tok{k.Token, p}, grace)
			r.Now = now
			return e.rotateErr(r)
		}},
	}
}
