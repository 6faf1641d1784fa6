package killtest_test

import "slices"

// choose returns the next use for a process, or nil if there is none.
func (r *run) choose(s *slot) *use {
	if u := r.repetition(); u != nil {
		return u
	}
	switch {
	case !r.pending():
		return nil
	case s.death != atRandom && s.due == 1 && !s.given:
		s.given = true
		return r.last(s.death)
	case r.kills/10 > r.revocations:
		r.revocations++
		return r.revocation()
	}
	return r.usual()
}

// repetition returns a use to make again.
func (r *run) repetition() *use {
	i := slices.IndexFunc(r.again, func(u *use) bool { return r.free(u.token) })
	if i < 0 {
		return nil
	}
	u := r.again[i]
	r.again = slices.Delete(r.again, i, i+1)
	return u
}

// free reports whether a token can be used now.
func (r *run) free(t *token) bool { return r.held[t.grant] == 0 && !r.inUse[t] }

// fitting returns the tokens that fit and can be used now.
func (r *run) fitting(grants []*grant, fits func(*token) bool) []*token {
	var found []*token
	for _, g := range grants {
		for _, t := range g.tokens {
			if !g.lost && r.free(t) && fits(t) {
				found = append(found, t)
			}
		}
	}
	return found
}

// draw returns a token that fits and can be used now. If there is none, it logs somebody
// in and returns the new token.
func (r *run) draw(grants []*grant, fits func(*token) bool) *token {
	found := r.fitting(grants, fits)
	if len(found) == 0 {
		g := r.logins(1)[0]
		r.grants = append(r.grants, g)
		found = g.tokens[2:]
	}
	return found[r.rnd.IntN(len(found))]
}

// last returns the use during which a process will die.
func (r *run) last(at place) *use {
	scope := usualScope
	if at == atAnswer {
		scope = answerScope
	}
	t := r.draw(r.grants[hot:], func(t *token) bool {
		return !r.dead[t] && !r.stopped[t.grant] && !r.doubted[t.grant] && r.room(t, 1) && (t.rotates || at != atRotation)
	})
	if at == atAnswer {
		r.stopped[t.grant] = true
	}
	return r.add(t, scope, at)
}

// revocation returns a use that revokes a token in use.
func (r *run) revocation() *use {
	depth := 1
	if r.revocations%4 == 3 {
		depth = 0
	}
	t := r.draw(r.grants[hot:], func(t *token) bool { return t.depth == depth && !r.dead[t] && !r.stopped[t.grant] })
	u := r.add(t, usualScope, atRandom)
	u.Revoke = true
	return u
}

// usual returns any other use: of grants to use up, of revoked tokens, and of all others
// as long as enough uses are left for the deaths. A use takes long if the outcome of a
// refresh is in doubt, so usual returns few of these besides the repetitions.
func (r *run) usual() *use {
	var found []*token
	switch r.rnd.IntN(10) {
	case 0:
		found = r.fitting(r.grants, func(t *token) bool { return r.dead[t] })
	case 1:
		found = r.fitting(r.grants, func(t *token) bool { return !r.dead[t] && r.doubted[t.grant] && r.room(t, 0.6) })
	case 2, 3, 4:
		found = r.fitting(r.grants[:hot], func(t *token) bool { return !r.doubted[t.grant] && r.room(t, 1.5) })
	}
	if len(found) > 0 {
		return r.add(found[r.rnd.IntN(len(found))], usualScope, atRandom)
	}
	t := r.draw(r.grants[hot:], func(t *token) bool { return !r.dead[t] && !r.doubted[t.grant] && r.room(t, 0.6) })
	return r.add(t, usualScope, atRandom)
}
