package sqlstore

// Waiting returns how many uses wait for others to be committed.
func (s *Store) Waiting() int { return s.uses.length() + s.creations.length() }

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}
