package storetest

import "github.com/mytoken-go/sdk/store"

// proves P5: a process stays known as long as a lease or a doubt names it.
func sweepProcesses(e *env) {
	const ended = t0 + hour
	lapsed, leasing, doubted, alive := e.alive(ended), e.alive(ended), e.alive(ended), e.alive(t0+365*day)
	settled := e.alive(t0 + 365*day)
	e.ok(e.s.Settle(e.ctx, []store.ProcessID{settled.ID}, ended), "Settle")
	held, disputed := e.root().Grant, e.root().Grant
	lease, next := e.leaseID(), e.leaseID()
	until := e.beginAs(leasing.ID, held, lease, t0).Until
	e.beginAs(doubted.ID, disputed, lease, t0)
	e.begin(disputed, next, until+1)
	e.end(disputed, next, 1, store.RefreshNotSent)
	known := func(want ...store.Process) {
		e.Helper()
		got := make(map[store.ProcessID]bool)
		for _, p := range e.processes(100) {
			got[p.ID] = true
		}
		e.equal(len(got), len(want), "processes")
		for _, p := range want {
			e.equal(got[p.ID], true, "a process is known")
		}
	}
	const retained = ended + month
	e.equal(e.sweep(retained), store.Cleaned{}, "a sweep at the end of the retention")
	known(lapsed, settled, leasing, doubted, alive)
	e.equal(e.sweep(retained+1), store.Cleaned{Others: 2}, "a sweep after the retention")
	known(leasing, doubted, alive)
	e.equal(e.sweep(retained+5*day), store.Cleaned{}, "a sweep while a lease and a doubt name the processes")
	e.settle(doubted)
	e.wantDoubts(e.begin(disputed, next, until+1), left(doubted, lease, until, true))
	e.wantDoubts(e.begin(held, next, until+1), left(leasing, lease, until, false))
	e.equal(e.sweep(retained+10*day), store.Cleaned{}, "a sweep while doubts name the processes")
	known(leasing, doubted, alive)

	e.end(disputed, lease, 1, store.RefreshNotSent) // its own doubt
	e.equal(e.sweep(retained+20*day), store.Cleaned{Others: 1}, "a sweep after a doubt is resolved")
	e.end(held, next, 1, store.RefreshDone)
	e.equal(e.sweep(retained+30*day), store.Cleaned{Others: 1}, "a sweep after a refresh is done")
	known(alive)

	// A lease that has ended names nobody, and nor does a grant that is gone.
	ending, gone := e.alive(ended), e.alive(ended)
	e.beginAs(ending.ID, held, lease, t0)
	e.end(held, lease, 1, store.RefreshDone)
	root := e.root()
	e.beginAs(gone.ID, root.Grant, lease, t0)
	e.ok(e.s.DeleteOwner(e.ctx, root.Owner), "DeleteOwner")
	e.equal(e.sweep(retained+30*day), store.Cleaned{Others: 2}, "a sweep after leases are gone")

	// A process that comes back is known again.
	e.beat(lapsed, retained+40*day)
	known(alive, lapsed)
}
