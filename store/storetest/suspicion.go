package storetest

import (
	"errors"

	"github.com/mytoken-go/sdk/store"
)

// suspected checks that a step failed with a SuspectError.
func (e *env) suspected(err error, until store.Micros, what string, args ...any) {
	e.Helper()
	if got, ok := errors.AsType[*store.SuspectError](err); !ok || got.Until != until {
		args = append(args, err, until)
		e.Errorf(what+": got error %v, want a SuspectError until %d", args...)
	}
}

// pausing returns a refusal or an unknown outcome with a pause.
func pausing(g store.GrantID, l store.LeaseID, generation uint64, o store.Outcome, until store.Micros) store.End {
	end := ending(g, l, generation, o)
	end.AskAfter = until
	return end
}

// suspect makes a grant suspect until an instant.
func (e *env) suspect(g store.GrantID, generation uint64, now, until store.Micros) {
	e.Helper()
	l := e.leaseID()
	e.begin(g, l, now)
	e.endWith(pausing(g, l, generation, store.RefreshRefused, until))
}

// suspectRefusal: one refusal is no proof. The grant keeps all it has, and waits.
//
// proves P5
func suspectRefusal(e *env) {
	root, lapsed, lease, r := e.followed()
	g, until := root.Grant, t0+hour
	current, spare := e.commit(g, e.leaseID(), 1), e.commit(g, e.leaseID(), 1)
	e.begin(g, lease, t0)
	end := pausing(g, lease, 2, store.RefreshRefused, until)
	want := granted(2, current.Token, store.Spare{Generation: 2, Token: spare.Token})
	want.Suspect = store.Suspicion{Refusals: 1, AskAfter: until}
	for range nodes { // a repeat does not count as another refusal
		e.endWith(end)
		e.wantGrant(g, want)
		e.wantDead(root, false, "one refusal")
		for _, now := range []store.Micros{t0, until} {
			for _, l := range []store.LeaseID{lease, e.leaseID()} {
				e.suspected(e.beginErr(g, l, now), until, "BeginRefresh at %d", now)
			}
		}
	}
	e.charge(root.Presented, e.uncounted()) // the tokens live on

	next := e.leaseID()
	r = e.begin(g, next, until+1)
	e.equal(r.RefreshState, want, "what the next holder is told")
	e.wantDoubts(r, doubted(lapsed, t0.Add(ttl)))
	e.held(g, until+1, r.Until, "another lease on a suspect grant")
	e.equal(e.begin(g, next, t0).Until, r.Until, "the holder, whatever its clock says, until")
	e.end(g, next, 2, store.RefreshNotSent)
	e.wantGrant(g, want)

	e.begin(g, next, until+2)
	e.end(g, next, 2, store.RefreshRefused)
	e.wantDead(root, true, "two refusals")
	e.fails(e.beginErr(g, e.leaseID(), until+hour), store.ErrDead, "BeginRefresh after two refusals")
}

// proves P5
func suspectPause(e *env) {
	root := e.root()
	g, lease, until := root.Grant, e.leaseID(), t0+hour
	e.begin(g, lease, t0)
	e.endWith(pausing(g, lease, 1, store.RefreshUnknown, until))
	e.equal(e.grantState(g).Suspect, store.Suspicion{}, "suspicion after an unknown outcome")

	e.suspect(g, 1, t0, until)
	want := store.Suspicion{Refusals: 1, AskAfter: until}
	for _, pause := range []store.Micros{0, until + minute, until + hour, until + second} {
		e.begin(g, lease, until+day)
		end := pausing(g, lease, 1, store.RefreshUnknown, pause)
		for range 2 {
			e.endWith(end)
		}
		if pause > 0 {
			want = store.Suspicion{Refusals: want.Refusals + 1, AskAfter: max(want.AskAfter, pause)}
		}
		e.equal(e.grantState(g).Suspect, want, "suspicion after a pause until %d", pause)
		e.suspected(e.beginErr(g, e.leaseID(), want.AskAfter), want.AskAfter, "BeginRefresh")
	}
	e.wantDead(root, false, "refusals that say nothing about the refresh token")
}

// suspectCleared: whatever works or arrives ends a suspicion, and the next refusal is the
// first one again.
//
// proves P5
func suspectCleared(e *env) {
	for name, do := range map[string]func(root *tok, l store.LeaseID){
		"an answer":     func(root *tok, l store.LeaseID) { e.end(root.Grant, l, 2, store.RefreshDone) },
		"a commit":      func(root *tok, l store.LeaseID) { e.commit(root.Grant, l, 2) },
		"a late commit": func(root *tok, _ store.LeaseID) { e.commit(root.Grant, e.leaseID(), 1) },
		"a replacement": func(root *tok, _ store.LeaseID) { e.replace(e.replacement(root, 2)) },
	} {
		root, holder := e.root(), e.leaseID()
		g, until := root.Grant, t0+hour
		e.commit(g, e.leaseID(), 1)
		e.suspect(g, 2, t0, until)
		e.begin(g, holder, until+1)
		do(root, holder)
		state := e.grantState(g)
		e.equal(state.Suspect, store.Suspicion{}, "suspicion after %s", name)
		e.wantDead(root, false, "%s", name)
		e.endWith(pausing(g, holder, 2, store.RefreshRefused, until)) // of what was there before
		e.equal(e.grantState(g), state, "the grant after %s and a refusal of what was there before", name)
		e.suspect(g, state.Generation, until+hour, until+2*hour)
		e.wantDead(root, false, "the first refusal after %s", name)
		e.equal(e.grantState(g).Suspect.Refusals, 1, "refusals after %s", name)
	}
}

// proves P5
func suspectRevived(e *env) {
	root := e.root()
	g := root.Grant
	e.kill(g, 1, t0)
	e.wantDead(root, true, "two refusals")
	e.commit(g, e.leaseID(), 1)
	e.suspect(g, 2, t0+hour, t0+2*hour)
	e.wantDead(root, false, "a commit and one refusal")
	e.commit(g, e.leaseID(), 1)
	e.kill(g, 2, t0+3*hour)
	e.wantDead(root, true, "two more refusals")
	r := e.replacement(root, 2)
	e.replace(r)
	e.wantGrant(g, store.RefreshState{Generation: 3, Token: r.Token})
	e.suspect(g, 3, t0+4*hour, t0+5*hour)
	e.wantDead(root, false, "a replacement and one refusal")
}

func suspectWorked(e *env) {
	root, lease := e.root(), e.leaseID()
	g := root.Grant
	done := func(generation uint64, scopes string) {
		e.Helper()
		end := ending(g, lease, generation, store.RefreshDone)
		end.Worked = scopes
		e.endWith(end)
	}
	for _, scopes := range []string{"openid https://example.org/ä", " two  spaces ", "not UTF-8 \xff\xfe a NUL \x00", "", "openid"} {
		e.begin(g, lease, t0)
		done(1, scopes)
		e.equal(e.grantState(g).Worked, scopes, "scopes that worked")
		e.equal(e.begin(g, lease, t0).Worked, scopes, "scopes that worked, for the holder")
		for _, o := range outcomes[1:] { // the others say nothing about scopes
			l := e.leaseID()
			e.end(g, lease, 1, store.RefreshNotSent)
			e.begin(g, l, t0)
			e.end(g, l, 9, o)
			e.equal(e.grantState(g).Worked, scopes, "scopes that worked, after outcome %d", o)
		}
	}
	e.suspect(g, 1, t0, t0+minute)
	e.equal(e.grantState(g).Worked, "openid", "scopes that worked for a suspect grant")
	e.begin(g, lease, t0+hour)
	e.commit(g, lease, 1)
	done(1, "profile")
	e.equal(e.grantState(g).Worked, "profile", "scopes that worked, after a commit")

	// Another login may have other scopes. A refresh that began before it says nothing
	// about them.
	e.begin(g, lease, t0+hour)
	e.replace(e.replacement(root, 2))
	e.equal(e.grantState(g).Worked, "", "scopes that worked for a new login")
	done(2, "profile")
	e.equal(e.grantState(g).Worked, "", "scopes that worked, after the late end of a refresh of the login before")
	e.begin(g, lease, t0+hour)
	done(3, "email")
	e.equal(e.grantState(g).Worked, "email", "scopes that worked for the new login")
}

func suspectArguments(e *env) {
	root, lease := e.root(), e.leaseID()
	before := e.begin(root.Grant, lease, t0).RefreshState
	for _, o := range outcomes {
		end := ending(root.Grant, lease, 1, o)
		if o != store.RefreshDone {
			end.Worked = "openid"
			e.refused(e.s.EndRefresh(e.ctx, end), "scopes that worked with outcome %d", o)
			end.Worked = ""
		}
		end.AskAfter = -1
		e.refused(e.s.EndRefresh(e.ctx, end), "a pause until before 1970 with outcome %d", o)
		if o == store.RefreshDone || o == store.RefreshNotSent {
			end.AskAfter = t0
			e.refused(e.s.EndRefresh(e.ctx, end), "a pause with outcome %d", o)
		}
	}
	e.wantGrant(root.Grant, before)
	e.held(root.Grant, t0, t0.Add(ttl), "the lease, still in force")
}

// suspectParallel: one refusal that is reported many times at once is one.
//
// proves P5, P8
func suspectParallel(e *env) {
	for range e.rounds {
		root, lease := e.root(), e.leaseID()
		e.begin(root.Grant, lease, t0)
		end := pausing(root.Grant, lease, 1, store.RefreshRefused, t0+hour)
		e.allOK(e.atOnce(callers, func(_ int, s store.Store) error { return s.EndRefresh(e.ctx, end) }), "EndRefresh")
		e.wantDead(root, false, "one refusal, reported several times")
		e.equal(e.grantState(root.Grant).Suspect, store.Suspicion{Refusals: 1, AskAfter: t0 + hour}, "suspicion")
	}
}

// suspectRace: a refresh token that arrives while the provider refuses for the second time
// keeps the grant alive, in either order, and it is not lost.
//
// proves P5
func suspectRace(e *env) {
	for round := range e.rounds {
		root, holder := e.root(), e.leaseID()
		g, generation := root.Grant, uint64(1)
		if round%2 == 0 { // the late token becomes a spare
			e.commit(g, e.leaseID(), 1)
			generation = 2
		}
		e.suspect(g, generation, t0, t0+minute)
		e.begin(g, holder, t0+hour)
		late, end := e.newCommit(g, e.leaseID(), 1), ending(g, holder, generation, store.RefreshRefused)
		e.allOK(e.atOnce(2, func(i int, s store.Store) error {
			if i == 0 {
				return s.CommitRefresh(e.ctx, late)
			}
			return s.EndRefresh(e.ctx, end)
		}), "CommitRefresh and EndRefresh")
		e.wantDead(root, false, "a refusal that raced a commit")
		r := e.begin(g, e.leaseID(), t0+hour)
		e.equal(r.Suspect, store.Suspicion{}, "suspicion")
		if generation == 1 {
			e.equal(r.Token, late.Token, "token")
		} else {
			e.equal(r.Spares, []store.Spare{{Generation: 2, Token: late.Token}}, "spares")
		}
	}
}

// suspectResealed: new server keys do not end a suspicion.
func suspectResealed(e *env) {
	g := e.root().Grant
	e.commit(g, e.leaseID(), 1)
	e.commit(g, e.leaseID(), 1)
	e.suspect(g, 2, t0, t0+hour)
	want := e.grantState(g)
	for _, value := range []*store.Sealed{&want.Token, &want.Spares[0].Token} {
		next := e.sealed()
		e.resealed(1, store.Reseal{Place: store.RefreshTokenPlace(g, 2), Old: *value, New: next})
		*value = next
	}
	e.wantGrant(g, want)
}
