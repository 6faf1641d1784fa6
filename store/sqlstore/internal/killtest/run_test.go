package killtest_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"
)

const (
	processes = 4
	width     = 4 // orders that a process has at once
	hot       = 6 // grants that are used until nothing is left
	// stall is how long nothing may happen before the test gives up.
	stall = 3 * time.Minute
)

// hasty is the timing of the issuers in the processes. Only a request that waits for the
// provider ends before its outcome is known.
var hasty = timing{Timeout: 200 * time.Millisecond, Lease: 500 * time.Millisecond, Skew: 50 * time.Millisecond, WaitLimit: 2 * time.Minute, InDoubtWait: 3 * time.Second}

// run kills processes and keeps the records.
type run struct {
	*world
	ledger
	rnd    *rand.Rand
	grants []*grant
	slots  []*slot
	events chan event
	hits   map[place]int
	kills  int

	deaths []place // still to happen
	again  []*use  // to be repeated
	// If a process dies during a use of a grant, the run orders nothing on that grant
	// until the spill of the process is replayed.
	held map[*grant]int
	// The holder of a rotating token makes one use at a time.
	inUse map[*token]bool
	// risk is when the run sent a use of a rotating token and does not know whether that
	// rotated. The grace may have begun then.
	risk        map[*token]time.Time
	revocations int
	dead        map[*token]bool // the revocation has returned
	doubted     map[*grant]bool // a process died during its use, and it was not used since
	stopped     map[*grant]bool // one of its answers was to be held back
	answered    map[*grant]bool // a process died while the answer was in flight
	// These are effects of a machine that is busy with other work.
	unheard map[*grant][]time.Time // requests whose answers did not arrive
	late    map[*grant]bool        // a process was so slow that others may have taken it for dead
}

// slot is for processes that follow each other.
type slot struct {
	*life
	predecessor *life
	n           int
	spill       string
	up          bool
	dying       bool
	death       place
	due         int // messages that must arrive before the death
	given       bool
	orders      map[int]*use
	holding     []*grant
}

// newRun prepares a run with these deaths.
func newRun(w *world, grants []*grant, deaths []place, seed uint64) *run {
	r := &run{
		world: w, ledger: ledger{receipts: make(map[answer]*receipt), sent: make(map[*token]int)},
		rnd: rand.New(rand.NewPCG(seed, seed)), grants: grants, events: make(chan event, 4096), hits: make(map[place]int),
		deaths: deaths, held: make(map[*grant]int), inUse: make(map[*token]bool), risk: make(map[*token]time.Time),
		dead: make(map[*token]bool), doubted: make(map[*grant]bool), stopped: make(map[*grant]bool), answered: make(map[*grant]bool),
		unheard: make(map[*grant][]time.Time), late: make(map[*grant]bool),
	}
	for n := range processes {
		r.slots = append(r.slots, &slot{n: n, spill: filepath.Join(w.t.TempDir(), fmt.Sprint("spill", n))})
	}
	w.onAnswer = func(ctx context.Context, subject string) {
		r.events <- event{answering: subject}
		<-ctx.Done() // the process has died or given up
	}
	return r
}

// drive gives orders and kills until all deaths have happened. Then it lets the processes
// end by themselves.
func (r *run) drive() {
	for _, s := range r.slots {
		r.launch(s)
	}
	enough := len(r.uses) + 1000 + 100*len(r.deaths)
	for !r.over() {
		if len(r.uses) > enough {
			r.t.Fatalf("%d uses, %d kills, and %d deaths are left: processes no longer reach the places where they should die", len(r.uses), r.kills, len(r.deaths))
		}
		for _, s := range r.slots {
			r.fill(s)
		}
		r.handle(r.next())
	}
	for _, s := range r.slots {
		s.finish()
	}
	for left := len(r.slots); left > 0; {
		e := r.next()
		if e.answering != "" { // the caller gave up long ago
			continue
		}
		if !e.over || e.err != nil {
			r.t.Fatalf("process %d did not end well: %+v %s", e.from.slot, e, e.from.stderr.String())
		}
		left--
	}
}

// next waits for the next event.
func (r *run) next() event {
	timer := time.NewTimer(stall)
	defer timer.Stop()
	select {
	case e := <-r.events:
		return e
	case <-timer.C:
	}
	for _, s := range r.slots {
		r.t.Logf("process %d: up %t, dying %t, death %q, orders %v", s.n, s.up, s.dying, s.death, slices.Collect(maps.Keys(s.orders)))
	}
	r.t.Fatalf("nothing happens any more after %d kills; %d deaths and %d uses are left", r.kills, len(r.deaths), len(r.again))
	return event{}
}

// pending reports whether a death is still to happen.
func (r *run) pending() bool {
	return len(r.deaths) > 0 || slices.ContainsFunc(r.slots, func(s *slot) bool { return s.dying || s.due > 0 })
}

func (r *run) over() bool {
	return !r.pending() && len(r.again) == 0 &&
		!slices.ContainsFunc(r.slots, func(s *slot) bool { return !s.up || len(s.orders) > 0 })
}

func (r *run) launch(s *slot) {
	setup := r.setup
	setup.Spill, setup.Timing = s.spill, hasty
	s.predecessor = s.life
	s.life = &life{process: launch(r.t, s.n, setup, r.events), sent: make(map[int]time.Time), died: make(map[int]bool)}
	s.up, s.dying, s.given, s.orders = false, false, false, make(map[int]*use)
	s.due = 0
	if len(r.deaths) > 0 {
		s.death, r.deaths = r.deaths[0], r.deaths[1:]
		s.due = 1 + r.rnd.IntN(6)
		if s.death == atRandom {
			s.due = 1 + r.rnd.IntN(30)
		}
	}
}

// fill gives a process its orders.
func (r *run) fill(s *slot) {
	for s.up && !s.dying && len(s.orders) < width {
		u := r.choose(s)
		if u == nil {
			return
		}
		u.Token, u.got = u.token.compact, false
		u.late = r.dead[u.token]
		r.inUse[u.token] = u.token.rotates
		s.orders[u.N] = u
		s.sent[u.N] = time.Now()
		s.send(u.order)
	}
}

func (r *run) kill(s *slot) {
	s.dying = true
	s.process.kill()
}

// handle records what happened, and kills if it is time.
func (r *run) handle(e event) {
	if e.answering != "" {
		r.answering(e.answering)
		return
	}
	s := r.slots[e.from.slot]
	if e.over {
		r.buried(s, e)
		return
	}
	u := s.orders[e.line.Order]
	switch e.line.Kind {
	case ready:
		s.up = true
		r.release(s)
	case stand:
		r.hits[u.Place]++
		r.kill(s)
	case got:
		u.got = true
		r.receipts[answer{e.line.Subject, e.line.Generation}] = &receipt{use: u.N, by: s.life, asked: e.line.Asked}
	case kept:
		r.receipts[answer{e.line.Subject, e.line.Generation}].kept = true
	case lost:
		g := r.uses[e.line.Order].token.grant
		r.unheard[g] = append(r.unheard[g], e.line.Asked)
	case slow:
		r.late[r.uses[e.line.Order].token.grant] = true
	case done:
		delete(s.orders, u.N)
		if u.Place != atRandom { // it took another path
			s.given = false
		}
		r.settle(u, e.line, s.sent[u.N])
	case fatal:
		r.t.Errorf("process %d: %s", s.n, e.line.Text)
	}
	if s.death == atRandom || s.due > 1 {
		s.due--
		if s.due == 0 && !s.dying {
			r.kill(s)
		}
	}
}

// answering kills the process whose answer is in flight.
func (r *run) answering(subject string) {
	for _, s := range r.slots {
		for _, u := range s.orders {
			if u.Place == atAnswer && u.token.grant.subject == subject && !s.dying {
				r.kill(s)
			}
		}
	}
}
