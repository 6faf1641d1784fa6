package storetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mytoken-go/sdk/store"
)

func (e *env) processID() store.ProcessID { b := e.bytes(); return store.ProcessID(b[:]) }

// newProcess returns a process on a node of its own.
func (e *env) newProcess() store.Process {
	b := e.bytes()
	return store.Process{ID: e.processID(), Node: store.NodeID(b[:]), Name: "host.example"}
}

func (e *env) newVolatile() store.Process {
	return store.Process{ID: e.processID(), Name: "host.example", Volatile: true}
}

func (e *env) beat(p store.Process, until store.Micros) {
	e.Helper()
	e.ok(e.s.Beat(e.ctx, p, until), "Beat")
}

// alive returns a new process that lives until an instant.
func (e *env) alive(until store.Micros) store.Process {
	e.Helper()
	p := e.newProcess()
	e.beat(p, until)
	return p
}

func (e *env) settle(processes ...store.Process) {
	e.Helper()
	var ids []store.ProcessID
	for _, p := range processes {
		ids = append(ids, p.ID)
	}
	e.ok(e.s.Settle(e.ctx, ids, t0), "Settle")
}

// processes reads all pages, limit entries at a time.
func (e *env) processes(limit int) []store.ProcessInfo {
	e.Helper()
	return collect(e, func(p store.Page) ([]store.ProcessInfo, string, error) { return e.s.Processes(e.ctx, p) }, limit)
}

// wantProcess compares what is known about a process.
func (e *env) wantProcess(want store.ProcessInfo) {
	e.Helper()
	for _, p := range e.processes(100) {
		if p.ID == want.ID {
			e.equal(p, want, "process")
			return
		}
	}
	e.Errorf("process %x is not known", want.ID)
}

// left returns the doubt that a lease of a process has left.
func left(p store.Process, l store.LeaseID, lapsed store.Micros, settled bool) store.Doubt {
	return store.Doubt{Lease: l, Process: p.ID, Node: p.Node, Lapsed: lapsed, Settled: settled}
}

func nodeBeat(e *env) {
	p, other := e.newProcess(), e.newVolatile()
	promised := store.Micros(0)
	for _, until := range []store.Micros{t0, t0 + hour, t0 + minute, t0 + hour} {
		for range 2 {
			e.beat(p, until)
		}
		promised = max(promised, until)
		e.wantProcess(store.ProcessInfo{Process: p, Until: promised})
	}
	e.beat(other, t0)
	e.wantProcess(store.ProcessInfo{Process: other, Until: t0})

	for name, spoil := range map[string]func(*store.Process){
		"node": func(p *store.Process) { p.Node[15]++ }, "name": func(p *store.Process) { p.Name += " " },
		"volatile": func(p *store.Process) { p.Volatile = !p.Volatile },
	} {
		twin := p
		spoil(&twin)
		e.fails(e.s.Beat(e.ctx, twin, t0+day), store.ErrExists, "a process of the same id with another %s", name)
	}
	e.wantProcess(store.ProcessInfo{Process: p, Until: t0 + hour})
}

func nodeArguments(e *env) {
	for name, p := range map[string]store.Process{
		"an id": {Node: e.newProcess().Node}, "a node": {ID: e.processID()},
		"a short name": {ID: e.processID(), Volatile: true, Name: strings.Repeat("x", store.MaxProcessName+1)},
	} {
		e.refused(e.s.Beat(e.ctx, p, t0), "a process without %s", name)
	}
	p := e.newProcess()
	for _, until := range []store.Micros{0, -1} {
		e.refused(e.s.Beat(e.ctx, p, until), "a heartbeat until %d", until)
		e.refused(e.s.Settle(e.ctx, []store.ProcessID{p.ID}, until), "Settle at %d", until)
	}
	e.refused(e.s.Settle(e.ctx, []store.ProcessID{p.ID, {}}, t0), "Settle of a process without id")
	e.refused(errOf2(e.s.Processes(e.ctx, store.Page{})), "a page without limit")
	e.refused(errOf2(e.s.Processes(e.ctx, store.Page{After: "x", Limit: 1})), "a foreign cursor")
	e.ok(e.s.Settle(e.ctx, nil, t0), "Settle of nothing")
	e.equal(len(e.processes(10)), 0, "processes")
}

// errOf2 returns the error of a call with two results.
func errOf2[T, U any](_ T, _ U, err error) error { return err }

func nodeList(e *env) {
	want := make(map[store.ProcessID]store.ProcessInfo)
	for i, v := range e.similarIDs() {
		p := store.ProcessInfo{Process: store.Process{ID: store.ProcessID(v[:]), Node: store.NodeID(v[16:]), Name: string(v[:i]), Volatile: i%2 == 0}}
		if _, known := want[p.ID]; known || p.ID.IsZero() || p.Node.IsZero() {
			continue
		}
		p.Until = t0 + store.Micros(i)
		e.beat(p.Process, p.Until)
		if i%3 == 0 {
			e.settle(p.Process)
			p.Settled = t0
		}
		want[p.ID] = p
	}
	for _, limit := range []int{1, 3, 100} {
		got := e.processes(limit)
		e.equal(len(got), len(want), "processes in pages of %d", limit)
		for _, p := range got {
			e.equal(p, want[p.ID], "process")
		}
		e.equal(slices.IsSortedFunc(got, func(a, b store.ProcessInfo) int { return slices.Compare(a.ID[:], b.ID[:]) }), true, "processes are in order")
	}
	for _, name := range []string{"", strings.Repeat("ä", store.MaxProcessName/2), "not UTF-8 \xff, a NUL \x00 ", " "} {
		p := e.newProcess()
		p.Name = name
		e.beat(p, t0)
		e.beat(p, t0+1)
		e.wantProcess(store.ProcessInfo{Process: p, Until: t0 + 1})
	}
}

// nodeSettle: a process is settled for good, whatever is still on its way.
//
// proves P5
func nodeSettle(e *env) {
	p, other := e.alive(t0+hour), e.alive(t0+hour)
	g, lease := e.root().Grant, e.leaseID()
	e.beginAs(p.ID, g, lease, t0)
	unknown := e.newProcess()
	settled := []store.ProcessID{p.ID, unknown.ID, p.ID}
	for i := range 3 {
		e.ok(e.s.Settle(e.ctx, settled, t0+store.Micros(i)), "Settle")
		for _, known := range []store.ProcessInfo{
			{Process: p, Until: t0 + hour, Settled: t0}, {Process: store.Process{ID: unknown.ID}, Settled: t0}, {Process: other, Until: t0 + hour},
		} {
			e.wantProcess(known)
		}
		for _, late := range []store.Process{p, unknown} {
			e.fails(e.s.Beat(e.ctx, late, t0+day), store.ErrConflict, "a heartbeat of a settled process")
			for _, l := range []store.LeaseID{lease, e.leaseID()} {
				b := beginning(g, l, t0)
				b.Process = late.ID
				e.fails(errOf(e.s.BeginRefresh(e.ctx, b)), store.ErrConflict, "BeginRefresh by a settled process")
			}
		}
	}
	e.beat(other, t0+2*hour)

	// If it lives all the same, it goes on under a new id.
	again := e.alive(t0 + hour)
	r := e.beginAs(again.ID, g, lease, t0+1)
	e.wantDoubts(r)
	e.busy(e.beginErr(g, e.leaseID(), t0+1), r.Until, "another lease")
}

// nodeTakeOver: the lease of a process that is silent is free at once, and leaves a doubt.
//
// proves P5
func nodeTakeOver(e *env) {
	const alive = t0 + 5*second
	p := e.alive(alive)
	g, lease := e.root().Grant, e.leaseID()
	until := e.beginAs(p.ID, g, lease, t0).Until
	for _, now := range []store.Micros{t0, alive} {
		e.busy(e.beginErr(g, e.leaseID(), now), until, "the lease of a process that lives, at %d", now)
	}
	next := e.leaseID()
	r := e.begin(g, next, alive+1)
	e.equal(r.Until, (alive + 1).Add(ttl), "until")
	e.wantDoubts(r, left(p, lease, alive+1, false))
	e.busy(e.beginErr(g, lease, alive+1), r.Until, "the lease before, for its holder")
	e.end(g, next, 1, store.RefreshNotSent)
	e.wantDoubts(e.begin(g, next, alive+2), left(p, lease, alive+1, false))

	// A process that nobody knows may live.
	for _, silent := range []store.ProcessID{{}, e.processID()} {
		g, lease := e.root().Grant, e.leaseID()
		until := e.beginAs(silent, g, lease, t0).Until
		e.busy(e.beginErr(g, e.leaseID(), until), until, "a lease whose process has no heartbeat")
		e.wantDoubts(e.begin(g, e.leaseID(), until+1), store.Doubt{Lease: lease, Process: silent, Lapsed: until})
	}

	// A lease that lapses does so whether or not its process lives.
	q := e.alive(t0 + day)
	g, lease = e.root().Grant, e.leaseID()
	until = e.beginAs(q.ID, g, lease, t0).Until
	e.busy(e.beginErr(g, e.leaseID(), until), until, "the lease of a process that lives")
	e.wantDoubts(e.begin(g, e.leaseID(), until+1), left(q, lease, until, false))
}

// nodeSettled: the lease of a settled process is free at once, and its doubts are settled.
//
// proves P5
func nodeSettled(e *env) {
	p := e.alive(t0 + day)
	g, other, lease, next := e.root().Grant, e.root().Grant, e.leaseID(), e.leaseID()
	until := e.beginAs(p.ID, other, lease, t0).Until
	e.wantDoubts(e.begin(other, next, until+1), left(p, lease, until, false))

	e.beginAs(p.ID, g, lease, t0)
	e.busy(e.beginErr(g, next, t0), until, "the lease of a process that lives")
	e.settle(p)
	e.wantDoubts(e.begin(g, next, t0+1), left(p, lease, t0+1, true))
	for _, l := range []store.LeaseID{next, e.leaseID()} { // its holder asks again, and so does the next one
		e.wantDoubts(e.begin(other, l, until+2), left(p, lease, until, true))
		e.end(other, l, 1, store.RefreshUnknown)
	}
}

// nodeVolatile: nothing is left of a volatile process once its heartbeat has lapsed. As
// long as it lives, something may arrive.
//
// proves P5
func nodeVolatile(e *env) {
	const alive = t0 + 5*second
	v := e.newVolatile()
	e.beat(v, alive)
	g, lease, next := e.root().Grant, e.leaseID(), e.leaseID()
	e.beginAs(v.ID, g, lease, t0)
	e.wantDoubts(e.begin(g, next, alive+1), left(v, lease, alive+1, true))
	e.beat(v, t0+hour) // it lives after all
	e.wantDoubts(e.begin(g, next, alive+2), left(v, lease, alive+1, false))
	e.wantDoubts(e.begin(g, next, t0+hour), left(v, lease, alive+1, false))
	e.wantDoubts(e.begin(g, next, t0+hour+1), left(v, lease, alive+1, true))
}

// nodeArrives: whatever the holder of a lease that was taken over still brings is kept.
//
// proves P5
func nodeArrives(e *env) {
	for _, dead := range []func(store.Process){func(p store.Process) { e.settle(p) }, func(store.Process) {}} {
		p := e.alive(t0 + second)
		g, lease, next := e.root().Grant, e.leaseID(), e.leaseID()
		e.beginAs(p.ID, g, lease, t0)
		dead(p)
		now := t0 + 2*second
		e.equal(len(e.begin(g, next, now).Doubts), 1, "doubts")
		late := e.commit(g, lease, 1)
		r := e.begin(g, next, now)
		e.wantDoubts(r)
		e.equal(r.RefreshState, granted(2, late.Token), "what the holder is told")
		e.end(g, lease, 1, store.RefreshDone) // ends nothing
		e.held(g, now, r.Until, "another lease")
	}
	// It had got nothing, and says so.
	p := e.alive(t0 + second)
	g, lease, next := e.root().Grant, e.leaseID(), e.leaseID()
	e.beginAs(p.ID, g, lease, t0)
	e.begin(g, next, t0+2*second)
	e.end(g, lease, 1, store.RefreshUnknown)
	e.wantDoubts(e.begin(g, next, t0+2*second))
}

// nodeProlong: a lease belongs to the process that took or prolonged it last.
func nodeProlong(e *env) {
	p, q := e.alive(t0+hour), e.alive(t0+hour)
	g, lease := e.root().Grant, e.leaseID()
	e.beginAs(p.ID, g, lease, t0)
	e.beginAs(q.ID, g, lease, t0)
	e.settle(p)
	e.held(g, t0, t0.Add(ttl), "a lease that another process has prolonged")
	e.settle(q)
	e.wantDoubts(e.begin(g, e.leaseID(), t0), left(q, lease, t0, true))

	// A caller without a process takes a lease: the one before does not matter any more.
	third := e.alive(t0 + hour)
	g, lease = e.root().Grant, e.leaseID()
	e.beginAs(third.ID, g, lease, t0)
	e.end(g, lease, 1, store.RefreshDone)
	e.begin(g, lease, t0)
	e.settle(third)
	e.held(g, t0, t0.Add(ttl), "the lease of a caller without a process")
}

// proves P5
func nodeTakeOverParallel(e *env) {
	for round := range e.rounds {
		p := e.alive(t0 + second)
		if round%2 == 0 {
			e.settle(p)
			p = e.alive(t0 + second)
		}
		g, dead, now := e.root().Grant, e.leaseID(), t0+2*second
		e.beginAs(p.ID, g, dead, t0)
		leases := several(callers, e.leaseID)
		var got [callers]store.Refresh
		errs := e.atOnce(callers, func(i int, s store.Store) (err error) {
			got[i], err = s.BeginRefresh(e.ctx, beginning(g, leases[i], now))
			return err
		})
		won := got[e.onlyOne(winners(errs, func(err error) { e.busy(err, now.Add(ttl), "BeginRefresh that lost") }), "BeginRefresh")]
		e.wantDoubts(won, left(p, dead, now, false))
	}
}

// nodeBeatRace: no heartbeat brings a settled process back, and none takes a promise back.
//
// proves P5
func nodeBeatRace(e *env) {
	for round := range e.rounds {
		p := e.newProcess()
		if round%2 == 0 {
			e.beat(p, t0)
		}
		errs := e.atOnce(callers, func(i int, s store.Store) error {
			if i == callers/2 {
				return s.Settle(e.ctx, []store.ProcessID{p.ID}, t0)
			}
			return s.Beat(e.ctx, p, t0+store.Micros(i))
		})
		e.ok(errs[callers/2], "Settle")
		for i, err := range errs {
			if err != nil {
				e.fails(err, store.ErrConflict, "heartbeat %d", i)
			}
		}
		e.fails(e.s.Beat(e.ctx, p, t0+day), store.ErrConflict, "a heartbeat after Settle")

		q := e.newProcess()
		e.allOK(e.atOnce(callers, func(i int, s store.Store) error { return s.Beat(e.ctx, q, t0+store.Micros(i)) }), "Beat")
		g, lease := e.root().Grant, e.leaseID()
		e.beginAs(q.ID, g, lease, t0-hour)
		last := t0 + callers - 1
		e.beginAs(q.ID, g, lease, t0)
		e.held(g, last, t0.Add(ttl), "a lease at the last instant that any heartbeat has promised")
		e.begin(g, e.leaseID(), last+1)
	}
}

// nodeSettleRace: processes are settled together or not at all, in any order.
func nodeSettleRace(e *env) {
	for range e.rounds {
		processes := several(nodes, func() store.ProcessID { return e.alive(t0).ID })
		e.allOK(e.atOnce(callers, func(i int, s store.Store) error {
			mine := slices.Clone(processes)
			if i%2 == 0 {
				slices.Reverse(mine)
			}
			return s.Settle(e.ctx, mine, t0+store.Micros(i)+1)
		}), "Settle")
		instants := make(map[store.Micros]bool)
		for _, p := range e.processes(100) {
			if slices.Contains(processes, p.ID) {
				instants[p.Settled] = true
			}
		}
		e.equal(len(instants), 1, "instants at which processes were settled: %s", fmt.Sprint(instants))
	}
}

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
