package sqlstore_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// mass fills the tables with n tokens without using the store. Token 2k is a child of
// token 2k-1, every grant has one such pair, and every owner has 100 tokens and ten items.
// All ids of token n are made from the number n. Item n is linked with token n, and item 1
// also with every tenth token of all. One token in five is revoked, one in ten has
// expired, and one in ten was rotated.
func (s site) mass(t testing.TB, db *sql.DB, n int) {
	t.Helper()
	series, hex := "", ""
	switch s.dialect {
	case sqlstore.PostgreSQL:
		series = "generate_series(1, %d) AS s (i)"
		hex = "decode(lpad(to_hex(%s), %d, '0'), 'hex')"
	case sqlstore.MySQL:
		series = "(SELECT seq AS i FROM seq_1_to_%d) s"
		hex = "UNHEX(LPAD(HEX(%s), %d, '0'))"
	case sqlstore.SQLite:
		series = "(WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < %d) SELECT i FROM r) s"
		hex = "unhex(printf('%%0%[2]dx', %[1]s))"
	}
	none := "x''"
	if s.dialect == sqlstore.PostgreSQL {
		none = "''::bytea"
	}
	id := func(expr string, size int) string { return fmt.Sprintf(hex, expr, 2*size) }
	div := "/"
	if s.dialect == sqlstore.MySQL {
		div = "DIV"
	}
	pair := "((i + 1) " + div + " 2)"
	parent := "((i + 1) % 2)" // 1 for a child
	empty := id("i", 4)
	insert := func(table, columns, values string, count int, where string) {
		t.Helper()
		text := fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s %s", s.table(table), columns, values, fmt.Sprintf(series, count), where)
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("fill %s: %v", table, err)
		}
	}
	insert("grants", "grant_id, owner_id, version, generation, refresh, scope, audience, created, held_by",
		strings.Join([]string{id("i", 16), id("i "+div+" 50 + 1", 32), "1, 1", empty, empty, empty, "1", id("i", 16)}, ", "), n/2, "")
	insert("processes", "process_id, node_id, version, transient, lives_until, settled_at, sweep_at",
		strings.Join([]string{id("i", 16), id("i", 16), "1, 0, i, 0, i"}, ", "), n/2, "")
	insert("tokens", "id, token_id, grant_id, owner_id, path, first_sum, seq, confirmed, token_sum, sealed_key, about, clauses, created, expires, erase_at",
		strings.Join([]string{
			"i", id("i", 64), id(pair, 16), id(pair+" "+div+" 50 + 1", 32),
			"CASE WHEN " + parent + " = 1 THEN " + id("(i - 1)", 64) + " ELSE " + none + " END",
			id("i", 32), "1, 1", id("i", 32), empty, empty, "1, 1", "CASE WHEN i % 10 = 9 THEN i ELSE 0 END", "CASE WHEN i % 10 = 9 THEN i END",
		}, ", "), n, "")
	insert("ancestors", "token, depth, ancestor", "i, 0, i", n, "")
	insert("ancestors", "token, depth, ancestor", "i, 1, i - 1", n, "WHERE "+parent+" = 1")
	for k, clause := range []string{"-1", "0", "0"} {
		kind := []string{"3", "1", "2"}[k]
		insert("counters", "id, token, clause, kind, draws, max_uses", fmt.Sprintf("3 * i + %d, i, %s, %s, 0, CASE WHEN %s = 1 THEN 1000000000 ELSE -1 END", k, clause, kind, kind), n, "")
		insert("chains", "token, kind, clause, depth, counter", fmt.Sprintf("i, %s, %s, 0, 3 * i + %d", kind, clause, k), n, "")
	}
	insert("chains", "token, kind, clause, depth, counter", "i, 1, 0, 1, 3 * (i - 1) + 1", n, "WHERE "+parent+" = 1")
	insert("tombstones", "token, revoked_at, recursive_at, sweep_at, unswept", "i, i, CASE WHEN i % 10 = 0 THEN i ELSE 0 END, i, CASE WHEN i % 10 = 0 THEN 0 END", n, "WHERE i % 5 = 0")
	insert("generations", "token, seq, token_sum, sealed_key, successor, grace_until",
		strings.Join([]string{"i, 1", id("i", 32), empty, empty, "i"}, ", "), n, "WHERE i <> 6")
	insert("history", "token, named, event_time, name, comment, address, user_agent, use_id, kind, clause, used_at",
		strings.Join([]string{"i, i % 2, i", empty, empty, empty, empty, id("i", 16), "1, 0, i"}, ", "), n, "")
	insert("tickets", "ticket_id, kind, version, status, sealed_key, payload, token_id, owns_token, expires, put_sum, sweep_at",
		strings.Join([]string{id("i", 32), "4, 1, 2", empty, empty, id("i", 64), "0, i", id("i", 32), "i"}, ", "), n, "")
	insert("owners", "owner_id, revision, change_id", strings.Join([]string{id("i", 32), "1", id("i", 16)}, ", "), n/10, "")
	insert("items", "item_id, owner_id, kind, version, contents",
		strings.Join([]string{id("i", 16), id("(i + 9) "+div+" 10", 32), "2, 1", empty}, ", "), n, "")
	insert("links", "item_id, token_id, own, below, sweep_at",
		strings.Join([]string{id("i", 16), id("i", 64), "1, 1", "CASE WHEN i % 10 > 0 THEN i END"}, ", "), n, "")
	insert("links", "item_id, token_id, own, below", strings.Join([]string{id("1", 16), id("i", 64), "1, 0"}, ", "), n/10, "WHERE i > 1")
	insert("commits", "grant_id, lease_id, digest, committed", strings.Join([]string{id("i", 16), id("i", 16), id("i", 32), "i"}, ", "), n/2, "")
	insert("spares", "grant_id, arrival, generation, refresh", id("i", 16)+", 1, 1, "+empty, n/2, "WHERE i <> 1000")
	insert("doubts", "grant_id, lease_id, lapsed, process_id", strings.Join([]string{id("i", 16), id("i", 16), "1", id("i", 16)}, ", "), n/2, "WHERE i <> 1000")
	if s.dialect == sqlstore.PostgreSQL {
		for _, table := range []string{"tokens", "counters", "history"} {
			text := fmt.Sprintf("SELECT setval(pg_get_serial_sequence('%[1]s', 'id'), (SELECT max(id) FROM %[1]s))", s.table(table))
			if _, err := db.ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, table := range sqlstore.Tables {
		text := "ANALYZE " + s.table(table)
		if s.dialect == sqlstore.MySQL {
			text = "ANALYZE TABLE " + s.table(table)
		}
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
}

// numbered returns the id with a number, as mass writes it.
func numbered[T store.TokenID | store.GrantID | store.OwnerID | store.Sum | store.UseID | store.TicketID | store.ItemID](n int) T {
	var id T
	b := []byte(fmt.Sprintf("%0*x", 2*len(id), n))
	out := make([]byte, len(id))
	if _, err := fmt.Sscanf(string(b), "%x", &out); err != nil {
		panic(err)
	}
	return T(out)
}

// massive returns a token of mass.
func massive(n int) store.Presented {
	return store.Presented{ID: numbered[store.TokenID](n), Seq: 1, Sum: numbered[store.Sum](n)}
}

// live returns n tokens of mass that are usable: roots that are not revoked. There are
// four among ten tokens.
func live(n int) (tokens []store.Presented) {
	for i := 1; len(tokens) < n; i += 2 {
		if i%5 != 0 {
			tokens = append(tokens, massive(i))
		}
	}
	return tokens
}

// offspring adds n children below a root and returns the id of the last one.
func (s site) offspring(t testing.TB, db *sql.DB, root store.TokenID, n int) store.TokenID {
	t.Helper()
	var key int64
	var grant, owner []byte
	row := db.QueryRowContext(t.Context(), "SELECT id, grant_id, owner_id FROM "+s.table("tokens")+" WHERE token_id = "+s.placeholder(1), root[:])
	require.NoError(t, row.Scan(&key, &grant, &owner))
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	base := 0
	for _, table := range []string{"tokens", "counters"} { // far from what the database counts itself
		highest := 0
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT MAX(id) FROM "+s.table(table)).Scan(&highest))
		base = max(base, highest+1_000_000)
	}
	last := root
	for from := 0; from < n; from += 500 {
		var tokens, ancestors, counters, chains []string
		for i := base + from; i < base+min(from+500, n); i++ {
			last = numbered[store.TokenID](i)
			tokens = append(tokens, fmt.Sprintf("(%d, %s, %s, %s, %s, %s, 1, 1, %[6]s, %[4]s, %[4]s, 0, 1, 0)",
				i, s.literal(last[:]), s.literal(grant), s.literal(owner), s.literal(root[:]), s.literal(make([]byte, 32))))
			ancestors = append(ancestors, fmt.Sprintf("(%d, 0, %[1]d), (%[1]d, 1, %d)", i, key))
			counters = append(counters, fmt.Sprintf("(%d, %[1]d, -1, 3, -1, -1)", i))
			chains = append(chains, fmt.Sprintf("(%d, 3, -1, 0, %[1]d)", i))
		}
		for _, insert := range []struct {
			table, columns string
			rows           []string
		}{
			{"tokens", "id, token_id, grant_id, owner_id, path, first_sum, seq, confirmed, token_sum, sealed_key, about, clauses, created, expires", tokens},
			{"ancestors", "token, depth, ancestor", ancestors},
			{"counters", "id, token, clause, kind, draws, max_uses", counters},
			{"chains", "token, kind, clause, depth, counter", chains},
		} {
			text := fmt.Sprintf("INSERT INTO %s (%s) VALUES %s", s.table(insert.table), insert.columns, strings.Join(insert.rows, ", "))
			if _, err := tx.ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
	}
	require.NoError(t, tx.Commit())
	return last
}
