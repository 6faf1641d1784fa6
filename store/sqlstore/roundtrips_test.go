package sqlstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// These are the most round trips that each step may take, including the beginning and the
// end of its transaction.
func TestRoundTrips(t *testing.T) {
	const now = store.Micros(1e12)
	onEach(t, func(t *testing.T, s site) {
		s.migrate(t)
		sp := &spy{Connector: s.connector}
		st := s.on(t, s.connectBy(t, sp))
		root, err := newRoot(t.Context(), st, 1000)
		require.NoError(t, err)
		info, err := st.Token(t.Context(), root.ID)
		require.NoError(t, err)
		lease := store.LeaseID{1}
		process := store.Process{ID: store.ProcessID{1}, Node: store.NodeID{1}}
		use, leased := newUse(), leasing()
		pending := newTicket(store.TokenID{})
		pending.Status = store.TicketPending
		kept := newTicket(root.ID)
		kept.Kind = store.TicketAccess
		item := store.Item{ID: store.ItemID{1}, Kind: store.ItemTag, Contents: store.Sealed("contents")}
		changes := func(revision uint64) store.ItemChanges {
			return store.ItemChanges{Owner: info.Owner, ID: newUse().ID, Revision: revision, Put: []store.Item{item}, Now: now}
		}
		links := []store.NewLink{{Link: store.Link{Item: item.ID, Token: root.ID, Own: true}}}
		for _, c := range []struct {
			name                    string
			sqlite, maria, postgres int
			do                      func(ctx context.Context) error
		}{
			{"Spend", 5, 1, 1, func(ctx context.Context) error { _, err := st.Spend(ctx, root, use); return err }},
			{"Spend with the lease", 7, 1, 1, func(ctx context.Context) error {
				spent, err := st.Spend(ctx, root, leased)
				if err == nil && spent.Refresh == nil {
					err = errors.New("the lease is not taken")
				}
				return err
			}},
			{"EndRefresh, relaxed", 1, 1, 1, func(ctx context.Context) error {
				return st.EndRefresh(ctx, store.End{Grant: info.Grant, Lease: leased.Lease.ID, Generation: 1, Outcome: store.RefreshDone, Worked: "openid", Relaxed: true, Now: now})
			}},
			{"Spend of an introspection", 5, 1, 1, func(ctx context.Context) error {
				u := newUse()
				u.Kind, u.Candidates, u.State = store.UseUncounted, nil, true
				_, err := st.Spend(ctx, root, u)
				return err
			}},
			{"Spend that puts a ticket and returns another", 7, 1, 1, func(ctx context.Context) error {
				u := newUse()
				u.Tickets.Put, u.Fetch = []store.Ticket{pending}, newTicket(root.ID).TicketRef
				_, err := st.Spend(ctx, root, u)
				return err
			}},
			{"ChangeTickets that completes one and puts one", 5, 1, 1, func(ctx context.Context) error {
				return st.ChangeTickets(ctx, store.TicketChanges{
					Complete: []store.Completion{{TicketRef: pending.TicketRef, Status: store.TicketReady}},
					Put:      []store.Ticket{newTicket(root.ID)},
				}, now)
			}},
			{"ChangeTickets that replaces a kept access token", 5, 3, 2, func(ctx context.Context) error {
				return st.ChangeTickets(ctx, store.TicketChanges{Drop: []store.TicketRef{kept.TicketRef}, Put: []store.Ticket{kept}}, now)
			}},
			{"Spend that returns a kept access token", 7, 1, 1, func(ctx context.Context) error {
				u := leasing()
				u.Event, u.Fetch, u.FetchedComment = store.Event{Name: "AT_created", Time: now}, kept.TicketRef, "kept"
				spent, err := st.Spend(ctx, root, u)
				if err == nil && (spent.Ticket == nil || spent.Refresh != nil) {
					err = errors.New("the ticket is not returned, or the lease is taken")
				}
				return err
			}},
			{"Refund", 5, 2, 2, func(ctx context.Context) error { return st.Refund(ctx, use.ID, now) }},
			{"Ping", 4, 4, 4, st.Ping},
			{"Lookup", 1, 1, 1, func(ctx context.Context) error { _, err := st.Lookup(ctx, root, now); return err }},
			{"Token", 1, 1, 1, func(ctx context.Context) error { _, err := st.Token(ctx, root.ID); return err }},
			{"List", 1, 1, 1, func(ctx context.Context) error {
				_, _, err := st.List(ctx, info.Owner, store.Page{Limit: 10})
				return err
			}},
			{"Count", 1, 1, 1, func(ctx context.Context) error { _, err := st.Count(ctx, info.Owner, 10); return err }},
			{"Subtree", 1, 1, 1, func(ctx context.Context) error {
				_, _, err := st.Subtree(ctx, root.ID, store.Page{Limit: 10})
				return err
			}},
			{"Events", 2, 2, 2, func(ctx context.Context) error {
				_, _, err := st.Events(ctx, []store.TokenID{root.ID}, store.Page{Limit: 10})
				return err
			}},
			{"CreateChild", 9, 2, 1, func(ctx context.Context) error {
				child := store.Token{ID: store.TokenID{1}, Grant: info.Grant, Owner: info.Owner, Sum: store.Sum{1}, Key: store.Sealed("key"), Created: 1}
				_, err := st.CreateChild(ctx, root, newUse(), child)
				return err
			}},
			{"Beat", 2, 2, 2, func(ctx context.Context) error { return st.Beat(ctx, process, now+1e9) }},
			{"Beat again", 2, 2, 2, func(ctx context.Context) error { return st.Beat(ctx, process, now+2e9) }},
			{"BeginRefresh", 2, 2, 2, func(ctx context.Context) error {
				_, err := st.BeginRefresh(ctx, store.Begin{Grant: info.Grant, Lease: lease, Process: process.ID, Now: now, TTL: time.Second})
				return err
			}},
			{"BeginRefresh again", 2, 2, 2, func(ctx context.Context) error {
				_, err := st.BeginRefresh(ctx, store.Begin{Grant: info.Grant, Lease: lease, Process: process.ID, Now: now, TTL: time.Second})
				return err
			}},
			{"CommitRefresh", 4, 1, 1, func(ctx context.Context) error {
				return st.CommitRefresh(ctx, store.Commit{Grant: info.Grant, Lease: lease, Generation: 1, Token: store.Sealed("rt"), Now: now})
			}},
			{"CommitRefresh that ends", 4, 1, 1, func(ctx context.Context) error {
				return st.CommitRefresh(ctx, store.Commit{Grant: info.Grant, Lease: lease, Generation: 2, Token: store.Sealed("rt3"), Ends: true, Now: now})
			}},
			{"BeginRefresh once more", 2, 2, 2, func(ctx context.Context) error {
				_, err := st.BeginRefresh(ctx, store.Begin{Grant: info.Grant, Lease: lease, Process: process.ID, Now: now, TTL: time.Second})
				return err
			}},
			{"EndRefresh", 1, 1, 1, func(ctx context.Context) error {
				return st.EndRefresh(ctx, store.End{Grant: info.Grant, Lease: lease, Generation: 3, Outcome: store.RefreshDone, Worked: "openid", Now: now})
			}},
			{"BeginRefresh of the next", 2, 2, 2, func(ctx context.Context) error {
				_, err := st.BeginRefresh(ctx, store.Begin{Grant: info.Grant, Lease: lease, Process: process.ID, Now: now, TTL: time.Second})
				return err
			}},
			{"EndRefresh after a refusal", 2, 2, 2, func(ctx context.Context) error {
				return st.EndRefresh(ctx, store.End{Grant: info.Grant, Lease: lease, Generation: 3, Outcome: store.RefreshRefused, AskAfter: now, Now: now})
			}},
			{"BeginRefresh on a suspect grant", 2, 2, 2, func(ctx context.Context) error {
				_, err := st.BeginRefresh(ctx, store.Begin{Grant: info.Grant, Lease: lease, Process: process.ID, Now: now + 1, TTL: time.Second})
				return err
			}},
			{"BeginRefresh during the lease of another", 1, 1, 1, func(ctx context.Context) error {
				_, err := st.BeginRefresh(ctx, store.Begin{Grant: info.Grant, Lease: store.LeaseID{2}, Process: process.ID, Now: now + 1, TTL: time.Second})
				if _, busy := errors.AsType[*store.BusyError](err); busy {
					err = nil
				}
				return err
			}},
			{"Doubts", 1, 1, 1, func(ctx context.Context) error { _, err := st.Doubts(ctx, process.ID, 10); return err }},
			{"Settle", 4, 4, 4, func(ctx context.Context) error { return st.Settle(ctx, []store.ProcessID{process.ID}, now) }},
			{"BeginRefresh that takes a lease over", 5, 2, 2, func(ctx context.Context) error {
				_, err := st.BeginRefresh(ctx, store.Begin{Grant: info.Grant, Lease: store.LeaseID{2}, Now: now + 1, TTL: time.Second})
				return err
			}},
			{"EndRefresh of the lease before", 7, 4, 4, func(ctx context.Context) error {
				return st.EndRefresh(ctx, store.End{Grant: info.Grant, Lease: lease, Generation: 3, Outcome: store.RefreshNotSent, Now: now})
			}},
			{"Grant", 1, 1, 1, func(ctx context.Context) error { _, err := st.Grant(ctx, info.Grant); return err }},
			{"ResolveTicket", 1, 1, 1, func(ctx context.Context) error {
				_, err := st.ResolveTicket(ctx, store.TicketShort, []store.TicketID{{1}}, now)
				if err == store.ErrTicketNotFound {
					err = nil
				}
				return err
			}},
			{"Items", 1, 1, 1, func(ctx context.Context) error { _, err := st.Items(ctx, info.Owner); return err }},
			{"Links", 1, 1, 1, func(ctx context.Context) error { _, err := st.Links(ctx, []store.TokenID{root.ID}); return err }},
			{"ChangeItems", 6, 3, 3, func(ctx context.Context) error { return st.ChangeItems(ctx, changes(0)) }},
			{"ChangeItems again", 6, 3, 6, func(ctx context.Context) error { return st.ChangeItems(ctx, changes(1)) }},
			{"ChangeItems of links", 6, 2, 6, func(ctx context.Context) error {
				return st.ChangeItems(ctx, store.ItemChanges{Owner: info.Owner, Links: links, Now: now})
			}},
			{"ChangeItems with tickets and an event", 11, 5, 5, func(ctx context.Context) error {
				c := changes(2)
				c.Tickets.Put = []store.Ticket{newTicket(root.ID)}
				c.Token, c.Event = root.ID, store.Event{Name: "ssh_key_add"}
				return st.ChangeItems(ctx, c)
			}},
			{"Rotate", 5, 2, 2, func(ctx context.Context) error {
				r := store.Rotation{From: root, To: root, Key: store.Sealed("key"), Successor: store.Sealed("token"), Now: now, Grace: time.Hour}
				r.To.Seq, r.To.Sum = 2, store.Sum{1, 2}
				_, err := st.Rotate(ctx, r)
				return err
			}},
			{"Revoke", 22, 22, 22, func(ctx context.Context) error {
				_, err := st.Revoke(ctx, store.Revocation{Token: root.ID, Recursive: true, By: root, Now: now, Event: store.Event{Name: "revoked"}})
				return err
			}},
		} {
			sp.taken()
			if err := c.do(t.Context()); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			most := map[sqlstore.Dialect]int{sqlstore.SQLite: c.sqlite, sqlstore.MySQL: c.maria, sqlstore.PostgreSQL: c.postgres}[s.dialect]
			if said := sp.taken(); len(said) > most {
				var texts []string
				for _, st := range said {
					texts = append(texts, strings.Join(strings.Fields(st.text), " "))
				}
				t.Errorf("%s takes %d round trips, at most %d were expected:\n%s", c.name, len(said), most, strings.Join(texts, "\n"))
			}
		}
	})
}

// Revoking a token with 10,000 descendants takes as many statements as revoking one
// without, and writes one row. After that transaction, Revoke erases keys: ten statements
// for 512 tokens. (SQLite gets fewer descendants under the race detector.)
//
// proves P6, P7
func TestRevokeCostsTheSameForAnySubtree(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.migrate(t)
		sp := &spy{Connector: s.connector}
		st := s.on(t, s.connectBy(t, sp))
		revoke := func(descendants int) (tombstone int) {
			t.Helper()
			root, err := newRoot(t.Context(), st, 1)
			require.NoError(t, err)
			last := s.offspring(t, db, root.ID, descendants)
			tombstones := s.count(t, db, "tombstones")
			sp.taken()
			if _, err := st.Revoke(t.Context(), store.Revocation{Token: root.ID, Recursive: true, Now: 5}); err != nil {
				t.Fatal(err)
			}
			said := sp.taken()
			for tombstone < len(said) && !said[tombstone].is("COMMIT") {
				tombstone++
			}
			if most := tombstone + 1 + 10*((descendants+511)/512) + 1; len(said) > most {
				t.Errorf("revoking takes %d statements, at most %d were expected", len(said), most)
			}
			var keys int
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+s.table("tokens")+" WHERE LENGTH(sealed_key) > 0").Scan(&keys))
			if keys != 0 {
				t.Errorf("%d keys are left", keys)
			}
			if n := s.count(t, db, "tombstones") - tombstones; n != 1 {
				t.Errorf("%d tombstones were put up, want 1", n)
			}
			if descendants > 0 {
				info, err := st.Token(t.Context(), last)
				if err != nil || info.Live || len(info.Ancestors) != 1 {
					t.Errorf("a descendant: %+v, %v", info, err)
				}
			}
			return tombstone
		}
		descendants := 10_000
		if underRace && s.dialect == sqlstore.SQLite {
			descendants = 1_000
		}
		alone, many := revoke(0), revoke(descendants)
		if alone != many {
			t.Errorf("revoking takes %d statements without descendants, and %d with many", alone, many)
		}
	})
}
