package sqlstore

import (
	"slices"
	"strings"
)

// MariaDB runs a compound statement as one statement: BEGIN NOT ATOMIC … END. So a whole
// transaction takes one round trip. MySQL has no such statement outside of procedures.
//
// A compound statement begins and ends its transaction itself. Whatever fails inside,
// the handler rolls back and passes the error on with its number. A COMMIT that fails is
// no exception.
//
// The server does not call the handler if somebody stops the statement between two of its
// parts, for example with KILL QUERY or max_statement_time. Then the session stays in the
// transaction, with its locks. Whoever got the connection next would read what nobody has
// committed, and might commit it. So the store runs a compound statement on a connection
// that it has taken, and closes that connection after an error that it does not know; see
// single.judge and sessions.go.
//
// Other programs may leave a session in a transaction, too. The store commits nothing of
// that either: each compound statement begins with ROLLBACK, and all other transactions ask
// for their isolation, which fails within a transaction; see txOptions.

const (
	compoundStart = "BEGIN NOT ATOMIC"
	// compoundBegin asks for READ COMMITTED, as txOptions does. This holds for the next
	// transaction alone, and does not change the session.
	compoundBegin = `
DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
ROLLBACK;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
START TRANSACTION;`
	// compoundChanged fails as errChanged does.
	compoundChanged = `SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 31045, MESSAGE_TEXT = 'mytoken: changed meanwhile'`
)

// errnoChanged is the error number of an unmet demand. No server uses it itself.
const errnoChanged = 31045

// mostInCompound is the most arguments of a compound statement. Larger changes are rare,
// and run statement by statement.
const mostInCompound = 2048

// compound returns one statement that runs statements in a transaction. declared comes
// before everything else and declares variables.
func compound(declared, body string) string {
	return compoundStart + declared + compoundBegin + body + "\nEND"
}

func isCompound(text string) bool { return strings.HasPrefix(text, compoundStart) }

// better implements engine. The statement has all that compound statements here are made
// of, and changes nothing.
func (mysql) better() (string, engine) {
	return compound(compoundVariables, `
uses: BEGIN
charge: LOOP
IF v_depth = 0 THEN ROLLBACK; LEAVE uses; END IF;
IF ROW_COUNT() <> 1 THEN `+compoundChanged+`; END IF;
END LOOP;
END;
SET STATEMENT group_concat_max_len = 1024 FOR SELECT 1 INTO v_leased;
COMMIT;`), mysql{compounds: true}
}

// together implements engine.
func (m mysql) together(all []demand) (string, []any) {
	if !m.compounds {
		return "", nil
	}
	var b compoundText
	for i, d := range all {
		switch {
		case d.query && d.rows == 1:
			b.add("\nIF NOT COALESCE(("+d.text+"), FALSE) THEN "+compoundChanged+"; END IF;", d.args...)
			continue
		case d.query:
			return "", nil
		}
		if d.size > 0 {
			b.insertHistory("", slices.Collect(slices.Chunk(d.args, historyWidth)), d.size)
			continue
		}
		b.add("\n"+d.text+";", d.args...)
		if d.rows != anyRows {
			b.add("\nIF ROW_COUNT() <> ? THEN "+compoundChanged+"; END IF;", int64(d.rows))
		}
		if d.did != nil {
			b.add("\nIF ROW_COUNT() >= ? THEN SELECT ?; END IF;", int64(max(d.all, 1)), int64(i))
		}
	}
	b.add("\nCOMMIT;")
	if len(b.args) > mostInCompound || b.lists > len(lists{}) {
		return "", nil
	}
	return compound("", b.String()), b.args
}

// compoundText collects statements with their arguments.
type compoundText struct {
	strings.Builder
	args  []any
	lists int
}

func (b *compoundText) add(text string, args ...any) {
	b.WriteString(text)
	b.args = append(b.args, args...)
	for _, a := range args {
		if asList(a) != nil {
			b.lists++
		}
	}
}

// insertHistory adds rows of the history: half of the padded size, and then what is left,
// in groups of a power of two. So one text fits all numbers of rows with this padded size.
// before begins each row in the text, and the arguments are the rest.
func (b *compoundText) insertHistory(before string, rows [][]any, size int) {
	width := historyWidth
	if before != "" {
		width--
	}
	row := "(" + before + strings.TrimSuffix(strings.Repeat("?, ", width), ", ") + ")"
	for left := size; left > 0; {
		group := max(left/2, 1)
		insert := "\nINSERT INTO {history} (" + historyColumns + ") VALUES " + row + strings.Repeat(", "+row, group-1) + ";"
		taken := len(rows) >= group
		args := make([]any, group*width)
		if taken {
			args, rows = slices.Concat(rows[:group]...), rows[group:]
		}
		if left == size && taken {
			b.add(insert, args...)
		} else {
			b.add("\nIF ? THEN"+insert+"\nEND IF;", append([]any{flag(taken)}, args...)...)
		}
		left -= group
	}
}
