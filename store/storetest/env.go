package storetest

import (
	"context"
	"crypto/sha512"
	"fmt"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// t0 is the instant at which the cases begin. The suite reads no clock.
const t0 store.Micros = 1_900_000_000_000_000

const (
	second = store.Micros(time.Second / time.Microsecond)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
	month  = 30 * day
)

const (
	grace     = 30 * time.Second    // usual grace of a rotation
	ttl       = 12 * time.Second    // usual duration of a lease
	retention = 30 * 24 * time.Hour // how long the cases keep dead tokens
)

// These are short names for values that nearly every clause of the suite has.
const (
	none      = store.NoClause
	unlimited = store.Unlimited
)

// patience bounds the time of one case, so that a store that hangs fails.
const patience = 2 * time.Minute

// env holds what a case needs: the test, the store and a source of ids.
type env struct {
	testing.TB
	ctx context.Context // of all calls
	// s sends consecutive calls to different nodes. So every case also checks that a step
	// is visible on all nodes once it has returned.
	s     store.Store
	nodes []store.Store
	dump  func(context.Context) ([]byte, error)

	rounds   int
	maxDepth int
	drawn    uint64 // how many ids
}

func newEnv(t testing.TB, h Harness, b Backend) *env {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	e := &env{TB: t, ctx: ctx, s: roundRobin(b.Nodes), nodes: b.Nodes, dump: b.Dump, rounds: h.Rounds, maxDepth: h.MaxDepth}
	if e.rounds == 0 {
		e.rounds = 10
	}
	if e.maxDepth == 0 {
		e.maxDepth = store.MaxDepth
	}
	return e
}

// bytes draws deterministic bytes, which are different at each draw of each case.
func (e *env) bytes() [64]byte {
	e.drawn++
	return sha512.Sum512(fmt.Appendf(nil, "%s %d", e.Name(), e.drawn))
}

func (e *env) tokenID() store.TokenID { return e.bytes() }

func (e *env) grantID() store.GrantID { b := e.bytes(); return store.GrantID(b[:]) }

func (e *env) ownerID() store.OwnerID { b := e.bytes(); return store.OwnerID(b[:]) }

func (e *env) useID() store.UseID { b := e.bytes(); return store.UseID(b[:]) }

func (e *env) leaseID() store.LeaseID { b := e.bytes(); return store.LeaseID(b[:]) }

func (e *env) sum() store.Sum { b := e.bytes(); return store.Sum(b[:]) }

func (e *env) ticketID() store.TicketID { b := e.bytes(); return store.TicketID(b[:]) }

func (e *env) sealed() store.Sealed { b := e.bytes(); return b[:40] }

// tok is a token together with how its holder presents it.
type tok struct {
	store.Token
	store.Presented
}

func (k *tok) id() store.TokenID { return k.Token.ID }

// spent returns what Spend returns when it first charges the clause.
func (k *tok) spent(clause int) store.Spent {
	return store.Spent{Grant: k.Grant, Owner: k.Owner, Key: k.Key, Clause: clause}
}

// forged returns the token as somebody would present it with another sum.
func (k *tok) forged(e *env) store.Presented {
	return store.Presented{ID: k.id(), Seq: k.Presented.Seq, Sum: e.sum()}
}

func idsOf(toks ...*tok) []store.TokenID {
	var ids []store.TokenID
	for _, k := range toks {
		ids = append(ids, k.id())
	}
	return ids
}

func issued(t store.Token) *tok {
	return &tok{t, store.Presented{ID: t.ID, Seq: 1, Sum: t.Sum}}
}

// limits returns a clause with its two limits and the parent's clause that it draws on.
func limits(at, other store.Limit, draws int) store.Clause {
	return store.Clause{AT: at, Other: other, Draws: draws}
}

// at returns a clause in which only the AT counter is limited.
func at(limit store.Limit, draws int) store.Clause { return limits(limit, unlimited, draws) }

// The scope and the audience of the suite's grants.
const (
	grantScope    = "openid offline_access"
	grantAudience = "https://a.example urn:example:b"
)

// granted returns the state of a grant with the suite's scope and audience.
func granted(generation uint64, token store.Sealed, spares ...store.Spare) store.RefreshState {
	return store.RefreshState{Generation: generation, Token: token, Spares: spares, Scope: grantScope, Audience: grantAudience}
}

// newGrant returns a grant that is not stored.
func (e *env) newGrant(owner store.OwnerID) store.Grant {
	return store.Grant{ID: e.grantID(), Owner: owner, Refresh: e.sealed(), Scope: grantScope, Audience: grantAudience, Created: t0}
}

// newToken returns a token that is not stored.
func (e *env) newToken(g store.GrantID, o store.OwnerID, clauses ...store.Clause) *tok {
	return issued(store.Token{
		ID: e.tokenID(), Grant: g, Owner: o, Sum: e.sum(), Key: e.sealed(), About: e.sealed(),
		Created: t0, Expires: t0 + 365*day, Clauses: clauses,
	})
}

// newRoot returns a grant and its first token, neither of them stored.
func (e *env) newRoot(clauses ...store.Clause) (store.Grant, *tok) {
	g := e.newGrant(e.ownerID())
	return g, e.newToken(g.ID, g.Owner, clauses...)
}

// newChild returns a child that is not stored.
func (e *env) newChild(parent *tok, clauses ...store.Clause) *tok {
	return e.newToken(parent.Grant, parent.Owner, clauses...)
}

// root stores a grant and its first token.
func (e *env) root(clauses ...store.Clause) *tok {
	e.Helper()
	return e.rootOf(e.ownerID(), clauses...)
}

func (e *env) rootOf(owner store.OwnerID, clauses ...store.Clause) *tok {
	e.Helper()
	g := e.newGrant(owner)
	k := e.newToken(g.ID, g.Owner, clauses...)
	e.ok(e.createRoot(g, k, store.TicketChanges{}), "CreateRoot")
	return k
}

// rootExpiring stores a root that expires.
func (e *env) rootExpiring(expires store.Micros, clauses ...store.Clause) *tok {
	e.Helper()
	g, k := e.newRoot(clauses...)
	k.Expires = expires
	e.ok(e.createRoot(g, k, store.TicketChanges{}), "CreateRoot")
	return k
}

// child stores a child with an uncounted use.
func (e *env) child(parent *tok, clauses ...store.Clause) *tok {
	e.Helper()
	return e.childExpiring(parent, t0+365*day, clauses...)
}

// childExpiring stores a child that expires; 0 means never.
func (e *env) childExpiring(parent *tok, expires store.Micros, clauses ...store.Clause) *tok {
	e.Helper()
	k := e.newChild(parent, clauses...)
	k.Expires = expires
	e.derive(parent.Presented, e.uncounted(), k)
	return k
}

// use returns a use with a new id.
func (e *env) use(k store.Kind, candidates ...int) store.Use {
	return store.Use{ID: e.useID(), Kind: k, Candidates: candidates, Now: t0 + second}
}

func (e *env) uncounted() store.Use { return e.use(store.UseUncounted) }

// noted returns a use with a new id that leaves an event.
func (e *env) noted(name string, k store.Kind, candidates ...int) store.Use {
	u := e.use(k, candidates...)
	u.Event = event(name, t0)
	return u
}

func event(name string, at store.Micros) store.Event {
	return store.Event{Name: name, Comment: "comment", Address: "192.0.2.1", UserAgent: "agent/1.0", Time: at}
}

// newTicket returns a pending ticket with contents, valid for ten minutes and not stored.
func (e *env) newTicket(kind store.TicketKind) store.Ticket {
	t := store.Ticket{
		TicketRef: e.unknown(kind), Status: store.TicketPending, Key: e.sealed(), Payload: e.sealed(), Expires: t0 + 10*minute,
	}
	if lasting(kind) {
		t.Status, t.Expires = store.TicketReady, 0
	}
	return t
}

// lasting reports whether tickets of a kind are not one-time.
func lasting(kind store.TicketKind) bool {
	return kind == store.TicketShort || kind == store.TicketSSHKey
}

// unknown names a ticket that is not stored.
func (e *env) unknown(kind store.TicketKind) store.TicketRef {
	return store.TicketRef{Kind: kind, ID: e.ticketID()}
}

// newCode returns a code that belongs to a token and is ready to be taken. It is not
// stored.
func (e *env) newCode(owner *tok) store.Ticket {
	t := e.newTicket(store.TicketTransfer)
	t.Status, t.Token = store.TicketReady, owner.id()
	return t
}

// newShort returns a short token that is not stored.
func (e *env) newShort(owner *tok) store.Ticket {
	t := e.newTicket(store.TicketShort)
	t.Token = owner.id()
	return t
}

// newSSHKey returns the ticket of an SSH key that is not stored.
func (e *env) newSSHKey(owner *tok) store.Ticket {
	t := e.newTicket(store.TicketSSHKey)
	t.Token = owner.id()
	return t
}

// The functions below return changes to tickets of one kind each.

func (e *env) consuming(refs ...store.TicketRef) store.TicketChanges {
	return store.TicketChanges{By: e.useID(), Consume: refs}
}

func completing(c store.Completion) store.TicketChanges {
	return store.TicketChanges{Complete: []store.Completion{c}}
}

func dropping(refs ...store.TicketRef) store.TicketChanges { return store.TicketChanges{Drop: refs} }

func putting(tickets ...store.Ticket) store.TicketChanges { return store.TicketChanges{Put: tickets} }

// rotation returns a rotation of the presented generation of a token to a new successor.
func (e *env) rotation(k *tok, grace time.Duration) store.Rotation {
	return store.Rotation{
		From: k.Presented, To: store.Presented{ID: k.Presented.ID, Seq: k.Presented.Seq + 1, Sum: e.sum()},
		Key: e.sealed(), Successor: e.sealed(), Expires: t0 + 400*day, Now: t0 + second, Grace: grace,
	}
}

// newCommit returns a commit of a new refresh token. It is not stored.
func (e *env) newCommit(g store.GrantID, l store.LeaseID, generation uint64) store.Commit {
	return store.Commit{Grant: g, Lease: l, Generation: generation, Token: e.sealed(), Now: t0}
}

// replacement returns a replacement of the token's grant with a lease of its own.
func (e *env) replacement(k *tok, generation uint64) store.Replacement {
	return store.Replacement{Grant: k.Grant, Owner: k.Owner, Lease: e.leaseID(), Generation: generation, Token: e.sealed(), Now: t0}
}
