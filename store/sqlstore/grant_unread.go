package sqlstore

import (
	"errors"

	"github.com/mytoken-go/sdk/store"
)

// Most refreshes commit and end in a grant without doubts and spares. Then one conditional
// UPDATE does what package rules decides, and nothing has to be read before. If it changes
// no row, the step reads the grant and leaves the decision to package rules.

// unmet reports whether a step that did not read first has to read, because it found
// another state than the usual one. It has changed nothing then.
func (s *Store) unmet(err error) bool {
	if errors.Is(err, errChanged) {
		return true
	}
	f := s.engine.fault(err)
	return f == faultDuplicate || f == faultChanged
}

// commitToken stores a new refresh token without reading the grant. It changes no row if
// the grant has another generation, or has doubts. If the commit ends the lease, it
// changes no row either if the lease is not the newest one, or if the grant has spares.
func commitToken(c *store.Commit) demand {
	args := []any{int64(c.Generation + 1), []byte(c.Token)}
	key := []any{c.Grant[:], int64(c.Generation)}
	if !c.Ends {
		return demand{text: commitOnly, args: append(args, key...), rows: 1}
	}
	args = append(append(args, int64(c.Generation), textOrNull(c.Worked)), key...)
	return demand{text: commitAndEnd, args: append(args, c.Lease[:]), rows: 1}
}

const (
	leaseEnded = `lease_id = NULL, lease_until = 0, lease_shown = 0, held_lease = NULL`
	hasWorked  = `worked = CASE WHEN login <= ? THEN ? ELSE worked END,
			refusals = 0, ask_after = 0, refused_generation = 0, refused_arrivals = 0`

	commitOnly = `
		UPDATE {grants} SET version = version + 1, generation = ?, refresh = ?, dead = 0
		WHERE grant_id = ? AND generation = ? AND doubts = 0`
	commitAndEnd = `
		UPDATE {grants} SET version = version + 1, generation = ?, refresh = ?, dead = 0, ` + leaseEnded + `, ` + hasWorked + `
		WHERE grant_id = ? AND generation = ? AND lease_id = ? AND doubts = 0 AND spares = 0`
	endOnly = `
		UPDATE {grants} SET version = version + 1, ` + leaseEnded + `
		WHERE grant_id = ? AND lease_id = ? AND doubts = 0`
	endDone = `
		UPDATE {grants} SET version = version + 1, ` + leaseEnded + `, ` + hasWorked + `
		WHERE grant_id = ? AND lease_id = ? AND doubts = 0 AND spares = 0`
)

// ordinaryEnd reports whether endLease describes what an end does to a grant.
func ordinaryEnd(e *store.End) bool { return e.Outcome != store.RefreshRefused && e.AskAfter == 0 }

// endLease ends a lease without reading the grant. It changes no row if the lease is not
// the newest one of the grant, or if the grant has doubts, or spares that the provider
// has seen: then the end has more to do.
func endLease(e *store.End) demand {
	if e.Outcome == store.RefreshDone {
		return demand{text: endDone, args: []any{int64(e.Generation), textOrNull(e.Worked), e.Grant[:], e.Lease[:]}, rows: 1}
	}
	return demand{text: endOnly, args: []any{e.Grant[:], e.Lease[:]}, rows: 1}
}
