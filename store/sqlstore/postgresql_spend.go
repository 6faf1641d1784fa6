package sqlstore

import (
	"strconv"
	"strings"
	"sync"

	"github.com/mytoken-go/sdk/store"
)

// onceForm says which parts the query of spendAtOnce has. A part that no use needs would
// cost as much as one that some use needs.
type onceForm struct {
	one     bool // there is one use, so each part has the rows of that use alone
	counts  bool // a use writes counters
	keeps   bool // a use writes no counter
	chains  bool // a use charges the counters of a clause
	touches bool // a use gives its token something that a revocation takes away
	grants  bool // a use asks for a lease, or a lease ends
	ends    bool // a lease ends
	creates bool // a use creates a token
	puts    bool // a use puts tickets
	relaxed bool // there is no use, so nobody waits

	lease, ticket, state bool // the columns of the result
}

// How a use keeps its token from being deleted while the query runs.
const (
	onceKeeps   = 0 // locks the row of the token
	onceCounts  = 1 // writes counters
	onceTouches = 2 // also writes the counter for no clause, which nobody else may have written meanwhile
)

// onceTexts holds the text of each form that was needed.
var onceTexts sync.Map

// text returns the query.
func (f onceForm) text() string {
	if known, ok := onceTexts.Load(f); ok {
		return known.(string)
	}
	text := f.build()
	onceTexts.Store(f, text)
	return text
}

// The query takes its locks in the order of all steps: grants, counters, tokens. Each of
// held, taken and kept locks its rows in the order of their keys, and waits for the one
// before it. A query that locks a row sees what concurrent transactions have committed,
// so held and taken have the newest rows. No later part reads such a row again, neither
// for a condition nor for a sum: an UPDATE first evaluates the snapshot of the statement,
// in which the counter may have been full. It goes on to the newest row only if the
// snapshot passes, constraints included.
//
// Everything else is as it was when the query began. A step that revokes or deletes a
// token writes its counter for no clause. So a use that touches finds out whether there
// was one since: seen is the counter as it was then. A use that writes no counter locks
// the row of its token, so that DeleteOwner and Sweep wait before they delete the
// history. If it is alone and asks for no lease, nothing comes before that lock. Then the
// query locks the row where it finds it, instead of going there again.
//
// Uses of one counter are granted together or not at all. Those that are not granted cost
// a second query, but no use is refused because of another one.
//
// A query for one use has single values in place of the list. The use charges each of its
// counters once, because they belong to different tokens or clauses. So nothing is
// counted, sorted or made distinct by use.
//
// Subqueries end with OFFSET 0, or are compared with NULL or TRUE, so that the server
// takes each row of the lists and goes to its few rows in the tables, or to a hash table,
// whatever it expects of their sizes.
func (f onceForm) build() string {
	var b strings.Builder
	add := func(when bool, parts ...string) {
		if when {
			for _, p := range parts {
				b.WriteString(p)
			}
		}
	}
	add(true, "\nWITH ")
	add(f.one, oneRow("uses", f.uses()))
	add(!f.one, unnest("uses", f.uses()))
	add(f.ends, ", ", unnest("ends", onceEnds))
	add(f.relaxed, ", ", postgresqlOff)
	add(f.creates, ", ", unnest("purses", onceCounters), ", ", unnest("tales", onceEvents))
	add(f.puts, ", ", unnest("slips", onceTickets))
	presented, fence := "presented", "OFFSET 0"
	if f.locksFirst() {
		presented, fence = "granted", "FOR KEY SHARE OF t"
	}
	add(true, `, `, presented, ` AS MATERIALIZED (
	SELECT w.*, t.*`)
	add(f.ticket, `, k.*`)
	add(true, `
	FROM uses w CROSS JOIN LATERAL (
		SELECT t.id, t.grant_id, t.owner_id, t.sealed_key`)
	add(f.state || f.creates, `, t.path`)
	add(f.state, `, t.about, t.created, t.expires, t.clauses`)
	add(true, `
		FROM {tokens} t
		WHERE t.token_id = w.token AND t.seq = w.seq AND t.token_sum = w.sum AND t.confirmed = t.seq AND t.buried = 0
			AND LENGTH(t.sealed_key) > 0 AND t.clauses BETWEEN w.least AND w.most AND NOT `+isDead)
	add(f.creates, `
			AND (w.child IS NULL OR t.grant_id = w.child_grant AND t.owner_id = w.child_owner AND LENGTH(t.path) < `, oncePath, `)`)
	add(true, `
		`, fence, `) t`)
	add(f.ticket, onceTicket)
	add(true, `
	WHERE (SELECT 1 FROM {history} u WHERE u.use_id = w.use_id) IS NULL)`)
	add(f.grants, f.held())
	add(f.counts, f.charges())
	add(!f.locksFirst(), f.granted())
	add(f.grants, f.leases())
	add(f.counts, f.charged())
	add(f.creates, f.created())
	add(true, `, remembered AS (
	INSERT INTO {history} (`, historyColumns, `)`)
	comment := "g.comment"
	if f.ticket {
		comment = "CASE WHEN g.status IS NULL THEN g.comment ELSE g.fetched END"
	}
	add(!f.creates, `
	SELECT g.id, g.named, g.event_time, g.name, `, comment, `, g.address, g.user_agent, g.use_id, g.use_kind, g.use_clause, NULL, g.now
	FROM granted g`, f.ordered(" ORDER BY g.n"), `)`)
	add(f.creates, f.told(comment))
	add(f.puts, f.put())
	f.result(add)
	return b.String()
}

// ordered returns a clause that sorts uses. One use needs none.
func (f onceForm) ordered(by string) string {
	if f.one {
		return ""
	}
	return by
}

// locksFirst reports whether the query locks the row of the token where it finds it,
// because nothing comes before that lock.
func (f onceForm) locksFirst() bool { return f.one && f.keeps && !f.grants }

// oncePath is the length of the path of a token that has as many ancestors as a token may
// have.
var oncePath = strconv.Itoa(store.MaxDepth * len(store.TokenID{}))

// onceTicket finds the tickets that uses ask for.
const onceTicket = `
	LEFT JOIN LATERAL (
		SELECT k.status, k.sealed_key AS ticket_key, k.payload, k.token_id AS ticket_token, k.owns_token, k.expires AS ticket_expires
		FROM {tickets} k
		WHERE k.ticket_id = w.fetch_id AND k.kind = w.fetch_kind AND k.taker_id IS NULL AND (k.expires = 0 OR k.expires >= w.now)
			AND (k.token_id IS NULL
				OR (SELECT 1 FROM {tokens} t WHERE t.token_id = k.token_id AND t.buried = 0 AND NOT ` + isDead + `) IS NOT NULL)
		OFFSET 0) k ON TRUE`

// held locks the grants whose lease begins or ends.
func (f onceForm) held() string {
	from := `SELECT DISTINCT grant_id FROM presented WHERE lease IS NOT NULL ORDER BY grant_id`
	switch {
	case f.one && !f.ends:
		from = `SELECT grant_id FROM presented`
	case f.ends && f.lease:
		from = `SELECT grant_id FROM presented WHERE lease IS NOT NULL UNION SELECT grant_id FROM ends ORDER BY grant_id`
	case f.ends:
		from = `SELECT grant_id FROM ends ORDER BY grant_id`
	}
	return `, held AS MATERIALIZED (
	SELECT x.grant_id, g.*
	FROM (` + from + `) x
	CROSS JOIN LATERAL (
		SELECT g.version, g.generation, g.refresh, g.scope, g.audience, g.worked, g.login, g.dead, g.spares, g.doubts, g.arrivals,
			g.refusals, g.ask_after, g.refused_generation, g.refused_arrivals, g.lease_id, g.lease_until, g.held_by
		FROM {grants} g WHERE g.grant_id = x.grant_id FOR NO KEY UPDATE OF g) g)`
}

// charges locks the counters. wanted is how many uses of the batch charge a counter.
func (f onceForm) charges() string {
	var links string
	if f.chains {
		links = `
		SELECT p.n, CASE WHEN h.depth = 0 THEN p.at ELSE 0 END AS at, h.counter, NULL::bigint AS seen
		FROM presented p CROSS JOIN LATERAL (
			SELECT h.depth, h.counter FROM {chains} h WHERE h.token = p.id AND h.kind = p.use_kind AND h.clause = p.use_clause OFFSET 0) h
		WHERE p.how = 1 OR p.how = 2 AND p.use_clause >= 0`
	}
	if f.touches && f.chains {
		links += `
		UNION ALL`
	}
	if f.touches {
		links += `
		SELECT p.n, CASE WHEN p.use_clause < 0 THEN p.at ELSE 0 END AS at, c.id AS counter, c.used AS seen
		FROM presented p CROSS JOIN LATERAL (
			SELECT c.id, c.used FROM {counters} c WHERE c.token = p.id AND c.clause = -1 AND c.kind = 3 OFFSET 0) c
		WHERE p.how = 2`
	}
	wanted := `COUNT(*) OVER (PARTITION BY counter)`
	if f.one {
		wanted = `1`
	}
	text := `, taken AS MATERIALIZED (
	SELECT l.n, l.at, l.counter, l.seen, l.wanted, c.used, c.max_uses
	FROM (SELECT n, at, counter, seen, ` + wanted + ` AS wanted FROM (` + links + `) x ORDER BY counter) l
	LEFT JOIN LATERAL (SELECT c.used, c.max_uses FROM {counters} c WHERE c.id = l.counter FOR NO KEY UPDATE OF c) c ON TRUE`
	if f.grants {
		text += `
	WHERE (SELECT COUNT(*) FROM held) >= 0`
	}
	return text + `)`
}

// onceFits reports whether all counters of a use admit it.
const onceFits = `bool_and(used IS NOT NULL AND (max_uses < 0 OR used + wanted <= max_uses) AND (seen IS NULL OR seen = used))`

// granted finds the uses that all of their counters admit, and those that need no counter
// and whose token is locked.
func (f onceForm) granted() string {
	var text, admits string
	switch {
	case f.counts && f.one:
		admits += ` OR (SELECT ` + onceFits + ` FROM taken)`
	case f.counts:
		text += `, fits AS MATERIALIZED (
	SELECT n FROM taken GROUP BY n HAVING ` + onceFits + `)`
		admits += ` OR p.n IN (SELECT n FROM fits)`
	}
	if f.keeps {
		text += `, kept AS MATERIALIZED (
	SELECT p.n
	FROM (SELECT n, id FROM presented WHERE how = 0 ORDER BY id) p
	CROSS JOIN LATERAL (SELECT 1 FROM {tokens} t WHERE t.id = p.id AND t.buried = 0 FOR KEY SHARE OF t) t`
		switch {
		case f.counts:
			text += `
	WHERE (SELECT COUNT(*) FROM taken) >= 0`
		case f.grants:
			text += `
	WHERE (SELECT COUNT(*) FROM held) >= 0`
		}
		text += `)`
		admits += ` OR p.n IN (SELECT n FROM kept)`
	}
	return text + `, granted AS MATERIALIZED (
	SELECT p.* FROM presented p WHERE (FALSE` + admits + `) IS TRUE)`
}

// charged writes the counters.
func (f onceForm) charged() string {
	charges := `, charges AS MATERIALIZED (
	SELECT counter, MAX(used) + COUNT(*) AS used, MAX(at) AS at FROM taken
	WHERE (n IN (SELECT n FROM granted)) IS TRUE GROUP BY counter)`
	if f.one {
		charges = `, charges AS (
	SELECT counter, used + 1 AS used, at FROM taken WHERE (SELECT 1 FROM granted) IS NOT NULL)`
	}
	return charges + `, charged AS (
	UPDATE {counters} c SET used = x.used, last_used = GREATEST(c.last_used, x.at) FROM charges x WHERE c.id = x.counter)`
}

// leases ends leases and gives each free grant to the first use that asks for it; see
// [rules.Grant.BeginWithUse].
func (f onceForm) leases() string {
	// Without these lists their columns are constants.
	end, lease := "LEFT JOIN ended e ON e.grant_id = h.grant_id", "LEFT JOIN leased l ON l.grant_id = h.grant_id"
	var text string
	if f.ends {
		text += `, ended AS MATERIALIZED (
	SELECT e.n, e.grant_id, e.done, CASE WHEN e.done = 1 AND h.login <= e.generation THEN e.worked ELSE h.worked END AS worked
	FROM ends e JOIN held h ON h.grant_id = e.grant_id
	WHERE h.lease_id = e.lease AND h.doubts = 0 AND (e.done = 0 OR h.spares = 0)`
		if f.relaxed {
			text += ` AND ` + postgresqlIsOff
		}
		text += `)`
	} else {
		end = "CROSS JOIN (SELECT NULL::integer AS n, 0 AS done, NULL::bytea AS worked) e"
	}
	if f.lease {
		first, order := `DISTINCT ON (h.grant_id) `, `
	ORDER BY h.grant_id, g.n`
		if f.one {
			first, order = "", ""
		}
		text += `, leased AS MATERIALIZED (
	SELECT ` + first + `g.n, h.grant_id, g.lease, g.process,
		CASE WHEN e.n IS NULL AND h.lease_id IS NOT NULL THEN GREATEST(g.until, h.lease_until) ELSE g.until END AS until,
		h.generation, h.refresh, h.scope, h.audience, CASE WHEN e.n IS NULL THEN h.worked ELSE e.worked END AS worked
	FROM granted g JOIN held h ON h.grant_id = g.grant_id ` + end + `
	WHERE g.lease IS NOT NULL AND (e.n IS NOT NULL OR h.lease_id IS NULL OR h.lease_id = g.lease)
		AND h.dead = 0 AND h.spares = 0 AND h.doubts = 0
		AND (e.done = 1 OR h.refusals = 0 OR h.refused_generation <> h.generation OR h.refused_arrivals <> h.arrivals)
		AND (SELECT 1 FROM {processes} p WHERE p.process_id = g.process AND p.settled_at <> 0) IS NULL`
		if f.ticket {
			text += ` AND g.status IS NULL`
		}
		text += order + `)`
	} else {
		lease = "CROSS JOIN (SELECT NULL::integer AS n, NULL::bytea AS lease, NULL::bytea AS process, 0 AS until) l"
	}
	return text + `, renewed AS (
	UPDATE {grants} g SET version = h.version + 1, lease_id = l.lease, lease_until = COALESCE(l.until, 0),
		lease_shown = CASE WHEN l.n IS NULL THEN 0 ELSE h.arrivals END,
		held_by = COALESCE(l.process, h.held_by), held_lease = CASE WHEN l.process IS NOT NULL THEN l.lease END,
		worked = CASE WHEN e.n IS NULL THEN h.worked ELSE e.worked END,
		refusals = CASE WHEN e.done = 1 THEN 0 ELSE h.refusals END, ask_after = CASE WHEN e.done = 1 THEN 0 ELSE h.ask_after END,
		refused_generation = CASE WHEN e.done = 1 THEN 0 ELSE h.refused_generation END,
		refused_arrivals = CASE WHEN e.done = 1 THEN 0 ELSE h.refused_arrivals END
	FROM held h ` + lease + ` ` + end + `
	WHERE g.grant_id = h.grant_id AND (l.n IS NOT NULL OR e.n IS NOT NULL))`
}

// result selects the columns that atOnce names.
func (f onceForm) result(add func(when bool, parts ...string)) {
	add(true, `
SELECT g.n, g.grant_id, g.owner_id, g.sealed_key`)
	add(f.lease, `, l.until, l.generation, l.refresh, l.scope, l.audience, l.worked`)
	add(f.ticket, `, g.status, g.ticket_key, g.payload, g.ticket_token, g.owns_token, g.ticket_expires`)
	if f.state {
		used, charges := "c.used, c.last_used", ""
		if f.counts {
			used, charges = "COALESCE(x.used, c.used), GREATEST(c.last_used, x.at)", " LEFT JOIN charges x ON x.counter = c.id"
		}
		add(true, `, g.path, g.about, g.created, g.expires, g.clauses,
	CASE WHEN g.state = 1 THEN (SELECT r.dead FROM {grants} r WHERE r.grant_id = g.grant_id) END,
	CASE WHEN g.state = 1 THEN (
		SELECT json_agg(json_build_array(h.kind, h.clause, h.depth, c.clause, c.max_uses, `, used, `))::text
		FROM {chains} h JOIN {counters} c ON c.id = h.counter`, charges, ` WHERE h.token = g.id) END`)
	}
	add(true, `
FROM granted g`)
	add(f.lease, ` LEFT JOIN leased l ON l.n = g.n`)
	add(f.ends, `
UNION ALL
SELECT e.n, NULL, NULL, NULL`)
	add(f.ends && f.lease, `, NULL, NULL, NULL, NULL, NULL, NULL`)
	add(f.ends && f.ticket, `, NULL, NULL, NULL, NULL, NULL, NULL`)
	add(f.ends && f.state, `, NULL, NULL, NULL, NULL, NULL, NULL, NULL`)
	add(f.ends, ` FROM ended e`)
}
