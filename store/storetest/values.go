package storetest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/store"
)

func valueCases() []testCase {
	return []testCase{
		{name: "identity is binary", run: binaryIdentity},
		{name: "slices are not shared", run: slicesNotShared},
		{name: "values are kept as they are", run: valuesKept},
	}
}

// binaryIdentity uses ids that a collation, a text encoding, or a fixed width
// column that strips or pads would take for each other.
func binaryIdentity(e *env) {
	base := e.bytes()
	variants := func() [][64]byte {
		all := [][64]byte{base}
		change := func(f func(*[64]byte)) {
			b := base
			f(&b)
			all = append(all, b)
		}
		// The ends of every id length, in all variants of case, zeros, spaces
		// and bytes that are not UTF-8.
		for _, end := range []int{0, 15, 31, 63} {
			for _, c := range []byte{'a', 'A', 0, ' ', '\n', 0x80, 0xff, 0xc3, '\\', '\''} {
				change(func(b *[64]byte) { b[end] = c })
			}
		}
		// "QUFB…" and "qUFB…" in base64: the same letters in another case.
		change(func(b *[64]byte) { copy(b[:], []byte{0x41, 0x41, 0x41}) })
		change(func(b *[64]byte) { copy(b[:], []byte{0xa9, 0x41, 0x41}) })
		// Only zeros at the end.
		change(func(b *[64]byte) { clear(b[1:]) })
		change(func(b *[64]byte) { clear(b[2:]) })
		return all
	}()
	// A length below 64 makes some of them equal.
	distinct := func(n int) [][64]byte {
		var out [][64]byte
		for _, v := range variants {
			if !slices.ContainsFunc(out, func(o [64]byte) bool { return string(o[:n]) == string(v[:n]) }) {
				out = append(out, v)
			}
		}
		return out
	}

	type stored struct {
		grant store.Grant
		token store.Token
	}
	var roots []stored
	create := func(g store.Grant, t store.Token, what string) {
		e.Helper()
		e.ok(e.s.CreateRoot(e.ctx, g, t, store.TicketChanges{}), "%s", what)
		roots = append(roots, stored{g, t})
	}
	for _, v := range distinct(64) {
		g := e.newGrant(e.ownerID())
		t := e.newToken(g.ID, g.Owner, store.Clause{AT: 1, Draws: store.NoClause})
		t.ID = v
		create(g, t, "CreateRoot with a similar token id")
	}
	for _, v := range distinct(16) {
		g := e.newGrant(e.ownerID())
		g.ID = store.GrantID(v[:])
		create(g, e.newToken(g.ID, g.Owner, store.Clause{AT: 1, Draws: store.NoClause}), "CreateRoot with a similar grant id")
	}
	for _, v := range distinct(32) {
		g := e.newGrant(store.OwnerID(v[:]))
		t := e.newToken(g.ID, g.Owner, store.Clause{AT: 1, Draws: store.NoClause})
		create(g, t, "CreateRoot with a similar owner")
	}
	for _, r := range roots {
		state, err := e.s.Lookup(e.ctx, present(r.token), t0)
		e.ok(err, "Lookup")
		e.equal(state.Key, r.token.Key, "key of the token that was looked up")
		refresh, err := e.s.Grant(e.ctx, r.grant.ID)
		e.ok(err, "Grant")
		e.equal(refresh.Token, r.grant.Refresh, "refresh token of the grant")
		e.equal(len(e.list(r.grant.Owner)), 1, "tokens of one owner")
	}

	counting := e.root(store.Clause{AT: store.Unlimited, Draws: store.NoClause})
	ids := distinct(16)
	for i, v := range ids {
		use := e.use(store.UseAT, 0)
		use.ID = store.UseID(v[:])
		spent, err := e.s.Spend(e.ctx, counting.Presented, use)
		e.ok(err, "Spend with a similar use id")
		e.equal(spent.Repeated, false, "use %d is a repeat", i)
	}
	e.equal(e.used(counting), []int64{int64(len(ids))}, "uses with similar ids")

	for _, v := range distinct(16) {
		lease, err := e.s.BeginRefresh(e.ctx, counting.Grant, store.LeaseID(v[:]), t0, ttl)
		e.ok(err, "BeginRefresh")
		other := v
		other[7] ^= 0x20
		_, err = e.s.BeginRefresh(e.ctx, counting.Grant, store.LeaseID(other[:]), t0, ttl)
		e.busy(err, lease.Until, "a similar lease")
		e.ok(e.s.EndRefresh(e.ctx, counting.Grant, store.LeaseID(v[:]), 1, store.RefreshDone, t0), "EndRefresh")
	}

	var tickets []store.Ticket
	for _, v := range distinct(32) {
		for kind := store.TicketState; kind <= store.TicketTransfer; kind++ {
			k := e.newTicket(kind)
			k.ID = store.TicketID(v[:])
			tickets = append(tickets, k)
		}
	}
	e.put(tickets...)
	for _, k := range tickets {
		e.equal(e.resolve(k.TicketRef), k, "ticket")
	}
}

func slicesNotShared(e *env) {
	spoil := func(bs ...store.Sealed) {
		for _, b := range bs {
			for i := range b {
				b[i] ^= 0xff
			}
		}
	}
	copyOf := func(b store.Sealed) store.Sealed { return slices.Clone(b) }

	// What goes in.
	g := e.newGrant(e.ownerID())
	root := e.newToken(g.ID, g.Owner, store.Clause{AT: 2, Other: 2, Draws: store.NoClause}, store.Clause{AT: 3, Other: 3, Draws: store.NoClause})
	root.Events = []store.Event{event("created", t0)}
	ticket := e.newTicket(store.TicketPolling)
	refresh, key, about, payload := copyOf(g.Refresh), copyOf(root.Key), copyOf(root.About), copyOf(ticket.Payload)
	ticketKey := copyOf(ticket.Key)
	changes := store.TicketChanges{Put: []store.Ticket{ticket}}
	e.ok(e.s.CreateRoot(e.ctx, g, root, changes), "CreateRoot")
	spoil(g.Refresh, root.Key, root.About, ticket.Payload, ticket.Key)
	root.Clauses[0] = store.Clause{}
	root.Events[0].Name = "spoiled"
	changes.Put[0].Status = store.TicketFailed

	// What comes out, twice: the first time it is spoiled.
	for range 2 * nodes {
		state, err := e.s.Lookup(e.ctx, present(root), t0)
		e.ok(err, "Lookup")
		e.equal(state.Key, key, "key")
		e.equal(state.About, about, "about")
		e.equal(state.Counters[0].AT, store.Limit(2), "limit")
		spoil(state.Key, state.About)
		state.Counters[0].AT = 99

		spent, err := e.s.Spend(e.ctx, present(root), e.uncounted())
		e.ok(err, "Spend")
		e.equal(spent.Key, key, "key")
		spoil(spent.Key)

		rs, err := e.s.Grant(e.ctx, g.ID)
		e.ok(err, "Grant")
		e.equal(rs.Token, refresh, "refresh token")
		spoil(rs.Token)

		k := e.resolve(ticket.TicketRef)
		e.equal(k.Payload, payload, "payload")
		e.equal(k.Key, ticketKey, "ticket key")
		e.equal(k.Status, store.TicketPending, "ticket status")
		spoil(k.Payload, k.Key)
	}
	e.equal(e.history(root.ID), []string{"created"}, "history")

	child := e.child(&tok{root, store.Presented{ID: root.ID, Seq: 1, Sum: root.Sum}}, store.Clause{AT: 1, Draws: 1})
	for range nodes {
		info := e.info(child.id())
		e.equal(info.Ancestors, []store.TokenID{root.ID}, "ancestors")
		info.Ancestors[0] = store.TokenID{}
	}

	// The refresh tokens, current and spare.
	lease := e.leaseID()
	_, err := e.s.BeginRefresh(e.ctx, g.ID, lease, t0, ttl)
	e.ok(err, "BeginRefresh")
	for i := range 2 {
		c := store.Commit{Grant: g.ID, Lease: e.leaseID(), Generation: 1, Token: e.sealed(), Now: t0}
		want := copyOf(c.Token)
		e.ok(e.s.CommitRefresh(e.ctx, c), "CommitRefresh")
		spoil(c.Token)
		for range nodes {
			rs, err := e.s.Grant(e.ctx, g.ID)
			e.ok(err, "Grant")
			if i == 0 {
				e.equal(rs.Token, want, "committed token")
				spoil(rs.Token)
			} else if e.equal(len(rs.Spares), 1, "spares"); len(rs.Spares) == 1 {
				e.equal(rs.Spares[0].Token, want, "spare")
				spoil(rs.Spares[0].Token)
			}
		}
	}

	// Rotation.
	r := e.rotation(child, grace)
	successor, newKey := copyOf(r.Successor), copyOf(r.Key)
	for range nodes {
		rotated, err := e.s.Rotate(e.ctx, r)
		e.ok(err, "Rotate")
		e.equal(rotated.Successor, successor, "successor")
		spoil(rotated.Successor)
	}
	spoil(r.Successor, r.Key)
	again := e.rotation(child, grace)
	rotated, err := e.s.Rotate(e.ctx, again)
	e.ok(err, "Rotate again")
	e.equal(rotated.Successor, successor, "stored successor")
	state, err := e.s.Lookup(e.ctx, r.To, r.Now)
	e.ok(err, "Lookup of the successor")
	e.equal(state.Key, newKey, "key of the successor")
}

func valuesKept(e *env) {
	long := func(n int) store.Sealed {
		b := e.bytes()
		return slices.Repeat(store.Sealed(b[:]), n/len(b)+1)[:n]
	}
	texts := []string{
		strings.Repeat("ä€😀", 300), " leading and trailing ", "quotes ' \" ` \\ %s $1 ? :x", "line\nfeed\r\ttab",
		"case", "CASE", "not UTF-8 \xff\xfe\xc3", "a NUL \x00 inside", strings.Repeat("x", 4000),
	}
	g := e.newGrant(e.ownerID())
	g.Scope = strings.Repeat("https://example.org/scope/ä ", 100)
	g.Audience = strings.Repeat("https://example.org/audience/ä ", 100) + "not UTF-8 \xff a NUL \x00"
	g.Refresh = long(9_000)
	clauses := make([]store.Clause, 40)
	for i := range clauses {
		clauses[i] = store.Clause{AT: store.Limit(i), Other: math.MaxInt64, Draws: store.NoClause}
	}
	root := e.newToken(g.ID, g.Owner, clauses...)
	root.About, root.Expires, root.Key = long(70_000), 0, long(300)
	for i, text := range texts {
		root.Events = append(root.Events, store.Event{Name: fmt.Sprint("n", i), Comment: text, Address: "2001:db8::1%eth0", UserAgent: text, Time: t0 + store.Micros(i)})
	}
	ticket := e.newTicket(store.TicketConsent)
	ticket.Payload, ticket.Key = long(70_000), nil
	e.ok(e.s.CreateRoot(e.ctx, g, root, store.TicketChanges{Put: []store.Ticket{ticket}}), "CreateRoot")

	info := e.info(root.ID)
	e.equal(info.About, root.About, "a long description")
	e.equal(info.Expires, store.Micros(0), "no expiry")
	for i, c := range info.Counters {
		e.equal(c, store.Counter{AT: store.Limit(i), Other: math.MaxInt64, ATLeft: store.Limit(i), OtherLeft: math.MaxInt64}, "clause %d", i)
	}
	spent, err := e.s.Spend(e.ctx, present(root), e.use(store.UseOther, 0, 20, 39))
	e.ok(err, "Spend")
	e.equal(spent.Clause, 0, "clause")
	rs, err := e.s.Grant(e.ctx, g.ID)
	e.ok(err, "Grant")
	e.equal(rs, store.RefreshState{Generation: 1, Token: g.Refresh, Scope: g.Scope, Audience: g.Audience}, "long refresh token, scope and audience")
	e.equal(e.resolve(ticket.TicketRef), ticket, "a ticket with a long payload and without key")

	records, _, err := e.s.Events(e.ctx, []store.TokenID{root.ID}, store.Page{Limit: 100})
	e.ok(err, "Events")
	var want []store.EventRecord
	for _, ev := range slices.Backward(root.Events) {
		want = append(want, store.EventRecord{Token: root.ID, Event: ev})
	}
	e.equal(records, want, "texts of events")

	r := e.rotation(&tok{root, present(root)}, grace)
	r.Successor = long(70_000)
	_, err = e.s.Rotate(e.ctx, r)
	e.ok(err, "Rotate")
	rotated, err := e.s.Rotate(e.ctx, e.rotation(&tok{root, present(root)}, grace))
	e.ok(err, "Rotate again")
	e.equal(rotated.Successor, r.Successor, "a long successor")
}
