package killtest_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// buried records the open uses and the spill of a dead process, and starts the next
// process.
func (r *run) buried(s *slot, e event) {
	if text := e.from.stderr.String(); text != "" || !s.dying {
		r.t.Fatalf("process %d: %v\n%s", s.n, e.err, text)
	}
	r.kills++
	hit := false
	for _, u := range s.orders {
		if u.Place == atAnswer && !u.got {
			hit = true
			r.answered[u.token.grant] = true
		}
		r.orphan(s, u)
	}
	r.spilled(s)
	switch {
	case hit:
		r.hits[atAnswer]++
	case s.death == atAnswer: // the process stopped waiting before it died
		r.deaths = append(r.deaths, atAnswer)
		r.hits[atRandom]++
	case s.death == atRandom:
		r.hits[atRandom]++
	}
	r.launch(s)
}

// spilled records which answers a dead process has left in its spill directory.
func (r *run) spilled(s *slot) {
	for _, receipt := range r.receipts {
		if receipt.by != s.life || receipt.kept || !s.died[receipt.use] {
			continue
		}
		files, err := filepath.Glob(filepath.Join(s.spill, "*.refresh"))
		require.NoError(r.t, err)
		id := hex.EncodeToString(r.uses[receipt.use].token.grant.id[:])
		for _, f := range files {
			text, err := os.ReadFile(f)
			require.NoError(r.t, err)
			receipt.kept = receipt.kept || strings.Contains(string(text), id)
		}
	}
}

// orphan records that a process died during this use.
func (r *run) orphan(s *slot, u *use) {
	r.inUse[u.token] = false
	r.endanger(u.token, s.sent[u.N])
	s.died[u.N] = true
	r.held[u.token.grant]++
	r.doubted[u.token.grant] = true
	s.holding = append(s.holding, u.token.grant)
	u.unsettled = true
	if u.Revoke || r.rnd.IntN(2) == 0 {
		r.repeat(u)
	}
}

// endanger records that a token may have been rotated although its holder does not have
// the next generation.
func (r *run) endanger(t *token, since time.Time) {
	if t.rotates && r.risk[t].IsZero() {
		r.risk[t] = since
	}
}

// repeat lets another process make a use again, with the same id.
func (r *run) repeat(u *use) {
	u.unsettled, u.Place = true, atRandom
	if u.Scope == answerScope {
		u.Scope = usualScope
	}
	r.again = append(r.again, u)
}

// release ends the waiting for a dead process.
func (r *run) release(s *slot) {
	for _, g := range s.holding {
		r.held[g]--
	}
	s.holding = nil
	if s.predecessor != nil {
		s.predecessor.recovered = time.Now()
	}
}
