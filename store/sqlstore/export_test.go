package sqlstore

// OnWait calls f whenever a use begins to wait for others to be committed. f may be nil.
func (s *Store) OnWait(f func()) {
	for _, q := range []*queue{s.uses, s.creations} {
		q.mu.Lock()
		q.onWait = f
		q.mu.Unlock()
	}
}
