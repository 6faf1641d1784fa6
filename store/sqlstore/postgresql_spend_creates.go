package sqlstore

// created stores the new tokens; see insertToken.
func (f onceForm) created() string {
	return `, born AS (
	INSERT INTO {tokens} (token_id, grant_id, owner_id, path, first_sum, seq, confirmed, token_sum, sealed_key, about,
		clauses, created, expires, erase_at)
	SELECT g.child, g.grant_id, g.owner_id, g.token || g.path, g.child_sum, 1, 1, g.child_sum, g.child_key, g.child_about,
		g.child_clauses, g.child_created, g.child_expires, g.child_erase
	FROM granted g WHERE g.child IS NOT NULL` + f.ordered(` ORDER BY g.n`) + `
	RETURNING id, token_id
), heirs AS MATERIALIZED (
	SELECT b.id, g.n, g.id AS parent FROM born b JOIN granted g ON g.child = b.token_id
), descends AS (
	INSERT INTO {ancestors} (token, depth, ancestor)
	SELECT b.id, 0, b.id FROM heirs b
	UNION ALL
	SELECT b.id, a.depth + 1, a.ancestor FROM heirs b
	CROSS JOIN LATERAL (SELECT a.depth, a.ancestor FROM {ancestors} a WHERE a.token = b.parent OFFSET 0) a
), counted AS (
	INSERT INTO {counters} (token, clause, kind, draws, max_uses)
	SELECT b.id, c.clause, c.kind, c.draws, c.max_uses FROM heirs b JOIN purses c ON ` + f.same("c.n = b.n") + `
	RETURNING id, token, clause, kind, draws
), chained AS (
	INSERT INTO {chains} (token, kind, clause, depth, counter)
	SELECT c.token, c.kind, c.clause, 0, c.id FROM counted c
	UNION ALL
	SELECT c.token, c.kind, c.clause, h.depth + 1, h.counter
	FROM counted c JOIN heirs b ON b.id = c.token
	CROSS JOIN LATERAL (
		SELECT h.depth, h.counter FROM {chains} h JOIN {counters} o ON o.id = h.counter
		WHERE h.token = b.parent AND h.kind = c.kind AND h.clause = c.draws AND o.max_uses >= 0 OFFSET 0) h
	WHERE c.draws >= 0
)`
}

// told adds the events of a new token after that of its parent. comment is the comment of
// the parent's.
func (f onceForm) told(comment string) string {
	return `
	SELECT x.token, x.named, x.event_time, x.name, x.comment, x.address, x.user_agent, x.use_id, x.kind, x.clause, x.child, x.used_at
	FROM (
		SELECT g.n, 0 AS i, g.id AS token, g.named, g.event_time, g.name, ` + comment + ` AS comment, g.address, g.user_agent,
			g.use_id, g.use_kind AS kind, g.use_clause AS clause, g.child, g.now AS used_at
		FROM granted g
		UNION ALL
		SELECT b.n, e.i, b.id, 1, e.event_time, e.name, e.comment, e.address, e.user_agent, NULL, 0, -1, NULL, NULL
		FROM heirs b JOIN tales e ON ` + f.same("e.n = b.n") + `) x
	ORDER BY x.n, x.i)`
}

// put stores new tickets.
func (f onceForm) put() string {
	return `, put AS (
	INSERT INTO {tickets} (ticket_id, kind, version, status, sealed_key, payload, token_id, owns_token, expires, put_sum, sweep_at)
	SELECT k.ticket_id, k.kind, 1, k.status, k.sealed_key, k.payload, k.token_id, k.owns_token, k.expires, k.put_sum, k.sweep_at
	FROM granted g JOIN slips k ON ` + f.same("k.n = g.n") + `)`
}

// same returns a condition that finds the rows of the same use. With one use, all rows
// are.
func (f onceForm) same(use string) string {
	if f.one {
		return "TRUE"
	}
	return use
}
