package sqlstore

import (
	"bytes"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// spendAtOnce implements engine. One compound statement reads the token, takes the lease,
// charges the counters, and writes the history and the tickets. It serves one use, or
// several uses of one token that charge the same counters. For uses of different tokens,
// one query and one compound statement of together are cheaper.
//
// The texts depend on what the uses ask for, on their number rounded up to a power of two,
// and on the number of ends, so that a few prepared statements fit what is usual.
func (m mysql) spendAtOnce(o *atOnce) (string, []any) {
	if !m.compounds || !o.ofOneToken() {
		return "", nil
	}
	o.whole = true
	c := &compoundUse{atOnce: o, size: padded(len(o.uses))}
	c.endLeases()
	if len(o.uses) > 0 {
		c.first = &o.uses[0]
		c.spend()
	}
	c.add("\nCOMMIT;")
	if len(c.args) > mostInCompound {
		return "", nil
	}
	return compound(compoundVariables, c.String()), c.args
}

// ofOneToken reports whether a compound statement can grant the uses, as far as they do
// not depend on the database.
func (o *atOnce) ofOneToken() bool {
	lessee := o.lessee()
	for i := range o.uses {
		a, b := &o.uses[0], &o.uses[i]
		if a.token != b.token || a.kind != b.kind || a.clause != b.clause {
			return false
		}
		if l := b.use.Lease; !l.ID.IsZero() && l.Process != lessee.Process {
			return false
		}
		for _, t := range b.use.Tickets.Put {
			if !t.Token.IsZero() && t.Token != b.token.ID {
				return false // its token has to be locked
			}
		}
	}
	return !o.creates && (len(o.uses) < 2 || !o.ticket && !o.puts)
}

// lessee returns the first request for a lease. It is zero if there is none.
func (o *atOnce) lessee() store.LeaseRequest {
	for i := range o.uses {
		if l := o.uses[i].use.Lease; !l.ID.IsZero() {
			return l
		}
	}
	return store.LeaseRequest{}
}

// compoundVariables declares local variables. No column has such a name. A longer key is
// left to the path that reads, decides and writes.
const compoundVariables = `
DECLARE v_token, v_counter BIGINT;
DECLARE v_depth, v_leased, v_ticket INT DEFAULT 0;
DECLARE v_grant BINARY(16);
DECLARE v_owner BINARY(32);
DECLARE v_key VARBINARY(1024);`

// compoundUse builds a compound statement for uses of one token, and for ends of leases.
type compoundUse struct {
	*atOnce
	first *ordinary
	size  int // the number of uses, padded
	compoundText
}

// leave gives up all uses and keeps the ends of leases.
func (c *compoundUse) leave() string {
	if len(c.ends) == 0 {
		return " ROLLBACK; LEAVE uses; END IF;"
	}
	return " ROLLBACK TO SAVEPOINT uses; LEAVE uses; END IF;"
}

// endLeases ends leases in the order of their grants. It returns the row of each one, or
// one row for all of them.
func (c *compoundUse) endLeases() {
	if len(c.ends) > 1 {
		if d, usual := endLeases(c.ends, padded(len(c.ends)), nil); usual {
			c.wholeEnds = true
			c.add("\n"+d.text+";", d.args...)
			c.ended(0, d.all)
			return
		}
	}
	order := make([]int, len(c.ends))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(c.ends[a].end.Grant[:], c.ends[b].end.Grant[:]) })
	for _, i := range order {
		d := endLease(c.ends[i].end)
		c.add("\n"+d.text+";", d.args...)
		c.ended(i, 1)
	}
}

// ended returns the row of an end if the statement before has changed that many rows.
func (c *compoundUse) ended(end, rows int) {
	c.add("\nIF ROW_COUNT() = ? THEN SELECT ?, NULL, NULL, NULL"+strings.Repeat(", NULL", c.more())+"; END IF;", int64(rows), int64(len(c.uses)+end))
}

// more returns how many columns follow the first four.
func (c *compoundUse) more() int {
	n := 0
	if c.lease {
		n += 7
	}
	if c.ticket {
		n += 6
	}
	if c.state {
		n += 7
	}
	return n
}

// spend grants all uses or none. The row of the grant comes before the counters, and these
// come in the order of their ids: an ancestor's before that of the token.
func (c *compoundUse) spend() {
	u := c.first
	if len(c.ends) > 0 {
		c.add("\nSAVEPOINT uses;")
	}
	c.add(`
uses: BEGIN
SELECT t.id, t.grant_id, t.owner_id, t.sealed_key, h.depth, h.counter
INTO v_token, v_grant, v_owner, v_key, v_depth, v_counter
FROM {tokens} t JOIN {chains} h ON h.token = t.id AND h.kind = ? AND h.clause = ?
WHERE t.token_id = ? AND t.seq = ? AND t.token_sum = ? AND t.confirmed = t.seq AND t.buried = 0
	AND LENGTH(t.sealed_key) BETWEEN 1 AND 1024 AND t.clauses BETWEEN ? AND ? AND NOT `+isDead+`
ORDER BY h.depth DESC LIMIT 1;
IF v_token IS NULL THEN`+c.leave(),
		int64(u.kind), int64(u.clause), u.token.ID[:], int64(u.token.Seq), u.token.Sum[:], u.least, u.most)
	if c.ticket {
		c.findTicket()
	}
	if c.lease {
		c.takeLease()
	}
	c.charge()
	c.remember()
	c.put()
	c.answer()
	c.add("\nEND;")
}

// findTicket finds out whether there is a ticket to return.
func (c *compoundUse) findTicket() {
	f := c.first.use.Fetch
	c.add(`
SELECT COUNT(*) INTO v_ticket FROM {tickets} k
WHERE k.ticket_id = ? AND k.kind = ? AND k.taker_id IS NULL AND (k.expires = 0 OR k.expires >= ?)
	AND (k.token_id IS NULL OR EXISTS (SELECT 1 FROM {tokens} t WHERE t.token_id = k.token_id AND t.buried = 0 AND NOT `+isDead+`));`,
		f.ID[:], int64(f.Kind), int64(c.first.use.Now))
}

// takeLease takes the lease for the first use that asks for it, or prolongs it for the one
// that holds it. See rules.Grant.BeginWithUse.
func (c *compoundUse) takeLease() {
	var leases blobs
	var untils []any
	for i := range c.uses {
		l := c.uses[i].use.Lease
		if l.ID.IsZero() {
			continue
		}
		until := int64(c.uses[i].use.Now.Add(l.TTL))
		if at := slices.IndexFunc(leases, func(o []byte) bool { return bytes.Equal(o, l.ID[:]) }); at >= 0 {
			untils[2*at+1] = max(untils[2*at+1].(int64), until)
			continue
		}
		leases = append(leases, l.ID[:])
		untils = append(untils, l.ID[:], until)
	}
	for len(untils) < 2*c.size {
		untils = append(untils, nil, nil)
	}
	for padded(len(leases)) < c.size { // one list for each size
		leases = append(leases, leases[0])
	}
	lessee := c.lessee()
	process := orNull(lessee.Process, lessee.Process[:])
	c.add(`
IF v_ticket = 0 THEN
UPDATE {grants} SET version = version + 1,
	lease_until = GREATEST(lease_until, CASE COALESCE(lease_id, ?)`+strings.Repeat(" WHEN ? THEN ?", c.size)+` END),
	lease_id = COALESCE(lease_id, ?), lease_shown = arrivals,
	held_by = COALESCE(?, held_by), held_lease = IF(? IS NULL, NULL, COALESCE(lease_id, ?))`,
		slices.Concat([]any{leases[0]}, untils, []any{leases[0], process, process, leases[0]})...)
	c.add(`
WHERE grant_id = v_grant AND (lease_id IS NULL OR lease_id IN ?) AND dead = 0 AND doubts = 0 AND spares = 0
	AND (refusals = 0 OR refused_generation <> generation OR refused_arrivals <> arrivals)
	AND NOT EXISTS (SELECT 1 FROM {processes} p WHERE p.process_id = ? AND p.settled_at <> 0);
SET v_leased = ROW_COUNT();
END IF;`, leases, process)
}

// charge charges the counters in the order of their ids. If somebody deletes the token
// meanwhile, the query finds no next counter and leaves the variables as they are. So the
// loop resets the counter before: then the UPDATE changes no row, and the loop ends.
func (c *compoundUse) charge() {
	u := c.first
	n, at := int64(len(c.uses)), int64(0)
	for i := range c.uses {
		at = max(at, c.uses[i].at)
	}
	c.add("\ncharge: LOOP")
	if c.puts && u.clause != store.NoClause {
		// A ticket of the token locks the token as a use without a clause does.
		c.add(`
IF v_depth = 0 THEN
UPDATE {counters} SET used = used + 1 WHERE token = v_token AND clause = ? AND kind = ?;
END IF;`, int64(store.NoClause), int64(store.UseUncounted))
	}
	c.add(`
UPDATE {counters} SET used = used + ?, last_used = IF(v_depth = 0, GREATEST(last_used, ?), last_used)
WHERE id = v_counter AND (max_uses < 0 OR used + ? <= max_uses);
IF ROW_COUNT() <> 1 THEN`+c.leave()+`
IF v_depth = 0 THEN LEAVE charge; END IF;
SET v_counter = NULL;
SELECT h.depth, h.counter INTO v_depth, v_counter FROM {chains} h
WHERE h.token = v_token AND h.kind = ? AND h.clause = ? AND h.depth < v_depth ORDER BY h.depth DESC LIMIT 1;
END LOOP;`, n, at, n, int64(u.kind), int64(u.clause))
}

// remember adds the rows of the history. Its comment says whether a use that asks for a
// ticket returns it; such a use is alone.
func (c *compoundUse) remember() {
	if c.ticket {
		row := c.first.entry().columns()[1:]
		row = slices.Insert(row, 3, any(c.first.fetched()))
		c.add("\nINSERT INTO {history} ("+historyColumns+") VALUES (v_token, ?, ?, ?, IF(v_ticket > 0, ?, ?), ?, ?, ?, ?, ?, ?, ?);", row...)
		return
	}
	rows := make([][]any, len(c.uses))
	for i := range c.uses {
		rows[i] = c.uses[i].entry().columns()[1:]
	}
	c.insertHistory("v_token, ", rows, c.size)
}

// put adds new tickets.
func (c *compoundUse) put() {
	for _, t := range c.first.use.Tickets.Put {
		c.add("\n"+insertTicket+";", ticketColumns(rules.NewTicket(t))...)
	}
}

// counterList has all counters in the chains of the token, as JSON.
const counterList = `(
	SELECT CONCAT('[[', GROUP_CONCAT(CONCAT_WS(',', h.kind, h.clause, h.depth, c.clause, c.max_uses, c.used, c.last_used) SEPARATOR '],['), ']]')
	FROM {chains} h JOIN {counters} c ON c.id = h.counter WHERE h.token = v_token)`

// answer returns one row for all uses.
func (c *compoundUse) answer() {
	columns, from, where := "0, v_grant, v_owner, v_key", "", ""
	var args []any
	if c.lease || c.ticket || c.state {
		from, where = " FROM {tokens} t", " WHERE t.id = v_token"
	}
	if c.lease {
		columns += ", l.lease_id, l.lease_until, l.generation, l.refresh, l.scope, l.audience, l.worked"
		from += " LEFT JOIN {grants} l ON v_leased = 1 AND l.grant_id = v_grant"
	}
	if c.ticket {
		columns += ", k.status, k.sealed_key, k.payload, k.token_id, k.owns_token, k.expires"
		from += " LEFT JOIN {tickets} k ON v_ticket = 1 AND k.ticket_id = ? AND k.kind = ?"
		args = append(args, c.first.use.Fetch.ID[:], int64(c.first.use.Fetch.Kind))
	}
	prefix := "\n"
	if c.state {
		columns += ", t.path, t.about, t.created, t.expires, t.clauses, (SELECT g.dead FROM {grants} g WHERE g.grant_id = v_grant), " + counterList
		where += " AND t.seq = ?"
		args = append(args, int64(c.first.token.Seq))
		prefix = "\nSET STATEMENT group_concat_max_len = 16777216 FOR "
	}
	c.add(prefix+"SELECT "+columns+from+where+";", args...)
	if c.state { // somebody may have rotated the token meanwhile
		c.add("\nIF FOUND_ROWS() <> 1 THEN" + c.leave())
	}
}

// compoundShapes lists the compound statements to keep prepared: for one use with whatever
// it may ask for, for several uses of one token or of several, for ends of leases alone and
// with the uses that wait for them, and for the commit of a refresh token.
func (m mysql) compoundShapes() []shape {
	var all []shape
	add := func(n int, asks func(u *store.Use), members ...*member) {
		for range n {
			u := store.Use{ID: store.UseID{1}, Kind: store.UseOther, Now: 1}
			asks(&u)
			members = append(members, &member{token: store.Presented{ID: store.TokenID{1}}, use: &u})
		}
		all = append(all, shapeOf(m.spendAtOnce(newAtOnce(members))))
	}
	one, other := store.TicketRef{Kind: store.TicketReply, ID: store.TicketID{1}}, store.TicketRef{Kind: store.TicketReply, ID: store.TicketID{2}}
	lease := store.LeaseRequest{ID: store.LeaseID{1}, Process: store.ProcessID{1}, TTL: 1}
	put := []store.Ticket{{TicketRef: one, Status: store.TicketPending, Expires: 1, Token: store.TokenID{1}}}
	for n := 1; n <= maxBatch; n *= 2 {
		add(n, func(*store.Use) {})
		add(n, func(u *store.Use) { u.State = true })
		add(n, func(u *store.Use) { u.Lease = lease })
	}
	add(1, func(u *store.Use) { u.Lease, u.Fetch, u.Tickets.Put = lease, other, put })
	add(1, func(u *store.Use) { u.Fetch, u.Tickets.Put = other, put })
	for n := 1; n <= maxBatch; n *= 2 { // batches of several tokens
		var d decision
		for i := range n {
			d.charges = append(d.charges, charge{counter: int64(i), n: 1, at: 1})
			d.history = append(d.history, entry{})
		}
		all = append(all, shapeOf(m.together(m.spend(&d))))
		if n > 1 && n < maxBatch { // that take and end leases
			for len(d.grants) < n {
				d.grants = append(d.grants, new(grant))
			}
			all = append(all, shapeOf(m.together(slices.Concat(m.grants(&d), m.spend(&d)))))
		}
	}
	end := &member{end: &store.End{Outcome: store.RefreshDone}}
	var ends []*member
	for n := 2; n <= maxBatch/4; n *= 2 { // ends of leases on several grants
		for len(ends) < n {
			ends = append(ends, &member{end: &store.End{Outcome: store.RefreshDone, Grant: store.GrantID{byte(len(ends))}}})
		}
		add(0, nil, slices.Clone(ends)...)
		add(1, func(u *store.Use) { u.Lease = lease }, slices.Clone(ends)...)
	}
	for n := 1; n <= maxBatch; n *= 2 { // the next batch of a token, with the end of its last lease
		add(n, func(u *store.Use) { u.Lease = lease }, end)
	}
	commit := commitToken(&store.Commit{Ends: true})
	for _, demands := range [][]demand{
		{endLease(end.end)}, {end.tryEnd()}, {commit, addCommit(store.GrantID{}, rules.Commit{}, 1)},
	} {
		all = append(all, shapeOf(m.together(demands)))
	}
	return all
}
