package optest

import (
	"fmt"
	"time"
)

// issued are the tokens of one answer.
type issued struct {
	access, id string
	expires    time.Time
}

// preparation says which refreshes of a grant can share tokens: those for the same scopes
// and audiences, while the same key signs.
type preparation struct{ key, scope, audiences string }

// prepared returns the tokens that a refresh may hand out again, if there are any, and
// under what to keep new ones; see Options.PreparedTokens.
func (s *Server) prepared(g *grant, scope string, audiences []string, now time.Time) (tokens issued, under preparation, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	under = preparation{s.keys[len(s.keys)-1].id, scope, fmt.Sprintf("%q", audiences)}
	tokens, ok = g.prepared[under]
	fresh := tokens.expires.Sub(now) > s.opts.AccessTokenLifetime/2
	return tokens, under, ok && fresh && !s.access[tokens.access].revoked
}
