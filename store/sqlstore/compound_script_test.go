package sqlstore

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

// script makes the same random steps on two stores.
type script struct {
	*rand.Rand
	seed   uint64
	once   int // uses that were granted at once
	ended  int // leases that were ended at once
	serial uint64
	now    store.Micros

	tokens  []store.Presented
	parents []store.Token // of the same tokens
	born    []store.TokenID
	grants  []store.GrantID
	leases  []store.LeaseID
	tickets []store.TicketRef
	// What earlier batches have used and created.
	uses     []store.Use
	by       []store.Presented
	children []*store.Token
}

// fill makes an id that no other seed has.
func (sc *script) fill(id []byte) {
	sc.serial++
	binary.BigEndian.PutUint64(id, sc.seed+1)
	binary.BigEndian.PutUint64(id[8:], sc.serial)
}

func (sc *script) oneIn(n int) bool { return sc.IntN(n) == 0 }

func pick[T any](sc *script, l []T) T { return l[sc.IntN(len(l))] }

// setUp stores two grants: a root with a child that draws on it, and a root without
// clauses.
func (sc *script) setUp(t *testing.T, on ...*Store) {
	t.Helper()
	newToken := func(clauses ...store.Clause) (k store.Token) {
		sc.fill(k.ID[:])
		sc.fill(k.Grant[:])
		sc.fill(k.Owner[:])
		sc.fill(k.Sum[:])
		k.Key, k.About, k.Created, k.Clauses = store.Sealed("key"), store.Sealed("about"), 1, clauses
		return k
	}
	limited := newToken(store.Clause{AT: 9, Other: store.Unlimited, Draws: store.NoClause}, store.Clause{AT: store.Unlimited, Other: 6, Draws: store.NoClause})
	free := newToken()
	child := newToken(store.Clause{AT: 5, Other: 3, Draws: 0}, store.Clause{AT: store.Unlimited, Other: store.Unlimited, Draws: 1})
	child.Grant, child.Owner = limited.Grant, limited.Owner
	var use store.Use
	sc.fill(use.ID[:])
	use.Kind, use.Now = store.UseUncounted, sc.now
	for _, s := range on {
		for _, k := range []store.Token{limited, free} {
			g := store.Grant{ID: k.Grant, Owner: k.Owner, Refresh: store.Sealed("rt"), Scope: "openid", Audience: "aud", Created: 1}
			require.NoError(t, s.CreateRoot(t.Context(), g, k, store.TicketChanges{}))
		}
		_, err := s.CreateChild(t.Context(), store.Presented{ID: limited.ID, Seq: 1, Sum: limited.Sum}, use, child)
		require.NoError(t, err)
	}
	for _, k := range []store.Token{limited, free, child} {
		sc.tokens = append(sc.tokens, store.Presented{ID: k.ID, Seq: 1, Sum: k.Sum})
		sc.parents = append(sc.parents, k)
	}
	sc.grants = []store.GrantID{limited.Grant, free.Grant}
	sc.leases = make([]store.LeaseID, 3)
	for i := range sc.leases {
		sc.fill(sc.leases[i][:])
	}
	sc.tickets = make([]store.TicketRef, 3)
	for i := range sc.tickets {
		sc.tickets[i].Kind = store.TicketReply
		sc.fill(sc.tickets[i].ID[:])
	}
}

// batchOf is what a batch consists of.
type batchOf struct {
	tokens   []store.Presented
	uses     []store.Use
	children []*store.Token // of the uses; nil: none
	ends     []store.End
}

func (b batchOf) String() string {
	return fmt.Sprintf("%+v %+v %+v %+v", b.tokens, b.uses, b.children, b.ends)
}

// members returns the members of the batch: first the ends, then the uses.
func (b batchOf) members() []*member {
	var all []*member
	for i := range b.ends {
		e := b.ends[i]
		all = append(all, &member{end: &e})
	}
	for i := range b.uses {
		u := b.uses[i]
		all = append(all, &member{token: b.tokens[i], use: &u, child: b.children[i]})
	}
	return all
}

// batch makes up a batch: of one use, of uses of one token, or of anything.
func (sc *script) batch() (b batchOf) {
	n, hot := 1+sc.IntN(9), sc.oneIn(2)
	if sc.oneIn(3) {
		n = 1
	}
	sc.now += store.Micros(sc.IntN(2)) * 40_000_000
	first := sc.use(sc.IntN(len(sc.tokens)))
	for i := range n {
		p, u, child := first.p, first.u, first.child
		if i > 0 {
			other := sc.use(sc.IntN(len(sc.tokens)))
			child = nil
			if hot {
				u.ID, u.Event.Comment = other.u.ID, other.u.Event.Comment
				if u.Lease = (store.LeaseRequest{}); sc.oneIn(2) {
					u.Lease = store.LeaseRequest{ID: pick(sc, sc.leases), Process: first.u.Lease.Process, TTL: time.Hour}
				}
			} else {
				p, u, child = other.p, other.u, other.child
			}
		}
		if sc.oneIn(12) && len(sc.uses) > 0 { // once again
			k := sc.IntN(len(sc.uses))
			p, u, child = sc.by[k], sc.uses[k], sc.children[k]
		}
		// A use that puts a ticket, and another that returns it, may come in any order.
		if slices.ContainsFunc(b.uses, func(o store.Use) bool { return o.ID == u.ID || puts(&o, u.Fetch) || puts(&u, o.Fetch) }) {
			continue
		}
		b.tokens, b.uses, b.children = append(b.tokens, p), append(b.uses, u), append(b.children, child)
	}
	sc.uses, sc.by, sc.children = append(sc.uses, b.uses...), append(sc.by, b.tokens...), append(sc.children, b.children...)
	for i, g := range sc.grants {
		// The two calls that end a lease and ask for it at the same time may come in any order.
		if lease := pick(sc, sc.leases); !slices.ContainsFunc(b.uses, func(u store.Use) bool { return u.Lease.ID == lease }) {
			e := store.End{Grant: g, Lease: lease, Generation: 1, Outcome: store.RefreshDone, Worked: "openid", Now: sc.now, Relaxed: true}
			if i == 1 && sc.oneIn(2) {
				e.Outcome, e.Worked = store.RefreshNotSent, ""
			}
			b.ends = append(b.ends, e)
		}
	}
	return b
}

func puts(u *store.Use, ref store.TicketRef) bool {
	return slices.ContainsFunc(u.Tickets.Put, func(t store.Ticket) bool { return t.TicketRef == ref })
}

type presentedUse struct {
	p     store.Presented
	u     store.Use
	child *store.Token
}

// use makes up a use of a token.
func (sc *script) use(n int) presentedUse {
	p := sc.tokens[n]
	switch {
	case sc.oneIn(15):
		p.Sum[0] ^= 1
	case sc.oneIn(15):
		p.Seq++
	case sc.oneIn(20):
		p.ID[0] ^= 1
	}
	u := store.Use{Kind: store.UseUncounted, Now: sc.now, State: sc.oneIn(4)}
	sc.fill(u.ID[:])
	if sc.oneIn(2) {
		u.Event = store.Event{Name: "event", Comment: fmt.Sprint(sc.serial), Time: sc.now}
	}
	if !sc.oneIn(4) {
		u.Kind = store.UseAT + store.Kind(sc.IntN(2))
		if n != 1 {
			u.Candidates = [][]int{{0}, {1}, {0, 1}}[sc.IntN(3)]
		}
	}
	if sc.oneIn(3) {
		u.Lease = store.LeaseRequest{ID: pick(sc, sc.leases), TTL: time.Hour}
		if sc.oneIn(2) {
			u.Lease.Process = store.ProcessID{byte(1 + sc.IntN(2)), byte(sc.seed)}
		}
	}
	if sc.oneIn(3) {
		u.Fetch = pick(sc, sc.tickets)
	}
	if sc.oneIn(6) {
		k := store.Ticket{TicketRef: pick(sc, sc.tickets), Status: store.TicketPending, Key: store.Sealed("key"), Expires: sc.now + []store.Micros{60e6, 1e12}[sc.IntN(2)]}
		if sc.oneIn(2) {
			k.Token = pick(sc, sc.tokens).ID
		}
		u.Tickets.Put = []store.Ticket{k}
	}
	if n != 1 && sc.oneIn(8) {
		u.Lease, u.Fetch, u.State = store.LeaseRequest{}, store.TicketRef{}, false
		return presentedUse{p, u, sc.child(n)}
	}
	return presentedUse{p, u, nil}
}

// child makes up a child of a token that has clauses.
func (sc *script) child(n int) *store.Token {
	parent := sc.parents[n]
	k := &store.Token{Grant: parent.Grant, Owner: parent.Owner, Key: store.Sealed("key"), About: store.Sealed("about"), Created: sc.now}
	sc.fill(k.ID[:])
	sc.fill(k.Sum[:])
	k.Clauses = []store.Clause{{AT: 3, Other: store.Unlimited, Draws: sc.IntN(4) - 1}, {AT: store.Unlimited, Other: 2, Draws: sc.IntN(3) - 1}} // a parent has no third clause
	k.Events = []store.Event{{Name: "created", Time: sc.now}, {}}
	return k
}

// meddle changes the state between two batches.
func (sc *script) meddle(t *testing.T, on ...*Store) {
	t.Helper()
	n, lease, grant := sc.IntN(len(sc.tokens)), pick(sc, sc.leases), pick(sc, sc.grants)
	what, seq, ticket := sc.IntN(9), sc.tokens[n].Seq, pick(sc, sc.tickets)
	held, err := on[0].readGrant(t.Context(), on[0].db, grant, noCaller)
	require.NoError(t, err)
	if !held.Lease.ID.IsZero() {
		lease = held.Lease.ID
	}
	next := sc.tokens[n]
	next.Seq++
	sc.fill(next.Sum[:])
	for _, s := range on {
		var err error
		switch what {
		case 0:
			r := store.Rotation{From: sc.tokens[n], To: next, Key: store.Sealed("next"), Successor: store.Sealed("token"), Now: sc.now, Grace: time.Minute}
			_, err = s.Rotate(t.Context(), r)
			if err == nil {
				seq = next.Seq
			}
		case 1:
			if sc.seed%4 == 0 {
				_, err = s.Revoke(t.Context(), store.Revocation{Token: sc.tokens[2].ID, Now: sc.now})
			}
		case 2:
			c := store.Commit{Grant: grant, Lease: lease, Generation: 1, Token: store.Sealed("another"), Ends: true, Worked: "openid", Now: sc.now}
			err = s.CommitRefresh(t.Context(), c)
		case 3:
			e := store.End{Grant: grant, Lease: lease, Generation: held.Generation, Outcome: store.RefreshRefused, AskAfter: sc.now, Now: sc.now}
			err = s.EndRefresh(t.Context(), e)
		case 4:
			err = s.Settle(t.Context(), []store.ProcessID{{2, byte(sc.seed)}}, sc.now)
		case 5:
			c := store.Completion{TicketRef: ticket, Status: store.TicketReady, Payload: store.Sealed("payload")}
			_ = s.ChangeTickets(t.Context(), store.TicketChanges{Complete: []store.Completion{c}}, sc.now) // it may be complete
			err = s.TakeTicket(t.Context(), ticket, store.UseID{1}, store.Event{}, sc.now)
		case 6, 7:
			c := store.Completion{TicketRef: ticket, Status: store.TicketReady, Payload: store.Sealed("payload")}
			err = s.ChangeTickets(t.Context(), store.TicketChanges{Complete: []store.Completion{c}}, sc.now)
		case 8:
			if len(sc.uses) > 0 {
				err = s.Refund(t.Context(), sc.uses[len(sc.uses)-1].ID, sc.now)
			}
		}
		if err != nil && !store.IsDefinite(err) {
			t.Fatal(err)
		}
	}
	if seq == next.Seq {
		sc.tokens[n] = next
	}
}

// describe returns what the store tells about everything.
func (sc *script) describe(t *testing.T, s *Store) []any {
	t.Helper()
	var all []any
	ids := slices.Clone(sc.born)
	for _, p := range sc.tokens {
		ids = append(ids, p.ID)
	}
	for _, id := range ids {
		info, err := s.Token(t.Context(), id)
		require.NoError(t, err)
		info.LastUsed = 0
		events, _, err := s.Events(t.Context(), []store.TokenID{id}, store.Page{Limit: 1000})
		require.NoError(t, err)
		row, err := s.readAlone(t.Context(), id)
		require.NoError(t, err)
		all = append(all, info, row.Confirmed, len(events))
		for _, e := range events {
			all = append(all, e)
		}
	}
	for _, id := range sc.grants {
		g, err := s.readGrant(t.Context(), s.db, id, noCaller)
		require.NoError(t, err)
		all = append(all, g.Grant)
	}
	for _, ref := range sc.tickets {
		k, err := s.ResolveTicket(t.Context(), ref.Kind, []store.TicketID{ref.ID}, sc.now)
		all = append(all, k, fmt.Sprint(err))
	}
	return all
}
