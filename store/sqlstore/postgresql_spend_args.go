package sqlstore

import (
	"strings"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// typedColumn is a column of a list. Its zero value, if there is one, stands for NULL:
// arrays hold no NULL, because a session with array_nulls off cannot read it.
type typedColumn struct{ name, of, zero string }

var (
	onceUses = []typedColumn{
		{"n", "integer", ""}, {"token", "bytea", ""}, {"seq", "bigint", ""}, {"sum", "bytea", ""}, {"least", "integer", ""}, {"most", "integer", ""},
		{"how", "smallint", ""}, {"use_kind", "smallint", ""}, {"use_clause", "integer", ""}, {"at", "bigint", ""}, {"use_id", "bytea", ""}, {"now", "bigint", ""},
		{"named", "smallint", ""}, {"event_time", "bigint", ""}, {"name", "bytea", ""}, {"comment", "bytea", ""}, {"address", "bytea", ""}, {"user_agent", "bytea", ""},
	}
	onceLeases   = []typedColumn{{"lease", "bytea", "''"}, {"process", "bytea", "''"}, {"until", "bigint", ""}}
	onceFetches  = []typedColumn{{"fetch_id", "bytea", "''"}, {"fetch_kind", "smallint", ""}, {"fetched", "bytea", ""}}
	onceStates   = []typedColumn{{"state", "smallint", ""}}
	onceChildren = []typedColumn{
		{"child", "bytea", "''"}, {"child_grant", "bytea", ""}, {"child_owner", "bytea", ""}, {"child_sum", "bytea", ""}, {"child_key", "bytea", ""},
		{"child_about", "bytea", ""}, {"child_clauses", "integer", ""}, {"child_created", "bigint", ""}, {"child_expires", "bigint", ""}, {"child_erase", "bigint", "0"},
	}
	onceEnds     = []typedColumn{{"n", "integer", ""}, {"grant_id", "bytea", ""}, {"lease", "bytea", ""}, {"done", "smallint", ""}, {"generation", "bigint", ""}, {"worked", "bytea", "''"}}
	onceCounters = []typedColumn{{"n", "integer", ""}, {"clause", "integer", ""}, {"kind", "smallint", ""}, {"draws", "integer", ""}, {"max_uses", "bigint", ""}}
	onceEvents   = []typedColumn{
		{"n", "integer", ""}, {"i", "integer", ""}, {"event_time", "bigint", ""}, {"name", "bytea", ""}, {"comment", "bytea", ""}, {"address", "bytea", ""}, {"user_agent", "bytea", ""},
	}
	onceTickets = []typedColumn{
		{"n", "integer", ""}, {"ticket_id", "bytea", ""}, {"kind", "smallint", ""}, {"status", "smallint", ""}, {"sealed_key", "bytea", ""}, {"payload", "bytea", ""},
		{"token_id", "bytea", "''"}, {"owns_token", "smallint", ""}, {"expires", "bigint", ""}, {"put_sum", "bytea", ""}, {"sweep_at", "bigint", "0"},
	}
)

// uses returns the columns of the list of uses.
func (f onceForm) uses() []typedColumn {
	all := onceUses[:len(onceUses):len(onceUses)]
	if f.lease {
		all = append(all, onceLeases...)
	}
	if f.ticket {
		all = append(all, onceFetches...)
	}
	if f.state {
		all = append(all, onceStates...)
	}
	if f.creates {
		all = append(all, onceChildren...)
	}
	return all
}

// unnest returns the rows of a list of arrays, as a query for WITH. Only the first array
// is unnested, and the others are read by the position in it: the server would build a
// table for each array that it unnests.
//
// The arrays go through a subquery, so that the server does not know their lengths when
// it plans. Otherwise it would plan each statement anew: a plan for few rows looks
// cheaper than one for any number.
func unnest(name string, columns []typedColumn) string {
	var arrays, values []string
	for i, c := range columns {
		arrays = append(arrays, "?::"+c.of+"[] AS "+c.name)
		value := "a." + c.name + "[x.i]"
		if i == 0 {
			value = "x." + c.name
		}
		values = append(values, c.value(value))
	}
	return name + " AS MATERIALIZED (SELECT " + strings.Join(values, ", ") + " FROM (SELECT " + strings.Join(arrays, ", ") +
		" OFFSET 0) a, unnest(a." + columns[0].name + ") WITH ORDINALITY AS x (" + columns[0].name + ", i))"
}

// value returns the column for its argument.
func (c typedColumn) value(arg string) string {
	if c.zero != "" {
		arg = "NULLIF(" + arg + ", " + c.zero + ")"
	}
	return arg + " AS " + c.name
}

// oneRow returns a list of one row, as a query for WITH. The server evaluates it where
// the row is read, because one part of the query reads it.
func oneRow(name string, columns []typedColumn) string {
	var values []string
	for _, c := range columns {
		values = append(values, c.value("?::"+c.of))
	}
	return name + " AS (SELECT " + strings.Join(values, ", ") + ")"
}

// postgresqlAtOnce is the query for one batch.
type postgresqlAtOnce struct {
	form                                  onceForm
	uses, ends, counters, events, tickets rows
}

func (postgresql) spendAtOnce(o *atOnce) (string, []any) {
	q := &postgresqlAtOnce{form: onceForm{lease: o.lease, ticket: o.ticket, state: o.state, ends: len(o.ends) > 0}}
	q.form.grants = q.form.lease || q.form.ends
	leases := make(map[store.LeaseID]bool)
	var some []int
	for i := range o.uses {
		u := &o.uses[i]
		if !onceAdmits(u, leases) {
			continue
		}
		some = append(some, i)
		how := onceHow(u)
		q.form.keeps = q.form.keeps || how == onceKeeps
		q.form.counts = q.form.counts || how >= onceCounts
		q.form.chains = q.form.chains || how == onceCounts || how == onceTouches && u.clause >= 0
		q.form.touches = q.form.touches || how == onceTouches
		q.form.creates = q.form.creates || u.child != nil
		q.form.puts = q.form.puts || len(u.use.Tickets.Put) > 0
	}
	if len(some)+len(o.ends) == 0 {
		return "", nil
	}
	q.form.relaxed = len(some) == 0
	q.form.one = len(some) == 1
	q.uses = collect(len(q.form.uses()), q.form.one)
	if q.form.ends {
		q.ends = collect(len(onceEnds), false)
	}
	if q.form.creates {
		q.counters, q.events = collect(len(onceCounters), false), collect(len(onceEvents), false)
	}
	if q.form.puts {
		q.tickets = collect(len(onceTickets), false)
	}
	for _, i := range some {
		q.addUse(i, &o.uses[i])
	}
	for i, m := range o.ends {
		q.addEnd(len(o.uses)+i, m.end)
	}
	var args []any
	for _, l := range []rows{q.uses, q.ends, q.counters, q.events, q.tickets} {
		if l != nil {
			args = l.appendTo(args)
		}
	}
	return q.form.text(), args
}

// onceAdmits reports whether the query can grant an ordinary use. It leaves tickets of a foreign
// token to the other path, and a second use with the same lease.
func onceAdmits(u *ordinary, leases map[store.LeaseID]bool) bool {
	if u.child != nil && u.child.Check(int(u.most)) != nil {
		return false
	}
	for i := range u.use.Tickets.Put {
		k := &u.use.Tickets.Put[i]
		own := k.Token.IsZero() || k.Token == u.token.ID || u.child != nil && k.Token == u.child.ID
		if !own {
			return false
		}
	}
	if l := u.use.Lease.ID; !l.IsZero() {
		if leases[l] {
			return false
		}
		leases[l] = true
	}
	return true
}

// onceHow returns how a use keeps its token from being deleted.
func onceHow(u *ordinary) int64 {
	if u.child != nil {
		return onceTouches
	}
	for i := range u.use.Tickets.Put {
		if u.use.Tickets.Put[i].Token == u.token.ID {
			return onceTouches
		}
	}
	if u.clause != store.NoClause || u.at != 0 {
		return onceCounts
	}
	return onceKeeps
}

func (q *postgresqlAtOnce) addUse(n int, u *ordinary) {
	a := q.uses
	a.number(int64(n))
	a.bytes(u.token.ID[:])
	a.number(int64(u.token.Seq))
	a.bytes(u.token.Sum[:])
	least := u.least
	if u.child != nil {
		for _, c := range u.child.Clauses {
			least = max(least, int64(c.Draws)+1)
		}
	}
	a.number(least)
	a.number(u.most)
	a.number(onceHow(u))
	a.number(int64(u.kind))
	a.number(int64(u.clause))
	a.number(u.at)
	a.bytes(u.use.ID[:])
	a.number(int64(u.use.Now))
	q.addEvent(a, u.use.Event, true)
	if q.form.lease {
		l := &u.use.Lease
		a.bytes(orEmpty(l.ID, l.ID[:]))
		a.bytes(orEmpty(l.Process, l.Process[:]))
		a.number(int64(u.use.Now.Add(l.TTL)))
	}
	if q.form.ticket {
		f := u.use.Fetch
		a.bytes(orEmpty(f.ID, f.ID[:]))
		a.number(int64(f.Kind))
		a.bytes(u.fetched())
	}
	if q.form.state {
		a.number(flag(u.use.State))
	}
	if q.form.creates {
		q.addChild(n, u.child)
	}
	for i := range u.use.Tickets.Put {
		q.addTicket(n, u.use.Tickets.Put[i])
	}
}

func (q *postgresqlAtOnce) addEvent(a rows, e store.Event, maybe bool) {
	if e.Name == "" {
		e = store.Event{}
	}
	if maybe {
		a.number(flag(e.Name != ""))
	}
	a.number(int64(e.Time))
	a.bytes([]byte(e.Name))
	a.bytes([]byte(e.Comment))
	a.bytes([]byte(e.Address))
	a.bytes([]byte(e.UserAgent))
}

func (q *postgresqlAtOnce) addChild(n int, t *store.Token) {
	if t == nil {
		for _, c := range onceChildren {
			if c.of == "bytea" {
				q.uses.bytes(nil)
			} else {
				q.uses.number(0)
			}
		}
		return
	}
	a := q.uses
	a.bytes(t.ID[:])
	a.bytes(t.Grant[:])
	a.bytes(t.Owner[:])
	a.bytes(t.Sum[:])
	a.bytes(t.Key)
	a.bytes(t.About)
	a.number(int64(len(t.Clauses)))
	a.number(int64(t.Created))
	a.number(int64(t.Expires))
	a.number(int64(t.Expires)) // see eraseAt
	for _, row := range counterRows(nil, t.Clauses) {
		q.counters.number(int64(n))
		for _, v := range row[1:] {
			q.counters.number(v.(int64))
		}
	}
	for i, e := range t.Events {
		if e.Name != "" {
			q.events.number(int64(n))
			q.events.number(int64(i + 1))
			q.addEvent(q.events, e, false)
		}
	}
}

func (q *postgresqlAtOnce) addTicket(n int, put store.Ticket) {
	t, a := rules.NewTicket(put), q.tickets
	a.number(int64(n))
	a.bytes(t.ID[:])
	a.number(int64(t.Kind))
	a.number(int64(t.Status))
	a.bytes(t.Key)
	a.bytes(t.Payload)
	a.bytes(orEmpty(t.Token, t.Token[:]))
	a.number(flag(t.OwnsToken))
	a.number(int64(t.Expires))
	a.bytes(t.Put[:])
	at, _ := ticketSweepAt(t).(int64)
	a.number(at)
}

func (q *postgresqlAtOnce) addEnd(n int, e *store.End) {
	a := q.ends
	a.number(int64(n))
	a.bytes(e.Grant[:])
	a.bytes(e.Lease[:])
	a.number(flag(e.Outcome == store.RefreshDone))
	a.number(int64(e.Generation))
	a.bytes([]byte(e.Worked))
}
