package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// Every statement finds its rows through an index, whatever the tables hold. The test
// takes the statements that the steps send to the database.
func TestPlans(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		size := 100_000
		if underRace && s.dialect == sqlstore.SQLite {
			size = 4_000
		}
		db := s.migrate(t)
		s.mass(t, db, size)
		s.testPlansAreUnderstood(t, db)
		sp := &spy{Connector: s.connector}
		st := s.on(t, s.connectBy(t, sp))
		for _, step := range everyStep() {
			t.Run(step.name, func(t *testing.T) {
				sp.taken()
				require.NoError(t, step.do(t.Context(), st))
				seen := make(map[string]bool)
				for _, said := range parts(sp.taken()) {
					if !explainable(said) || seen[said.text] {
						continue
					}
					seen[said.text] = true
					plan := s.explain(t, db, said)
					if full := s.fullScans(plan); len(full) > 0 {
						t.Errorf("full scan: %s\n%s\n%s", strings.Join(full, "; "), said.text, strings.Join(plan, "\n"))
					}
				}
				if len(seen) == 0 {
					t.Error("no statement was looked at")
				}
			})
		}
	})
}

// testPlansAreUnderstood makes sure that the test would find a full scan.
func (s site) testPlansAreUnderstood(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, text := range []string{
		"SELECT id FROM %s WHERE clauses = 7",
		"SELECT t.id FROM %[1]s r JOIN %[1]s t ON t.created = r.seq WHERE r.id = 5",
		"UPDATE %s SET about = sealed_key WHERE clauses = 7",
		"DELETE FROM %s WHERE first_sum = sealed_key",
	} {
		said := statement{text: fmt.Sprintf(text, s.table("tokens"))}
		if plan := s.explain(t, db, said); len(s.fullScans(plan)) == 0 {
			t.Errorf("no full scan was found: %s\n%s", said.text, strings.Join(plan, "\n"))
		}
	}
}

func explainable(said statement) bool {
	for _, word := range []string{"SELECT", "WITH", "UPDATE", "DELETE"} {
		if said.is(word) {
			return true
		}
	}
	return said.is("INSERT") && strings.Contains(said.text, "SELECT")
}

// explain returns the plan of a statement, line by line.
func (s site) explain(t *testing.T, db *sql.DB, said statement) []string {
	t.Helper()
	text := "EXPLAIN " + said.text
	if s.dialect == sqlstore.SQLite {
		text = "EXPLAIN QUERY PLAN " + said.text
	}
	args := make([]any, len(said.args))
	for i, a := range said.args {
		args[i] = a.Value
	}
	rows, err := db.QueryContext(t.Context(), text, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var plan []string
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, rows.Scan(into...))
		var line []string
		for i, c := range columns {
			line = append(line, c+"="+values[i].String)
		}
		plan = append(plan, strings.Join(line, " | "))
	}
	require.NoError(t, rows.Err())
	return plan
}

var (
	sqliteScan    = regexp.MustCompile(`detail=SCAN (?:\d+ )?(\S+)`)
	sqliteDerived = regexp.MustCompile(`detail=(?:CO-ROUTINE|MATERIALIZE) (\S+)`)
	mysqlScan     = regexp.MustCompile(`\| table=([^<|]+) \| (?:.*\| )?type=(ALL|index) `)
)

// fullScans returns the lines of a plan that read a whole table or index.
func (s site) fullScans(plan []string) []string {
	switch s.dialect {
	case sqlstore.PostgreSQL:
		return slices.DeleteFunc(slices.Clone(plan), func(line string) bool { return !strings.Contains(line, "Seq Scan on") })
	case sqlstore.MySQL:
		return slices.DeleteFunc(slices.Clone(plan), func(line string) bool {
			return !mysqlScan.MatchString(line) || strings.Contains(line, "select_type=INSERT") // the row itself
		})
	}
	// The result of a part of the query, kept for the rest of it, is not a table.
	derived := []string{"CONSTANT"} // rows of a VALUES clause
	for _, line := range plan {
		if m := sqliteDerived.FindStringSubmatch(line); m != nil {
			derived = append(derived, m[1])
		}
	}
	return slices.DeleteFunc(slices.Clone(plan), func(line string) bool {
		m := sqliteScan.FindStringSubmatch(line)
		return m == nil || slices.Contains(derived, m[1])
	})
}

type step struct {
	name string
	do   func(ctx context.Context, st *sqlstore.Store) error
}

// everyStep does everything that a store can do on the tokens of mass.
func everyStep() []step {
	const now = store.Micros(1e12)
	var grant, other = numbered[store.GrantID](1000), numbered[store.GrantID](1001)
	lease := store.LeaseID{1}
	ref := func(n int) store.TicketRef {
		return store.TicketRef{Kind: store.TicketTransfer, ID: numbered[store.TicketID](n)}
	}
	return []step{
		{"Spend", func(ctx context.Context, st *sqlstore.Store) error { return spend(ctx, st, massive(2)) }},
		{"Spend together", func(ctx context.Context, st *sqlstore.Store) error {
			var wg sync.WaitGroup
			errs := make([]error, 64)
			for i := range errs {
				wg.Go(func() { errs[i] = spend(ctx, st, massive(1001+10*i)) })
			}
			wg.Wait()
			for _, err := range errs {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"Spend repeated", func(ctx context.Context, st *sqlstore.Store) error {
			u := newUse()
			if _, err := st.Spend(ctx, massive(2), u); err != nil {
				return err
			}
			_, err := st.Spend(ctx, massive(2), u)
			return err
		}},
		{"Spend with tickets", func(ctx context.Context, st *sqlstore.Store) error {
			u := newUse()
			u.Tickets = store.TicketChanges{
				Drop: []store.TicketRef{ref(3)},
				Put:  []store.Ticket{{TicketRef: ref(200_001), Status: store.TicketReady, Token: massive(4).ID, Expires: now}},
			}
			_, err := st.Spend(ctx, massive(2), u)
			return err
		}},
		{"Spend with everything", func(ctx context.Context, st *sqlstore.Store) error {
			u := newUse()
			u.Lease, u.Fetch, u.State = store.LeaseRequest{ID: store.LeaseID{9}, Process: store.ProcessID{9}, TTL: time.Second}, ref(5), true
			u.Tickets.Put = []store.Ticket{{TicketRef: ref(200_002), Status: store.TicketReady, Expires: now}}
			if _, err := st.Spend(ctx, massive(2), u); err != nil {
				return err
			}
			_, err := st.Spend(ctx, massive(2), introspection())
			return err
		}},
		{"Spend together with leases", func(ctx context.Context, st *sqlstore.Store) error {
			var tokens []store.Presented
			var uses []store.Use
			for _, p := range live(40)[20:] {
				tokens, uses = append(tokens, p), append(uses, leasing())
			}
			_, err := st.SpendTogether(ctx, tokens, uses)
			return err
		}},
		{"EndRefresh together", func(ctx context.Context, st *sqlstore.Store) error {
			var ends []store.End
			for n := range 3 {
				ends = append(ends, store.End{Grant: numbered[store.GrantID](2000 + n), Lease: lease, Generation: 1, Outcome: store.RefreshDone, Relaxed: true, Now: now})
			}
			return st.EndTogether(ctx, ends...)
		}},
		{"Refund", func(ctx context.Context, st *sqlstore.Store) error {
			u := newUse()
			if _, err := st.Spend(ctx, massive(2), u); err != nil {
				return err
			}
			return st.Refund(ctx, u.ID, now)
		}},
		{"CreateChild", func(ctx context.Context, st *sqlstore.Store) error {
			child := store.Token{ID: numbered[store.TokenID](200_000), Grant: numbered[store.GrantID](1), Owner: numbered[store.OwnerID](1), Sum: store.Sum{9}, Key: store.Sealed("key"), Created: now}
			child.Clauses = []store.Clause{{AT: 1, Other: 1}, {AT: 1, Other: 1}}
			_, err := st.CreateChild(ctx, massive(2), newUse(), child)
			return err
		}},
		{"Lookup", func(ctx context.Context, st *sqlstore.Store) error {
			_, err := st.Lookup(ctx, massive(2), now)
			return err
		}},
		{"Rotate", func(ctx context.Context, st *sqlstore.Store) error {
			r := store.Rotation{From: massive(6), To: massive(6), Key: store.Sealed("key"), Successor: store.Sealed("token"), Now: now, Grace: time.Hour}
			r.To.Seq, r.To.Sum = 2, store.Sum{1, 2}
			if _, err := st.Rotate(ctx, r); err != nil {
				return err
			}
			if _, err := st.Rotate(ctx, r); err != nil {
				return err
			}
			if err := spend(ctx, st, r.From); err != nil {
				return err
			}
			return spend(ctx, st, r.To)
		}},
		{"Revoke", func(ctx context.Context, st *sqlstore.Store) error {
			for _, recursive := range []bool{false, true, true} {
				r := store.Revocation{Token: massive(7).ID, Recursive: recursive, By: massive(8), Now: now, Event: store.Event{Name: "revoked"}}
				if _, err := st.Revoke(ctx, r); err != nil {
					return err
				}
			}
			return nil
		}},
		{"Refresh", func(ctx context.Context, st *sqlstore.Store) error {
			for range 2 {
				if _, err := st.BeginRefresh(ctx, store.Begin{Grant: grant, Lease: lease, Now: now, TTL: time.Second}); err != nil {
					return err
				}
			}
			if _, err := st.BeginRefresh(ctx, store.Begin{Grant: grant, Lease: store.LeaseID{2}, Now: now + 5e6, TTL: time.Second}); err != nil {
				return err
			}
			for _, l := range []store.LeaseID{lease, {2}} {
				if err := st.CommitRefresh(ctx, store.Commit{Grant: grant, Lease: l, Generation: 1, Token: store.Sealed("rt"), Now: now}); err != nil {
					return err
				}
			}
			if _, err := st.Grant(ctx, grant); err != nil {
				return err
			}
			if err := st.EndRefresh(ctx, store.End{Grant: grant, Lease: store.LeaseID{2}, Generation: 2, Outcome: store.RefreshDone, Now: now}); err != nil {
				return err
			}
			return st.ReplaceGrant(ctx, store.Replacement{Grant: grant, Owner: numbered[store.OwnerID](21), Lease: lease, Generation: 2, Token: store.Sealed("new"), Now: now})
		}},
		{"Processes", func(ctx context.Context, st *sqlstore.Store) error {
			p := store.Process{ID: store.ProcessID{1}, Node: store.NodeID{1}}
			for range 2 {
				if err := st.Beat(ctx, p, now+1e6); err != nil {
					return err
				}
			}
			b := store.Begin{Grant: other, Lease: lease, Process: p.ID, Now: now, TTL: 10 * time.Second}
			if _, err := st.BeginRefresh(ctx, b); err != nil {
				return err
			}
			b.Lease, b.Now = store.LeaseID{3}, now+2e6
			if _, err := st.BeginRefresh(ctx, b); err != nil { // takes over from a silent process
				return err
			}
			if err := st.Settle(ctx, []store.ProcessID{p.ID, {2}, {3}}, now); err != nil {
				return err
			}
			b.Lease, b.Process = store.LeaseID{2}, store.ProcessID{4}
			if _, err := st.BeginRefresh(ctx, b); err != nil { // takes over from a settled one
				return err
			}
			if _, err := st.Doubts(ctx, p.ID, 10); err != nil {
				return err
			}
			_, next, err := st.Processes(ctx, store.Page{Limit: 10})
			if err != nil {
				return err
			}
			_, _, err = st.Processes(ctx, store.Page{After: next, Limit: 10})
			return err
		}},
		{"Tickets", func(ctx context.Context, st *sqlstore.Store) error {
			if _, err := st.ResolveTicket(ctx, store.TicketTransfer, []store.TicketID{ref(999_999).ID, ref(12).ID}, 1); err != nil {
				return err
			}
			if err := st.TakeTicket(ctx, ref(12), store.UseID{1}, store.Event{Name: "taken"}, 1); err != nil {
				return err
			}
			return st.ChangeTickets(ctx, store.TicketChanges{By: store.UseID{2}, Consume: []store.TicketRef{ref(14), ref(16)}}, 1)
		}},
		{"Items", func(ctx context.Context, st *sqlstore.Store) error {
			_, err := st.Items(ctx, numbered[store.OwnerID](30))
			return err
		}},
		{"ChangeItems", func(ctx context.Context, st *sqlstore.Store) error {
			item := func(n int) store.Item {
				return store.Item{ID: numbered[store.ItemID](n), Kind: store.ItemTag, Contents: store.Sealed("contents")}
			}
			c := store.ItemChanges{Owner: numbered[store.OwnerID](30), ID: store.UseID{1}, Revision: 1, Now: now}
			c.Put = []store.Item{item(291), item(200_001)}
			c.Delete = []store.ItemID{item(292).ID, item(293).ID}
			c.Links = []store.NewLink{
				{Link: store.Link{Item: item(291).ID, Token: massive(1001).ID, Own: true}, Clear: true},
				{Link: store.Link{Item: item(294).ID, Token: massive(1002).ID, Own: true}},
			}
			c.Tickets.Put = []store.Ticket{{TicketRef: store.TicketRef{Kind: store.TicketSSHKey, ID: store.TicketID{1}}, Status: store.TicketReady, Token: massive(4).ID}}
			c.Token, c.Event = massive(2).ID, store.Event{Name: "ssh_key_add"}
			if err := st.ChangeItems(ctx, c); err != nil {
				return err
			}
			first := store.ItemChanges{Owner: store.OwnerID{9}, ID: store.UseID{2}, Put: []store.Item{item(200_002)}, Now: now}
			if err := st.ChangeItems(ctx, first); err != nil {
				return err
			}
			clear := store.NewLink{Link: store.Link{Item: item(1).ID, Token: massive(1001).ID}, Clear: true} // of many links
			return st.ChangeItems(ctx, store.ItemChanges{Owner: numbered[store.OwnerID](1), Links: []store.NewLink{clear}, Now: now})
		}},
		{"Links", func(ctx context.Context, st *sqlstore.Store) error {
			_, err := st.Links(ctx, []store.TokenID{massive(1).ID, massive(2).ID, massive(1001).ID})
			return err
		}},
		{"Token", func(ctx context.Context, st *sqlstore.Store) error {
			_, err := st.Token(ctx, massive(2).ID)
			return err
		}},
		{"List", func(ctx context.Context, st *sqlstore.Store) error {
			_, next, err := st.List(ctx, numbered[store.OwnerID](3), store.Page{Limit: 10})
			if err != nil {
				return err
			}
			_, _, err = st.List(ctx, numbered[store.OwnerID](3), store.Page{Limit: 10, After: next})
			return err
		}},
		{"Count", func(ctx context.Context, st *sqlstore.Store) error {
			_, err := st.Count(ctx, numbered[store.OwnerID](3), 10)
			return err
		}},
		{"Subtree", func(ctx context.Context, st *sqlstore.Store) error {
			_, _, err := st.Subtree(ctx, massive(1001).ID, store.Page{Limit: 10})
			return err
		}},
		{"Events", func(ctx context.Context, st *sqlstore.Store) error {
			_, _, err := st.Events(ctx, []store.TokenID{massive(1).ID, massive(3).ID, massive(5).ID}, store.Page{Limit: 10})
			return err
		}},
		{"Sealed", func(ctx context.Context, st *sqlstore.Store) error {
			for shelf := range 9 {
				if _, _, err := st.Sealed(ctx, store.Page{After: fmt.Sprintf("%d.50.0.00000000", shelf), Limit: 3}); err != nil {
					return err
				}
			}
			return nil
		}},
		{"Reseal", func(ctx context.Context, st *sqlstore.Store) error {
			var items []store.Reseal
			for _, p := range []store.Place{
				store.RefreshTokenPlace(other, 1), store.AboutPlace(massive(1).ID), store.TokenKeyPlace(massive(1).ID, 1),
				store.SuccessorPlace(massive(1).ID, 1), store.TicketKeyPlace(ref(18)), store.TicketPayloadPlace(ref(18)),
				store.ItemPlace(numbered[store.OwnerID](5), numbered[store.ItemID](41), store.ItemTag),
			} {
				items = append(items, store.Reseal{Place: p, Old: store.Sealed("old"), New: store.Sealed("new")})
			}
			_, err := st.Reseal(ctx, items)
			return err
		}},
		{"Sweep", func(ctx context.Context, st *sqlstore.Store) error {
			for _, c := range []store.Cleaning{
				{Now: 50_000, Limit: 100, Retention: 10 * time.Millisecond},
				{Now: now, Limit: 100, Retention: time.Hour},
				{Now: 10 * now, Limit: 100, Retention: time.Hour}, // processes have ended by now
			} {
				for range 3 {
					if _, err := st.Sweep(ctx, c); err != nil {
						return err
					}
				}
			}
			return nil
		}},
		{"DeleteOwner", func(ctx context.Context, st *sqlstore.Store) error {
			return st.DeleteOwner(ctx, numbered[store.OwnerID](900)) // who has items, too
		}},
	}
}
