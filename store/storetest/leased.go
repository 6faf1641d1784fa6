package storetest

import "github.com/mytoken-go/sdk/store"

// leasing returns a use that asks for a lease of a caller without a process.
func (e *env) leasing(l store.LeaseID, candidates ...int) store.Use {
	u := e.use(store.UseAT, candidates...)
	u.Lease = store.LeaseRequest{ID: l, TTL: ttl}
	return u
}

// took checks that a use has taken the lease, and what its holder was told.
func (e *env) took(got store.Spent, want store.Refresh, what string) {
	e.Helper()
	if got.Refresh == nil {
		e.Fatalf("%s: the use has not taken the lease", what)
	}
	e.equal(*got.Refresh, want, "%s: the lease of a use", what)
}

// tookNone checks that a use has not taken the lease.
func (e *env) tookNone(got store.Spent, what string) {
	e.Helper()
	if got.Refresh != nil {
		e.Errorf("%s: the use has taken the lease: %+v", what, *got.Refresh)
	}
}

// proves P3, P5
func leaseWithUse(e *env) {
	root, lease := e.root(at(9, none)), e.leaseID()
	g, now := root.Grant, t0+second
	want := store.Refresh{RefreshState: e.grantState(g), Until: now.Add(ttl)}
	got := e.charge(root.Presented, e.leasing(lease, 0))
	e.took(got, want, "a free lease")
	got.Refresh = nil
	e.equal(got, root.spent(0), "Spend")
	e.wantUsed(root, 1)
	e.held(g, now, want.Until, "another lease")

	// The holder gets it again, prolonged as by BeginRefresh.
	later := e.leasing(lease, 0)
	later.Now += second
	want.Until += second
	e.took(e.charge(root.Presented, later), want, "the holder")
	e.equal(e.begin(g, lease, now), want, "BeginRefresh of the holder, earlier")
	e.wantUsed(root, 2)

	// It is a lease like any other.
	c := e.commit(g, lease, 1)
	e.end(g, lease, 1, store.RefreshDone)
	next := e.leaseID()
	e.took(e.charge(root.Presented, e.leasing(next, 0)), store.Refresh{RefreshState: granted(2, c.Token), Until: now.Add(ttl)}, "the next lease")
	e.wantDoubts(e.begin(g, e.leaseID(), now.Add(ttl)+1), doubted(next, now.Add(ttl)))

	// It was shown whatever has arrived, so that a refusal counts.
	shown, then := e.root(at(9, none)), e.leaseID()
	e.commit(shown.Grant, e.leaseID(), 1)
	e.commit(shown.Grant, e.leaseID(), 1)
	e.equal(len(e.begin(shown.Grant, lease, t0).Spares), 1, "spares shown")
	e.end(shown.Grant, lease, 2, store.RefreshDone)
	if e.charge(shown.Presented, e.leasing(then, 0)).Refresh == nil {
		e.Fatalf("the use has not taken the lease of a grant whose spare was dropped")
	}
	e.endWith(pausing(shown.Grant, then, 2, store.RefreshRefused, now))
	e.equal(e.grantState(shown.Grant).Suspect, store.Suspicion{Refusals: 1, AskAfter: now}, "suspicion after the lease of a use was refused")

	// Uses without clauses and uncounted uses may ask as well.
	for _, kind := range []store.Kind{store.UseAT, store.UseUncounted} {
		free, u := e.root(), e.leasing(e.leaseID())
		u.Kind = kind
		e.took(e.charge(free.Presented, u), store.Refresh{RefreshState: e.grantState(free.Grant), Until: now.Add(ttl)}, kind.String())
	}
}

// leaseInTheWay: whatever is in the way keeps the lease from a use, but not the charge.
// The grant stays as it is, so that BeginRefresh finds the same.
//
// proves P3, P5
func leaseInTheWay(e *env) {
	now := t0 + hour
	for name, put := range map[string]func(k *tok){
		"a lease in force":    func(k *tok) { e.begin(k.Grant, e.leaseID(), now) },
		"a lease that lapsed": func(k *tok) { e.begin(k.Grant, e.leaseID(), t0) },
		"a doubt": func(k *tok) {
			e.begin(k.Grant, e.leaseID(), t0)
			next := e.leaseID()
			e.begin(k.Grant, next, t0+minute)
			e.end(k.Grant, next, 1, store.RefreshNotSent)
		},
		"a spare": func(k *tok) {
			e.commit(k.Grant, e.leaseID(), 1)
			e.commit(k.Grant, e.leaseID(), 1)
		},
		"a suspicion in its pause":    func(k *tok) { e.suspect(k.Grant, 1, t0, now) },
		"a suspicion after its pause": func(k *tok) { e.suspect(k.Grant, 1, t0, t0+1) },
		"a dead grant":                func(k *tok) { e.kill(k.Grant, 1, t0) },
	} {
		root := e.root(at(9, none))
		put(root)
		before := e.grantState(root.Grant)
		u := e.leasing(e.leaseID(), 0)
		u.Now = now
		for i := range 2 {
			want := root.spent(0)
			want.Repeated = i > 0
			e.equal(e.charge(root.Presented, u), want, "Spend with %s in the way", name)
		}
		e.wantUsed(root, 1)
		e.wantGrant(root.Grant, before)
	}

	// A suspicion that is void is not in the way, nor is a lease that ended.
	root := e.root(at(9, none))
	e.suspect(root.Grant, 1, t0, now+hour)
	c := e.commit(root.Grant, e.leaseID(), 1)
	u := e.leasing(e.leaseID(), 0)
	u.Now = now
	e.took(e.charge(root.Presented, u), store.Refresh{RefreshState: granted(2, c.Token), Until: now.Add(ttl)}, "a void suspicion")

	// After a lapsed lease, BeginRefresh tells of the doubt.
	root, lapsed := e.root(at(9, none)), e.leaseID()
	e.begin(root.Grant, lapsed, t0)
	u = e.leasing(e.leaseID(), 0)
	u.Now = now
	e.tookNone(e.charge(root.Presented, u), "a lapsed lease")
	e.wantDoubts(e.begin(root.Grant, u.Lease.ID, now), doubted(lapsed, t0.Add(ttl)))
}

// leaseOfProcess: a use takes the lease for its process, unless that is settled.
//
// proves P5
func leaseOfProcess(e *env) {
	const alive = t0 + 5*second
	p := e.alive(alive)
	root := e.root(at(9, none))
	u := e.leasing(e.leaseID(), 0)
	u.Lease.Process = p.ID
	if e.charge(root.Presented, u).Refresh == nil {
		e.Fatalf("the use has not taken the lease")
	}
	e.wantDoubts(e.begin(root.Grant, e.leaseID(), alive+1), left(p, u.Lease.ID, alive+1, false))

	// Neither is the lease of a silent process taken over, which BeginRefresh does.
	root = e.root(at(9, none))
	e.beginAs(p.ID, root.Grant, e.leaseID(), t0)
	late := e.leasing(e.leaseID(), 0)
	late.Now = alive + 1
	e.tookNone(e.charge(root.Presented, late), "the lease of a silent process")

	e.settle(p)
	root = e.root(at(9, none))
	for _, use := range []store.Use{e.leasing(e.leaseID(), 0), e.leasing(e.leaseID(), 0)} {
		use.Lease.Process = p.ID
		e.tookNone(e.charge(root.Presented, use), "a settled process")
	}
	e.wantUsed(root, 2)
	e.wantDoubts(e.begin(root.Grant, e.leaseID(), t0+second))
}

// leaseOfRefused: a use that is not charged takes no lease.
//
// proves P3, P5
func leaseOfRefused(e *env) {
	root := e.root(at(1, none))
	e.spend(root, 0)
	e.exhausted(e.spendErr(root.Presented, e.leasing(e.leaseID(), 0)), "an exhausted clause")
	e.fails(e.spendErr(root.forged(e), e.leasing(e.leaseID(), 0)), store.ErrForged, "a forged token")
	e.refused(e.spendErr(root.Presented, e.leasing(e.leaseID(), 3)), "a clause that is not there")
	u := e.leasing(e.leaseID(), 0)
	e.refund(u.ID)
	e.fails(e.spendErr(root.Presented, u), store.ErrRefunded, "a use that was refunded")
	u = e.leasing(e.leaseID(), 0)
	u.Tickets = completing(store.Completion{TicketRef: e.unknown(store.TicketReply), Status: store.TicketReady})
	other := e.root(at(1, none))
	e.fails(e.spendErr(other.Presented, u), store.ErrTicketNotFound, "a ticket that is not there")
	e.wantUsed(other, 0)
	dead := e.child(other, at(1, 0))
	e.revoke(dead, false)
	e.fails(e.spendErr(dead.Presented, e.leasing(e.leaseID(), 0)), store.ErrRevoked, "a revoked token")
	known, sibling := e.use(store.UseAT, 0), e.child(other, at(1, 0))
	e.charge(sibling.Presented, known)
	known.Lease = store.LeaseRequest{ID: e.leaseID(), TTL: ttl}
	e.fails(e.spendErr(other.Presented, known), store.ErrExists, "the id of a use of another token")
	next, _ := e.rotate(sibling, grace)
	e.charge(next.Presented, e.uncounted())
	e.stale(e.spendErr(sibling.Presented, e.leasing(e.leaseID(), 0)), store.StaleError{Presented: 1, Current: 2}, "an outdated token")
	for _, g := range []store.GrantID{root.Grant, other.Grant} {
		e.wantDoubts(e.begin(g, e.leaseID(), t0+second)) // and nobody holds it
	}
}

// leaseRepeated: a repeat charges nothing, and its holder gets the lease again.
//
// proves P5, P8
func leaseRepeated(e *env) {
	root := e.root(at(1, none))
	u := e.leasing(e.leaseID(), 0)
	want := store.Refresh{RefreshState: e.grantState(root.Grant), Until: u.Now.Add(ttl)}
	for i := range nodes {
		got := e.charge(root.Presented, u)
		e.equal(got.Repeated, i > 0, "repeated")
		e.took(got, want, "a repeat")
	}
	other := u
	other.Lease.ID = e.leaseID()
	e.tookNone(e.charge(root.Presented, other), "a repeat with another lease")
	e.end(root.Grant, u.Lease.ID, 1, store.RefreshNotSent)
	e.took(e.charge(root.Presented, other), want, "a repeat with another lease, after the end")
	e.wantUsed(root, 1)
}

// leaseParallel: however many uses of a tree ask at once, one takes the lease, and all are
// charged.
//
// proves P3, P5
func leaseParallel(e *env) {
	for range e.rounds {
		root := e.root(at(unlimited, none))
		toks := []*tok{root, e.child(root, at(unlimited, 0)), e.child(root, at(unlimited, 0))}
		uses := several(callers, func() store.Use { return e.leasing(e.leaseID(), 0) })
		begins := several(callers, e.leaseID)
		got, begun := make([]store.Spent, callers), make([]error, callers)
		errs := e.atOnce(2*callers, func(i int, s store.Store) (err error) {
			if i < callers {
				got[i], err = s.Spend(e.ctx, toks[i%len(toks)].Presented, uses[i])
				return err
			}
			begun[i-callers] = errOf(s.BeginRefresh(e.ctx, beginning(root.Grant, begins[i-callers], t0+second)))
			return nil
		})
		e.allOK(errs, "Spend")
		held := 0
		for i := range callers {
			if got[i].Refresh != nil {
				held++
			}
			if begun[i] == nil {
				held++
			}
		}
		e.equal(held, 1, "leases at once")
		var used int64
		for _, k := range toks {
			used += e.info(k.id()).Counters[0].ATUsed
		}
		e.equal(used, int64(callers), "uses charged")
	}
}

// leaseChurn: uses that take the lease, and ends that wait for nobody, keep one holder at
// a time.
//
// proves P3, P5
func leaseChurn(e *env) {
	root := e.root(at(unlimited, none))
	const each = 4
	uses := several(callers*each, func() store.Use { return e.leasing(e.leaseID(), 0) })
	holders := make(chan struct{}, 1)
	taken := make([]int, callers)
	errs := e.atOnce(callers, func(i int, s store.Store) error {
		for _, u := range uses[i*each : (i+1)*each] {
			got, err := s.Spend(e.ctx, root.Presented, u)
			if err != nil {
				return err
			}
			if got.Refresh == nil {
				continue
			}
			select {
			case holders <- struct{}{}:
			default:
				return store.ErrConflict // somebody else holds it, too
			}
			taken[i]++
			<-holders
			end := ending(root.Grant, u.Lease.ID, 1, store.RefreshDone)
			end.Relaxed = true
			if err := s.EndRefresh(e.ctx, end); err != nil {
				return err
			}
		}
		return nil
	})
	e.allOK(errs, "uses and ends")
	all := 0
	for _, n := range taken {
		all += n
	}
	if all == 0 {
		e.Errorf("no use has taken the lease")
	}
	e.wantUsed(root, int64(len(uses)))
	e.wantDoubts(e.begin(root.Grant, e.leaseID(), t0+second))
}

func leaseArguments(e *env) {
	root := e.root(at(9, none))
	bad := map[string]store.Use{}
	for name, l := range map[string]store.LeaseRequest{
		"lease without id":       {TTL: ttl},
		"lease without duration": {ID: e.leaseID()},
		"lease before it began":  {ID: e.leaseID(), TTL: -ttl},
		"process without lease":  {Process: e.processID()},
	} {
		u := e.use(store.UseAT, 0)
		u.Lease = l
		bad[name] = u
	}
	for name, ref := range map[string]store.TicketRef{
		"ticket without id":         {Kind: store.TicketReply},
		"ticket without kind":       {ID: e.ticketID()},
		"ticket of an unknown kind": {Kind: 99, ID: e.ticketID()},
	} {
		u := e.use(store.UseAT, 0)
		u.Fetch = ref
		bad[name] = u
	}
	for name, u := range bad {
		e.refused(e.spendErr(root.Presented, u), "%s", name)
	}
	for name, ask := range map[string]func(*store.Use){
		"a lease":  func(u *store.Use) { u.Lease = store.LeaseRequest{ID: e.leaseID(), TTL: ttl} },
		"a ticket": func(u *store.Use) { u.Fetch = e.unknown(store.TicketReply) },
		"a state":  func(u *store.Use) { u.State = true },
	} {
		u, child := e.use(store.UseAT, 0), e.newChild(root, at(1, 0))
		ask(&u)
		e.refused(e.childErr(root.Presented, u, child), "CreateChild that asks for %s", name)
		e.notStored(child)
	}
	e.wantUsed(root, 0)
	e.wantDoubts(e.begin(root.Grant, e.leaseID(), t0))
}

// leaseSlices: what a use returns is not what the store keeps.
func leaseSlices(e *env) {
	root := e.root(at(9, none))
	code := e.newCode(root)
	e.put(code)
	for range 2 * nodes {
		u := e.leasing(e.leaseID(), 0)
		u.State = true
		got := e.charge(root.Presented, u)
		if got.Refresh == nil || got.State == nil {
			e.Fatalf("a use got no lease or no state: %+v", got)
		}
		e.equal(got.Refresh.Token, e.grantState(root.Grant).Token, "refresh token")
		e.equal(got.State.Key, root.Key, "key")
		e.end(root.Grant, u.Lease.ID, 1, store.RefreshNotSent)
		u = e.uncounted()
		u.Fetch = code.TicketRef
		fetched := e.charge(root.Presented, u).Ticket
		if fetched == nil {
			e.Fatalf("a use got no ticket")
		}
		e.equal(*fetched, code, "ticket")
		for _, b := range []store.Sealed{got.Refresh.Token, got.State.Key, got.State.About, got.Key, fetched.Payload, fetched.Key} {
			clear(b)
		}
	}
}
