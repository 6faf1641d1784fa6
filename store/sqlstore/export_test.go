package sqlstore

import "strings"

// Waiting is how many uses wait for others to be committed.
func (s *Store) Waiting() int { return s.uses.length() + s.creations.length() }

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// Prepared tells whether a statement that holds a text is kept prepared.
func (s *Store) Prepared(text string) bool {
	s.statements.mu.Lock()
	defer s.statements.mu.Unlock()
	for known := range s.statements.known {
		if strings.Contains(known, text) {
			return true
		}
	}
	return false
}

// MaxPrepared is how many statements are kept prepared.
const MaxPrepared = maxPrepared
