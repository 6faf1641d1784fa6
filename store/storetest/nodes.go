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
	e.refused(errOf(e.s.Doubts(e.ctx, store.ProcessID{}, 1)), "doubts of no process")
	e.refused(errOf(e.s.Doubts(e.ctx, p.ID, 0)), "no doubts at all")
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
