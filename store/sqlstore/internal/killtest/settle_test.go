package killtest_test

import (
	"slices"
	"time"
)

// grace is how long an issuer accepts a rotated token by default.
const grace = 30 * time.Second

// settle records the outcome of a use that was sent at some time, and checks that this
// outcome is allowed.
func (r *run) settle(u *use, l line, sent time.Time) {
	t := u.token
	r.inUse[t] = false
	switch l.Outcome {
	case revoked:
		for _, below := range t.grant.tokens[t.depth:] {
			r.dead[below] = true
		}
	case delivered:
		delete(r.doubted, t.grant)
		if l.Update != "" {
			t.compact = l.Update
			delete(r.risk, t)
		}
	case ended:
		t.grant.lost = true
	case dead:
		if !r.revoking(t) {
			r.t.Errorf("use %d: the token is revoked, and nobody did so", u.N)
		}
	case outdated:
		if risk := r.risk[t]; risk.IsZero() || time.Since(risk) < grace {
			r.t.Errorf("use %d: the holder has the newest generation: %s", u.N, l.Text)
		}
		t.grant.lost = true // for this holder
	case doubtful:
		u.unsettled = true
		r.endanger(t, sent)
	case charged, exhausted, busy, refused:
	default:
		r.t.Errorf("use %d: %s: %s", u.N, l.Outcome, l.Text)
	}
	if u.late && l.Outcome != dead && l.Outcome != revoked && l.Outcome != doubtful {
		r.t.Errorf("use %d of a token that was revoked before: %s", u.N, l.Outcome)
	}
	u.last = l.Outcome
	if u.Revoke && l.Outcome != revoked || (l.Outcome == charged || l.Outcome == doubtful) && r.rnd.IntN(2) == 0 {
		r.repeat(u)
	}
}

// revoking reports whether a process was told to revoke the token.
func (r *run) revoking(t *token) bool {
	return slices.ContainsFunc(r.uses, func(u *use) bool {
		return u.Revoke && u.token.grant == t.grant && u.token.depth <= t.depth
	})
}
