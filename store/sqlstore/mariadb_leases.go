package sqlstore

import (
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/store"
)

// A batch takes and ends leases on many grants. On MariaDB one statement takes all of
// them, and one ends all of them: an UPDATE of each grant costs about four times as much,
// and its text would not be prepared for each number of grants. The texts depend on the
// size to which the lists are padded.
//
// Each statement locks its grants in the order of their ids, and all ends come first. So
// two batches may deadlock, if each ends a lease on a grant on which the other one takes
// one. Then the database stops one of them, which starts again.

// byGrant is an SQL expression with a value for each grant, and NULL for all others.
type byGrant struct{ pairs []any }

func (b *byGrant) add(id store.GrantID, value any) { b.pairs = append(b.pairs, id[:], value) }

// padded returns the arguments, for a number of grants.
func (b *byGrant) padded(size int) []any {
	return slices.Concat(b.pairs, make([]any, 2*size-len(b.pairs)))
}

func caseOfGrants(size int) string {
	return "CASE grant_id" + strings.Repeat(" WHEN ? THEN ?", size) + " END"
}

// grantList pads a list of ids, which an UPDATE reads and locks in their order.
func grantList(l blobs, size int) blobs {
	for len(l) < size {
		if len(l) == 0 {
			l = append(l, nil)
			continue
		}
		l = append(l, l[len(l)-1])
	}
	return l
}

// endLeases ends the leases of several grants like endLease. ended is called if that ends
// all of them. Otherwise some may have ended; to end these once more changes nothing. It
// returns false if the ends do not have the usual outcome, or if two are of one grant.
func endLeases(ends []*member, size int, ended func()) (demand, bool) {
	var login, worked, lease byGrant
	var grants blobs
	known := make(map[store.GrantID]bool, len(ends))
	for _, m := range ends {
		e := m.end
		if e.Outcome != store.RefreshDone || known[e.Grant] {
			return demand{}, false
		}
		known[e.Grant] = true
		login.add(e.Grant, int64(e.Generation))
		worked.add(e.Grant, textOrNull(e.Worked))
		lease.add(e.Grant, e.Lease[:])
		grants = append(grants, e.Grant[:])
	}
	of := caseOfGrants(size)
	worksFor := strings.NewReplacer("login <= ?", "login <= "+of, "THEN ?", "THEN "+of).Replace(hasWorked)
	return demand{
		text: `
		UPDATE {grants} FORCE INDEX (PRIMARY) SET version = version + 1, ` + leaseEnded + `, ` + worksFor + `
		WHERE grant_id IN ? AND lease_id = ` + of + ` AND doubts = 0 AND spares = 0`,
		args: slices.Concat(login.padded(size), worked.padded(size), []any{grantList(grants, size)}, lease.padded(size)),
		rows: anyRows, did: ended, all: len(ends),
	}, true
}

// takeLeases writes grants that have changed in nothing but a lease that one process has
// taken or prolonged. It changes no row of a grant that has changed meanwhile. It returns
// false if there is another change.
func takeLeases(grants []*grant, size int) (demand, bool) {
	var id, until, version byGrant
	var list blobs
	var process store.ProcessID
	for i, g := range grants {
		if i == 0 {
			process = g.Lease.Process
		}
		if g.ended || g.Lease.Process != process {
			return demand{}, false
		}
		id.add(g.id, g.Lease.ID[:])
		until.add(g.id, int64(g.Lease.Until))
		version.add(g.id, g.version)
		list = append(list, g.id[:])
	}
	of := caseOfGrants(size)
	holder := orNull(process, process[:])
	return demand{
		text: `
		UPDATE {grants} FORCE INDEX (PRIMARY) SET version = version + 1, lease_id = ` + of + `, lease_until = ` + of + `, lease_shown = arrivals,
			held_by = COALESCE(?, held_by), held_lease = IF(? IS NULL, NULL, ` + of + `)
		WHERE grant_id IN ? AND version = ` + of,
		args: slices.Concat(id.padded(size), until.padded(size), []any{holder, holder}, id.padded(size), []any{grantList(list, size)}, version.padded(size)),
		rows: len(grants),
	}, true
}

// grants implements engine.
func (m mysql) grants(d *decision) []demand {
	if !m.compounds || len(d.grants)+len(d.ends) == 0 {
		return d.writeGrants()
	}
	size := d.size()
	ends, usual := endLeases(d.ends, size, func() {
		for _, m := range d.ends {
			m.ended = true
		}
	})
	if !usual {
		return d.writeGrants()
	}
	leases, usual := takeLeases(d.grants, size)
	if !usual {
		return d.writeGrants()
	}
	return []demand{ends, leases}
}

// size returns to how many rows an engine may pad each list of a decision, so that few
// texts fit all of them.
func (d *decision) size() int {
	return padded(max(len(d.charges), len(d.history), len(d.grants), len(d.ends)))
}
