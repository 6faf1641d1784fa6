package storetest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/store"
)

// similarIDs returns ids that a careless store would confuse: by a collation, by a text
// encoding, or by a column of fixed width that strips or pads.
func (e *env) similarIDs() [][64]byte {
	base := e.bytes()
	base[0] |= 1 // an id that is zero is none
	all := [][64]byte{base}
	change := func(f func(b []byte)) {
		b := base
		f(b[:])
		all = append(all, b)
	}
	// Vary the first byte, and the last byte of every length of id: upper and lower case,
	// zeros, spaces, and bytes that are not UTF-8.
	for _, end := range []int{0, 15, 31, 63} {
		for _, c := range []byte{'a', 'A', 0, ' ', '\n', 0x80, 0xff, 0xc3, '\\', '\''} {
			change(func(b []byte) { b[end] = c })
		}
	}
	// "QUFB…" and "qUFB…" in base64: the same letters in another case.
	change(func(b []byte) { copy(b, []byte{0x41, 0x41, 0x41}) })
	change(func(b []byte) { copy(b, []byte{0xa9, 0x41, 0x41}) })
	// These end in zeros.
	change(func(b []byte) { clear(b[1:]) })
	change(func(b []byte) { clear(b[2:]) })
	return all
}

func binaryIdentity(e *env) {
	variants := e.similarIDs()
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

	grants := make(map[*tok]store.Grant)
	create := func(g store.Grant, id store.TokenID, what string) {
		e.Helper()
		k := e.newToken(g.ID, g.Owner, limits(1, 0, none))
		k.Token.ID, k.Presented.ID = id, id
		e.ok(e.createRoot(g, k, store.TicketChanges{}), "CreateRoot with a similar %s", what)
		grants[k] = g
	}
	for _, v := range distinct(64) {
		create(e.newGrant(e.ownerID()), v, "token id")
	}
	for _, v := range distinct(16) {
		g := e.newGrant(e.ownerID())
		g.ID = store.GrantID(v[:])
		create(g, e.tokenID(), "grant id")
	}
	for _, v := range distinct(32) {
		create(e.newGrant(store.OwnerID(v[:])), e.tokenID(), "owner")
	}
	for k, g := range grants {
		e.equal(e.lookup(k.Presented, t0).Key, k.Key, "key of the token that was looked up")
		e.equal(e.grantState(g.ID).Token, g.Refresh, "refresh token of the grant")
		e.wantListed(g.Owner, 1)
	}

	counting := e.root(limits(unlimited, 0, none))
	ids := distinct(16)
	for i, v := range ids {
		use := e.use(store.UseAT, 0)
		use.ID = store.UseID(v[:])
		e.equal(e.charge(counting.Presented, use).Repeated, false, "use %d is a repeat", i)
	}
	e.wantUsed(counting, int64(len(ids)))

	for _, v := range ids {
		lease, other := store.LeaseID(v[:]), store.LeaseID(v[:])
		other[7] ^= 0x20
		until := e.begin(counting.Grant, lease, t0).Until
		e.busy(e.beginErr(counting.Grant, other, t0), until, "a similar lease")
		e.end(counting.Grant, lease, 1, store.RefreshDone)
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
	e.wantTicket(tickets...)
}

func slicesNotShared(e *env) {
	spoil := func(bs ...store.Sealed) {
		for _, b := range bs {
			for i := range b {
				b[i] ^= 0xff
			}
		}
	}
	// wantThenSpoil compares a slice that the store returned and then overwrites it. The
	// next answer must be right again.
	wantThenSpoil := func(got, want store.Sealed, what string) {
		e.Helper()
		e.equal(got, want, "%s", what)
		spoil(got)
	}

	// Slices that the store is given.
	g, root := e.newRoot(limits(2, 2, none), limits(3, 3, none))
	root.Events = []store.Event{event("created", t0)}
	ticket := e.newTicket(store.TicketPolling)
	refresh, key, about := slices.Clone(g.Refresh), slices.Clone(root.Key), slices.Clone(root.About)
	payload, ticketKey := slices.Clone(ticket.Payload), slices.Clone(ticket.Key)
	changes := putting(ticket)
	e.ok(e.createRoot(g, root, changes), "CreateRoot")
	spoil(g.Refresh, root.Key, root.About, ticket.Payload, ticket.Key)
	root.Clauses[0] = store.Clause{}
	root.Events[0].Name = "spoiled"
	changes.Put[0].Status = store.TicketFailed

	// Slices that the store returns, more than once.
	for range 2 * nodes {
		state := e.lookup(root.Presented, t0)
		wantThenSpoil(state.Key, key, "key")
		wantThenSpoil(state.About, about, "about")
		e.equal(state.Counters[0].AT, store.Limit(2), "limit")
		state.Counters[0].AT = 99
		wantThenSpoil(e.charge(root.Presented, e.uncounted()).Key, key, "key")
		wantThenSpoil(e.grantState(g.ID).Token, refresh, "refresh token")
		k := e.resolve(ticket.TicketRef)
		wantThenSpoil(k.Payload, payload, "payload")
		wantThenSpoil(k.Key, ticketKey, "ticket key")
		e.equal(k.Status, store.TicketPending, "ticket status")
	}
	e.wantHistory([]*tok{root}, "created")

	child := e.child(root, limits(1, 0, 1))
	for range nodes {
		info := e.info(child.id())
		e.equal(info.Ancestors, idsOf(root), "ancestors")
		info.Ancestors[0] = store.TokenID{}
	}

	// The refresh tokens, current and spare.
	e.begin(g.ID, e.leaseID(), t0)
	for i := range 2 {
		c := e.newCommit(g.ID, e.leaseID(), 1)
		want := slices.Clone(c.Token)
		e.recommit(c, "the first time")
		spoil(c.Token)
		for range nodes {
			rs := e.grantState(g.ID)
			if i == 0 {
				wantThenSpoil(rs.Token, want, "committed token")
			} else if e.equal(len(rs.Spares), 1, "spares"); len(rs.Spares) == 1 {
				wantThenSpoil(rs.Spares[0].Token, want, "spare")
			}
		}
	}

	// Items.
	item := e.newItem(store.ItemTag)
	kept := slices.Clone(item.Contents)
	put := e.putItems(g.Owner, 0, item)
	put.Links = newLinks(tag(item, child.id()))
	e.changeItems(put, "put")
	spoil(item.Contents)
	put.Put[0].ID, put.Links[0].Own = e.itemID(), false
	for range nodes {
		items := e.items(g.Owner)
		e.equal(len(items.List), 1, "items")
		wantThenSpoil(items.List[0].Contents, kept, "contents")
		items.List[0].ID = store.ItemID{}
		links := e.links(idsOf(child))
		e.equal(links, tag(store.Item{ID: item.ID}, child.id()), "links")
		links[0] = store.Link{}
	}

	// Rotation.
	r := e.rotation(child, grace)
	successor, newKey := slices.Clone(r.Successor), slices.Clone(r.Key)
	rotated := func(r store.Rotation, what string) {
		e.Helper()
		got, err := e.s.Rotate(e.ctx, r)
		e.ok(err, "Rotate")
		wantThenSpoil(got.Successor, successor, what)
	}
	for range nodes {
		rotated(r, "successor")
	}
	spoil(r.Successor, r.Key)
	rotated(e.rotation(child, grace), "stored successor")
	e.equal(e.lookup(r.To, r.Now).Key, newKey, "key of the successor")
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
	clauses := make([]store.Clause, 40)
	for i := range clauses {
		clauses[i] = limits(store.Limit(i), math.MaxInt64, none)
	}
	g, root := e.newRoot(clauses...)
	g.Scope = strings.Repeat("https://example.org/scope/ä ", 100)
	g.Audience = strings.Repeat("https://example.org/audience/ä ", 100) + "not UTF-8 \xff a NUL \x00"
	g.Refresh = long(9_000)
	root.About, root.Expires, root.Key = long(70_000), 0, long(300)
	for i, text := range texts {
		root.Events = append(root.Events, store.Event{Name: fmt.Sprint("n", i), Comment: text, Address: "2001:db8::1%eth0", UserAgent: text, Time: t0 + store.Micros(i)})
	}
	ticket := e.newTicket(store.TicketConsent)
	ticket.Payload, ticket.Key = long(70_000), nil
	e.ok(e.createRoot(g, root, putting(ticket)), "CreateRoot")

	info := e.info(root.id())
	e.equal(info.About, root.About, "a long description")
	e.equal(info.Expires, store.Micros(0), "no expiry")
	for i, c := range info.Counters {
		e.equal(c, store.Counter{AT: store.Limit(i), Other: math.MaxInt64, ATLeft: store.Limit(i), OtherLeft: math.MaxInt64}, "clause %d", i)
	}
	e.equal(e.charge(root.Presented, e.use(store.UseOther, 0, 20, 39)).Clause, 0, "clause")
	e.wantGrant(g.ID, store.RefreshState{Generation: 1, Token: g.Refresh, Scope: g.Scope, Audience: g.Audience})
	e.wantTicket(ticket)

	records, _, err := e.s.Events(e.ctx, idsOf(root), store.Page{Limit: 100})
	e.ok(err, "Events")
	var want []store.EventRecord
	for _, ev := range slices.Backward(root.Events) {
		want = append(want, store.EventRecord{Token: root.id(), Event: ev})
	}
	e.equal(records, want, "texts of events")

	r := e.rotation(root, grace)
	r.Successor = long(70_000)
	e.rotatedTo(r, fresh(r), "the first time")
	e.rotatedTo(e.rotation(root, grace), store.Rotated{Successor: r.Successor}, "again")
}
