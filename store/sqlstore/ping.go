package sqlstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// pingKept is how long Ping reports what it has found before it writes again.
const pingKept = time.Second

// ping is what the last Ping has found.
type ping struct {
	turn chan struct{} // has room for one: who holds it may ask the database
	at   time.Time     // zero: nothing was found yet
	err  error
	now  func() time.Time
	path string      // of the file of an SQLite database
	file fs.FileInfo // as New found it; nil: there is none
}

func newPing() ping { return ping{turn: make(chan struct{}, 1), now: time.Now} }

// Ping returns nil if the database commits what the store writes now. It returns
// [ErrReadOnly] if the server does not accept writes, for example because it was demoted,
// and [ErrFull] if it has no space left. Use it for health checks: a connection that
// answers proves neither.
//
// On SQLite, Ping returns an error if somebody has removed or replaced the file. With
// journal_mode WAL, SQLite itself goes on writing to the former file without an error.
//
// Ping writes a row, deletes it, and commits both, within [Options.BatchTimeout]. It
// reports what it has found for a second, so that any number of callers cost the database
// one small transaction a second: on a server four round trips and one flush of its log,
// on SQLite about 20 kB in the -wal and one flush. It closes connections to a server that
// has become read-only, so it also keeps steps that only read from going on with an old
// state. Ping is safe for concurrent use.
func (s *Store) Ping(ctx context.Context) error {
	select {
	case s.ping.turn <- struct{}{}:
		defer func() { <-s.ping.turn }()
	case <-ctx.Done():
		return s.explain("ping", ctx.Err(), false)
	}
	if now := s.ping.now(); !s.ping.at.IsZero() && now.Sub(s.ping.at) < pingKept {
		return s.ping.err
	}
	err := s.ping.moved()
	if err == nil {
		err = s.tryToCommit(ctx)
	}
	if ctx.Err() == nil { // otherwise it says nothing about the database
		s.ping.at, s.ping.err = s.ping.now(), err
	}
	return err
}

// watch remembers the file of the database.
func (s *Store) watch(ctx context.Context) error {
	query := s.engine.file()
	if query == "" {
		return nil
	}
	if err := s.db.QueryRowContext(ctx, query).Scan(&s.ping.path); err != nil {
		return fmt.Errorf("sqlstore: ask for the file: %w", err)
	}
	s.ping.file, _ = os.Stat(s.ping.path) // fails for a database in memory
	return nil
}

// moved returns an error if another file, or none, is where New found the database.
func (p *ping) moved() error {
	if p.file == nil {
		return nil
	}
	now, err := os.Stat(p.path)
	if err == nil && !os.SameFile(now, p.file) {
		err = errors.New("another file is there")
	}
	if err != nil {
		return fmt.Errorf("sqlstore: ping: the file of the database was removed or replaced, so what is written now will be lost; restart the program: %w", err)
	}
	return nil
}

// tryToCommit adds a row to the history, as uses do, and deletes it again. It belongs to
// no token, so no step finds it.
func (s *Store) tryToCommit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.batchTimeout)
	defer cancel()
	text := make([]byte, s.engine.pingSize())
	_, _ = rand.Read(text) // incompressible
	return s.step(ctx, "ping", func() error {
		return s.write(ctx, func(tx runner) error {
			id, err := s.insert(ctx, tx, insertTrial, text, text[:1], text[:1], text[:1], int64(store.UseUncounted), int64(store.NoClause))
			if err != nil {
				return err
			}
			return s.must(ctx, tx, 1, `DELETE FROM {history} WHERE id = ?`, id)
		})
	})
}

const insertTrial = `
	INSERT INTO {history} (named, event_time, name, comment, address, user_agent, kind, clause)
	VALUES (0, 0, ?, ?, ?, ?, ?, ?)`
