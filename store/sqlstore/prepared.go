package sqlstore

import (
	"context"
	"database/sql"
	"sync"
)

// statements are those that are kept prepared, on engines where that spares
// work. Package database/sql prepares each of them once on each connection.
type statements struct {
	mu     sync.Mutex
	known  map[string]*sql.Stmt
	wanted map[string]bool // found in transactions, where nothing is prepared
}

// maxPrepared bounds how many there are, but for those that are prepared at the
// same moment. Others are sent as text. Statements that differ with the size of a
// batch are more than that, and take up no more than a half of the room.
const (
	maxPrepared = 64
	maxVaried   = maxPrepared / 2
)

// often is for statements that most requests need.
func (s *Store) often(on runner) runner { return s.whereRoom(on, maxPrepared) }

// varied is for those among them that differ with the size of a batch.
func (s *Store) varied(on runner) runner { return s.whereRoom(on, maxVaried) }

func (s *Store) whereRoom(on runner, most int) runner {
	if s.engine.prepares() {
		return prepared{s, on, most}
	}
	return on
}

// prepareWanted prepares what transactions found missing. It must not be called
// within one: it may need a second connection, and there may be none.
func (s *Store) prepareWanted(ctx context.Context) error {
	st := &s.statements
	st.mu.Lock()
	wanted := st.wanted
	st.wanted = nil
	st.mu.Unlock()
	for text := range wanted { // after an error the next transaction misses the rest again
		if _, err := st.prepare(ctx, s.db, text); err != nil {
			return err
		}
	}
	return nil
}

// prepare prepares one more statement. It may have to wait for a connection, and
// whoever has that may wait for the lock, which is not held meanwhile.
func (st *statements) prepare(ctx context.Context, db *sql.DB, text string) (*sql.Stmt, error) {
	stmt, err := db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if known := st.keep(text, stmt); known != stmt {
		return known, stmt.Close()
	}
	return stmt, nil
}

// keep returns the statement that is kept: another one if somebody was faster.
func (st *statements) keep(text string, stmt *sql.Stmt) *sql.Stmt {
	st.mu.Lock()
	defer st.mu.Unlock()
	if known := st.known[text]; known != nil {
		return known
	}
	if st.known == nil {
		st.known = make(map[string]*sql.Stmt)
	}
	st.known[text] = stmt
	return stmt
}

// find returns the statement if it is prepared. Otherwise it tells whether it
// may be, as one of most; within a transaction it is noted, for later.
func (st *statements) find(text string, inTx bool, most int) (stmt *sql.Stmt, room bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	stmt = st.known[text]
	room = stmt == nil && len(st.known)+len(st.wanted) < most
	if room && inTx {
		if st.wanted == nil {
			st.wanted = make(map[string]bool)
		}
		st.wanted[text] = true
	}
	return stmt, room
}

// prepared runs statements that are prepared, if they can be.
type prepared struct {
	s    *Store
	on   runner
	most int // statements that may be prepared with this one
}

// stmt returns nil if the statement is to be sent as text.
func (p prepared) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	tx, inTx := p.on.(*sql.Tx)
	stmt, room := p.s.statements.find(text, inTx, p.most)
	switch {
	case stmt != nil && inTx:
		return tx.StmtContext(ctx, stmt), nil
	case room && !inTx:
		return p.s.statements.prepare(ctx, p.s.db, text)
	}
	return stmt, nil
}

func (p prepared) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	st, err := p.stmt(ctx, text)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return p.on.ExecContext(ctx, text, args...)
	}
	return st.ExecContext(ctx, args...)
}

func (p prepared) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, err := p.stmt(ctx, text)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return p.on.QueryContext(ctx, text, args...)
	}
	return st.QueryContext(ctx, args...)
}
