package sqlstore

import (
	"slices"
	"strconv"
	"strings"
)

// relaxed sets synchronous_commit for the transaction that the statement is. The setting
// ends with the transaction, and a later one of the connection waits for its flush again.
// The condition makes the server evaluate the setting before it looks for a row. The
// statement must end with its conditions.
func (postgresql) relaxed(d demand) (demand, bool) {
	d.text = "WITH " + postgresqlOff + d.text + " AND " + postgresqlIsOff
	return d, true
}

const (
	postgresqlOff   = `off AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', TRUE) AS v)`
	postgresqlIsOff = `(SELECT v FROM off) IS NOT NULL`
)

// mostTogether is the most demands in one statement. There are few different lists of
// that length, so that drivers can keep them prepared.
const mostTogether = 8

// together writes the demands as parts of one query. The query counts what each of them
// returns, in their order, and divides by zero if a count is wrong. That undoes
// everything.
//
// All parts see the snapshot with which the query began, and none sees what another one
// has written. So no two of them may write the same row and depend on both. A part that
// waits for a lock goes on with the newest row, as in a transaction at READ COMMITTED.
func (postgresql) together(all []demand) (string, []any) {
	if len(all) < 2 || len(all) > mostTogether || slices.ContainsFunc(all, func(d demand) bool { return d.after }) {
		return "", nil
	}
	var parts, met, asked []string
	var args []any
	for i, d := range all {
		args = append(args, d.args...)
		if head, ok := strings.CutSuffix(d.text, postgresqlVerdict); ok { // it writes, so it has to stand at the top
			parts = append(parts, strings.TrimPrefix(strings.TrimSpace(head), "WITH "))
			met = append(met, "("+postgresqlVerdict+")")
			continue
		}
		name := "d" + strconv.Itoa(i)
		count := "(SELECT COUNT(*) FROM " + name + ")"
		if d.query {
			parts = append(parts, name+" (met) AS MATERIALIZED ("+d.text+")")
			count = "(SELECT COUNT(*) FROM " + name + " WHERE met)"
		} else {
			parts = append(parts, name+" AS ("+d.text+" RETURNING 1)")
		}
		if d.rows == anyRows {
			met = append(met, count+" >= 0")
		} else {
			met = append(met, count+" = "+strconv.Itoa(d.rows))
		}
		if d.did != nil {
			asked = append(asked, "("+strconv.Itoa(i)+", "+count+", "+strconv.Itoa(max(d.all, 1))+")")
		}
	}
	text := "WITH " + strings.Join(parts, ", ") + ", everything AS MATERIALIZED (SELECT 1 / (CASE WHEN " + strings.Join(met, " AND ") +
		" THEN 1 ELSE 0 END) AS met)\nSELECT "
	if len(asked) == 0 {
		return text + "0 WHERE (SELECT met FROM everything) <> 1", args
	}
	return text + "x.i FROM (VALUES " + strings.Join(asked, ", ") + ") AS x (i, n, least) WHERE (SELECT met FROM everything) = 1 AND x.n >= x.least", args
}
