package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// OnWait calls f whenever a use begins to wait for others to be committed. f may be nil.
func (s *Store) OnWait(f func()) {
	for _, q := range []*queue{s.uses, s.creations} {
		q.mu.Lock()
		q.onWait = f
		q.mu.Unlock()
	}
}

// WaitForBatches sets how long uses wait before they get a second batch anyway.
func (s *Store) WaitForBatches(longest time.Duration) {
	for _, q := range []*queue{s.uses, s.creations} {
		q.mu.Lock()
		q.longest = longest
		q.mu.Unlock()
	}
}

// OnReadWait calls f whenever a call begins to wait for a shared query. f may be nil.
func (s *Store) OnReadWait(f func()) {
	s.reads.mu.Lock()
	defer s.reads.mu.Unlock()
	s.reads.onWait = f
}

// WaitForReads sets how long a call waits for a shared query.
func (s *Store) WaitForReads(longest time.Duration) { s.reads.longest = longest }

// ForgetPing makes the next Ping ask the database.
func (s *Store) ForgetPing() { s.ping.at = time.Time{} }

// PingClock sets the clock of Ping.
func (s *Store) PingClock(now func() time.Time) { s.ping.now = now }

// Tables are all tables of a store.
var Tables = tables

// EndTogether commits ends of leases as one batch.
func (s *Store) EndTogether(ctx context.Context, ends ...store.End) error {
	_, err := s.SpendTogether(ctx, nil, nil, ends...)
	return err
}

// SpendTogether commits uses, each of its token, and ends of leases as one batch.
func (s *Store) SpendTogether(ctx context.Context, tokens []store.Presented, uses []store.Use, ends ...store.End) ([]store.Spent, error) {
	var members []*member
	for i := range ends {
		members = append(members, &member{end: &ends[i]})
	}
	for i := range uses {
		members = append(members, &member{token: tokens[i], use: &uses[i]})
	}
	err := s.spendAll(ctx, members)
	var all []store.Spent
	for _, m := range members[len(ends):] {
		all, err = append(all, m.spent), errors.Join(err, m.err)
	}
	return all, err
}

// WriteAll meets demands in one transaction: each statement has to change as many rows as
// its name says. It returns which of them have changed a row.
func (s *Store) WriteAll(ctx context.Context, rows []int, texts []string) ([]bool, error) {
	did := make([]bool, len(texts))
	var all []demand
	for i, text := range texts {
		all = append(all, demand{text: text, rows: rows[i], did: func() { did[i] = true }})
	}
	return did, s.step(ctx, "write", func() error {
		clear(did)
		err := s.writeAll(ctx, all, false)
		if s.unmet(err) {
			return store.ErrConflict
		}
		return err
	})
}

// AnyRows is the number of rows of a statement that may change any number.
const AnyRows = anyRows
