package sqlstore

// Waiting is how many uses wait for others to be committed.
func (s *Store) Waiting() int {
	s.uses.mu.Lock()
	defer s.uses.mu.Unlock()
	return len(s.uses.waiting)
}
