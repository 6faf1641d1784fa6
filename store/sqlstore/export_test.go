package sqlstore

import "time"

// OnWait calls f whenever a use begins to wait for others to be committed. f may be nil.
func (s *Store) OnWait(f func()) {
	for _, q := range []*queue{s.uses, s.creations} {
		q.mu.Lock()
		q.onWait = f
		q.mu.Unlock()
	}
}

// ForgetPing makes the next Ping ask the database.
func (s *Store) ForgetPing() { s.ping.at = time.Time{} }

// PingClock sets the clock of Ping.
func (s *Store) PingClock(now func() time.Time) { s.ping.now = now }

// Tables are all tables of a store.
var Tables = tables
