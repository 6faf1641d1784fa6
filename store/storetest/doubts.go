package storetest

import (
	"bytes"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// wantLeft compares the doubts that a process has left, in any order.
func (e *env) wantLeft(p store.ProcessID, want ...store.DoubtRef) {
	e.Helper()
	got, err := e.s.Doubts(e.ctx, p, 100)
	e.ok(err, "Doubts")
	byLease := func(a, b store.DoubtRef) int { return bytes.Compare(a.Lease[:], b.Lease[:]) }
	e.equal(slices.SortedFunc(slices.Values(got), byLease), slices.SortedFunc(slices.Values(want), byLease), "doubts that a process has left")
}

// nodeDoubts: a process finds the doubts that its own leases have left, and no others. So
// it can say that it holds nothing, even if it does not know that it had the lease.
//
// proves P5
func nodeDoubts(e *env) {
	p, q := e.alive(t0+day), e.alive(t0+day)
	var left []store.DoubtRef
	leaves := func(by store.ProcessID) store.DoubtRef {
		d := store.DoubtRef{Grant: e.root().Grant, Lease: e.leaseID()}
		until := e.beginAs(by, d.Grant, d.Lease, t0).Until
		e.wantLeft(p.ID, left...) // a lease is no doubt, in force or lapsed
		next := e.leaseID()
		e.begin(d.Grant, next, until+1)
		e.end(d.Grant, next, 1, store.RefreshNotSent)
		return d
	}
	e.wantLeft(e.processID())
	for range 3 {
		left = append(left, leaves(p.ID))
		e.wantLeft(p.ID, left...)
	}
	others := leaves(q.ID)
	leaves(store.ProcessID{})
	e.wantLeft(p.ID, left...)
	e.wantLeft(q.ID, others)

	some, err := e.s.Doubts(e.ctx, p.ID, 2)
	e.ok(err, "Doubts")
	e.equal(len(some), 2, "doubts, two at most")
	for _, d := range some {
		e.equal(slices.Contains(left, d), true, "a doubt that the process has left")
	}

	// The lease of a use leaves one like any other.
	root, u := e.root(at(9, none)), e.leasing(e.leaseID(), 0)
	u.Lease.Process = p.ID
	until := e.charge(root.Presented, u).Refresh.Until
	e.begin(root.Grant, e.leaseID(), until+1)
	left = append(left, store.DoubtRef{Grant: root.Grant, Lease: u.Lease.ID})
	e.wantLeft(p.ID, left...)

	// Whatever resolves a doubt takes it off, and a settlement does not.
	e.end(left[0].Grant, left[0].Lease, 1, store.RefreshUnknown)
	e.commit(left[1].Grant, left[1].Lease, 1)
	e.settle(p)
	e.wantLeft(p.ID, left[2:]...)
	e.wantLeft(q.ID, others)
}
