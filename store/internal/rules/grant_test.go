package rules

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

var first, second, thirdLease = store.LeaseID{1}, store.LeaseID{2}, store.LeaseID{3}

func newGrant() *Grant {
	return NewGrant(&store.Grant{ID: store.GrantID{1}, Owner: store.OwnerID{1}, Refresh: store.Sealed("rt 1"), Scope: "openid", Audience: "api"})
}

func commit(l store.LeaseID, generation uint64, token string) *store.Commit {
	return &store.Commit{Grant: store.GrantID{1}, Lease: l, Generation: generation, Token: store.Sealed(token), Now: now}
}

func beginning(l store.LeaseID, at store.Micros) *store.Begin {
	return &store.Begin{Grant: store.GrantID{1}, Lease: l, Now: at, TTL: time.Millisecond}
}

func ending(l store.LeaseID, generation uint64, outcome store.Outcome) *store.End {
	return &store.End{Grant: store.GrantID{1}, Lease: l, Generation: generation, Outcome: outcome}
}

// begin takes the lease for one millisecond.
func begin(t *testing.T, g *Grant, l store.LeaseID, at store.Micros) store.Refresh {
	t.Helper()
	out, err := g.Begin(beginning(l, at), nil)
	require.NoError(t, err)
	return out
}

func mustCommit(t *testing.T, g *Grant, c *store.Commit) {
	t.Helper()
	changed, err := g.Commit(c, false)
	require.NoError(t, err)
	require.True(t, changed)
}

func spares(g *Grant) (tokens []string) {
	for _, sp := range g.State().Spares {
		tokens = append(tokens, string(sp.Token))
	}
	return tokens
}

func TestLease(t *testing.T) {
	g := newGrant()
	out := begin(t, g, first, now)
	assert.Equal(t, store.Refresh{RefreshState: g.State(), Until: now + 1000}, out)
	assert.Equal(t, now+1500, begin(t, g, first, now+500).Until, "its holder prolongs it")
	assert.Equal(t, now+1500, begin(t, g, first, now).Until, "it never gets shorter")

	_, err := g.Begin(beginning(second, now+1500), nil)
	assert.Equal(t, &store.BusyError{Until: now + 1500}, err)
	out = begin(t, g, second, now+1501)
	assert.Equal(t, []store.Doubt{{Lease: first, Lapsed: now + 1500}}, out.Doubts)

	assert.True(t, g.End(ending(second, 1, store.RefreshUnknown)))
	assert.Equal(t, out.Doubts, begin(t, g, thirdLease, now+1502).Doubts, "the doubt is left")
	assert.True(t, g.End(ending(thirdLease, 1, store.RefreshDone)))
	assert.Empty(t, begin(t, g, first, now+1503).Doubts, "the doubt was ended")
}

// The end of a lease that another one has followed resolves its doubt and nothing else.
func TestLateEnd(t *testing.T) {
	for outcome := store.RefreshDone; outcome <= store.RefreshRefused; outcome++ {
		g := newGrant()
		mustCommit(t, g, commit(thirdLease, 0, "spare"))
		begin(t, g, first, now)
		begin(t, g, second, now+2000)
		begin(t, g, thirdLease, now+4000)
		before := *g
		before.Doubts = []Doubt{{Lease: second, Lapsed: now + 3000}}
		e := ending(first, 1, outcome)
		e.Worked, e.AskAfter = "s", now
		assert.True(t, g.End(e))
		assert.Equal(t, before, *g)
		assert.False(t, g.End(e), "there is no such doubt any more")
	}
}

// A lease that came back leaves no doubt of its own when it ends.
func TestEndResolvesItsOwnDoubt(t *testing.T) {
	g := newGrant()
	begin(t, g, first, now)
	begin(t, g, second, now+2000)
	begin(t, g, first, now+4000)
	assert.True(t, g.End(ending(first, 1, store.RefreshNotSent)))
	assert.Equal(t, []Doubt{{Lease: second, Lapsed: now + 3000}}, g.Doubts)
}

// A lease that lapses, comes back and lapses again leaves one doubt, with its last
// instant.
func TestOneDoubtForEachLease(t *testing.T) {
	g := newGrant()
	begin(t, g, first, now)
	begin(t, g, second, now+2000)
	begin(t, g, first, now+4000)
	out := begin(t, g, thirdLease, now+6000)
	assert.Equal(t, []Doubt{{Lease: first, Lapsed: now + 5000}, {Lease: second, Lapsed: now + 3000}}, g.Doubts)
	assert.Len(t, out.Doubts, 2)
	mustCommit(t, g, commit(first, 1, "rt 2"))
	assert.Equal(t, []Doubt{{Lease: second, Lapsed: now + 3000}}, g.Doubts, "a commit resolves the doubt of its lease")
}

// The clock of somebody who takes a lease over is behind. The doubt of that lease does not
// get older than it was.
func TestDoubtKeepsItsInstant(t *testing.T) {
	g, p := newGrant(), store.ProcessID{1}
	begin(t, g, first, now)
	begin(t, g, second, now+2000)
	b := beginning(first, now+4000)
	b.Process = p
	_, err := g.Begin(b, nil)
	require.NoError(t, err)
	_, err = g.Begin(beginning(thirdLease, now+500), Processes{p: {Settled: 1}})
	require.NoError(t, err)
	assert.Equal(t, Doubt{Lease: first, Process: p, Lapsed: now + 1000}, g.Doubts[0])
}

func TestCommit(t *testing.T) {
	g := newGrant()
	changed, err := g.Commit(commit(first, 2, "rt"), false)
	assert.Equal(t, store.ErrConflict, err)
	assert.False(t, changed)

	c := commit(first, 1, "rt 2")
	mustCommit(t, g, c)
	c.Token[0] = 'x'
	assert.Equal(t, "rt 2", string(g.State().Token))
	assert.Equal(t, uint64(2), g.State().Generation)
	changed, err = g.Commit(commit(first, 1, "rt 2"), true)
	assert.NoError(t, err)
	assert.False(t, changed)

	g.Dead = true
	mustCommit(t, g, commit(second, 1, "late"))
	assert.False(t, g.Dead)
	assert.Equal(t, "rt 2", string(g.State().Token), "a spare never overwrites")
	assert.Equal(t, []string{"late"}, spares(g))
	for n := range store.MaxSpares {
		mustCommit(t, g, commit(store.LeaseID{9, byte(n)}, 1, string(rune('a'+n))))
	}
	assert.Len(t, spares(g), store.MaxSpares)
	assert.Equal(t, "h", spares(g)[0], "newest first")
	assert.NotContains(t, spares(g), "late", "the oldest one is dropped")
	assert.NotEqual(t, NewCommit(first, store.Sealed("a")), NewCommit(first, store.Sealed("b")))
	assert.NotEqual(t, NewCommit(first, store.Sealed("a")), NewCommit(second, store.Sealed("a")))
}

func TestRefusal(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile  func(g *Grant)
		generation uint64
		counts     bool
		spares     []string
	}{
		"of everything":              {func(*Grant) {}, 1, true, []string{"old"}},
		"of an older generation":     {func(g *Grant) { g.Generation++ }, 1, false, []string{"old"}},
		"but a spare has arrived":    {func(g *Grant) { _, _ = g.Commit(commit(second, 0, "new"), false) }, 1, false, []string{"new", "old"}},
		"but the grant has moved on": {func(g *Grant) { _, _ = g.Commit(commit(first, 1, "rt 2"), false) }, 1, false, []string{"old"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGrant()
			mustCommit(t, g, commit(thirdLease, 0, "old"))
			begin(t, g, thirdLease, now-5000)
			begin(t, g, first, now)
			c.meanwhile(g)
			refused := ending(first, c.generation, store.RefreshRefused)
			refused.AskAfter = now + 10
			require.True(t, g.End(refused))
			assert.False(t, g.Dead, "one refusal")
			assert.Equal(t, c.spares, spares(g), "one refusal")
			assert.Len(t, g.Doubts, 1, "one refusal")
			_, err := g.Begin(beginning(second, now+10), nil)
			if !c.counts {
				assert.NoError(t, err)
				assert.Zero(t, g.State().Suspect)
				return
			}
			assert.Equal(t, &store.SuspectError{Until: now + 10}, err)
			assert.Equal(t, store.Suspicion{Refusals: 1, AskAfter: now + 10}, g.State().Suspect)
			begin(t, g, second, now+11)
			require.True(t, g.End(ending(second, c.generation, store.RefreshRefused)))
			assert.True(t, g.Dead, "a second refusal")
			assert.Empty(t, spares(g), "a second refusal")
			assert.Empty(t, g.Doubts, "a second refusal")
			assert.Zero(t, g.State().Suspect)
			_, err = g.Begin(beginning(second, now+12), nil)
			assert.Equal(t, store.ErrDead, err)
		})
	}
}

// suspectGrant returns a grant that is not asked for until now+10. The lease first is in
// force since then.
func suspectGrant(t *testing.T) *Grant {
	g := newGrant()
	mustCommit(t, g, commit(thirdLease, 0, "old"))
	begin(t, g, first, now)
	e := ending(first, 1, store.RefreshRefused)
	e.AskAfter = now + 10
	require.True(t, g.End(e))
	begin(t, g, first, now+11)
	return g
}

// Whatever arrives or works ends the suspicion. Then a refusal counts as the first one.
func TestSuspicionEnds(t *testing.T) {
	for name, do := range map[string]func(g *Grant){
		"a commit":      func(g *Grant) { _, _ = g.Commit(commit(first, 1, "rt 2"), false) },
		"a late commit": func(g *Grant) { _, _ = g.Commit(commit(second, 0, "late"), false) },
		"a replacement": func(g *Grant) {
			_, _ = g.Replace(&store.Replacement{Owner: g.Owner, Generation: 1, Token: store.Sealed("new")}, false)
		},
		"an answer": func(g *Grant) { g.End(ending(first, 1, store.RefreshDone)) },
	} {
		t.Run(name, func(t *testing.T) {
			g := suspectGrant(t)
			assert.Equal(t, 1, g.State().Suspect.Refusals)
			do(g)
			assert.Zero(t, g.State().Suspect)
			g.End(ending(first, 1, store.RefreshRefused)) // of what was there before
			assert.Zero(t, g.State().Suspect)
			begin(t, g, second, now+12)
			g.End(ending(second, g.Generation, store.RefreshRefused))
			assert.False(t, g.Dead)
			assert.Equal(t, 1, g.State().Suspect.Refusals)
		})
	}
}

func TestPauseGrows(t *testing.T) {
	g := suspectGrant(t)
	unknown := ending(first, 1, store.RefreshUnknown)
	g.End(unknown)
	assert.Equal(t, store.Suspicion{Refusals: 1, AskAfter: now + 10}, g.State().Suspect, "no pause was named")
	for i, at := range []store.Micros{now + 50, now + 20, now + 60} {
		begin(t, g, first, now+100)
		unknown.AskAfter = at
		g.End(unknown)
		assert.Equal(t, store.Suspicion{Refusals: i + 2, AskAfter: max(at, now+50)}, g.State().Suspect, "it never gets shorter")
	}
	g = newGrant()
	begin(t, g, first, now)
	g.End(unknown)
	assert.Zero(t, g.State().Suspect, "a grant that is not suspect")
	begin(t, g, second, now)
}

// The holder of the lease prolongs it whatever the pause: it was admitted.
func TestPauseDoesNotStopTheHolder(t *testing.T) {
	g := suspectGrant(t)
	begin(t, g, first, now)
	_, err := g.Begin(beginning(second, now+12), nil)
	assert.IsType(t, &store.BusyError{}, err, "another one waits for the holder, not for the pause")
}

func TestWorked(t *testing.T) {
	g := newGrant()
	done := func(l store.LeaseID, generation uint64, worked string) {
		e := ending(l, generation, store.RefreshDone)
		e.Worked = worked
		require.True(t, g.End(e))
	}
	begin(t, g, first, now)
	done(first, 1, "a b")
	assert.Equal(t, "a b", g.State().Worked)
	begin(t, g, first, now)
	mustCommit(t, g, commit(first, 1, "rt 2"))
	done(first, 1, "a")
	assert.Equal(t, "a", g.State().Worked)
	begin(t, g, first, now)
	_, err := g.Replace(&store.Replacement{Owner: g.Owner, Generation: 2, Token: store.Sealed("new")}, false)
	require.NoError(t, err)
	assert.Empty(t, g.State().Worked, "of another login")
	done(first, 2, "a b c")
	assert.Empty(t, g.State().Worked, "of the earlier login")
	begin(t, g, first, now)
	done(first, 3, "d")
	assert.Equal(t, "d", g.State().Worked)
	begin(t, g, first, now)
	done(first, 3, "")
	assert.Empty(t, g.State().Worked)
}

func TestOutcomesThatChangeNothing(t *testing.T) {
	for _, outcome := range []store.Outcome{store.RefreshNotSent, store.RefreshUnknown} {
		g := newGrant()
		mustCommit(t, g, commit(thirdLease, 0, "spare"))
		begin(t, g, first, now)
		begin(t, g, second, now+2000)
		doubts := slices.Clone(g.Doubts)
		require.True(t, g.End(ending(second, 1, outcome)))
		assert.Equal(t, []string{"spare"}, spares(g))
		assert.Equal(t, doubts, g.Doubts)
		assert.False(t, g.Dead)
		assert.Zero(t, g.Lease)
	}
}

func TestReplaceGrant(t *testing.T) {
	r := store.Replacement{Grant: store.GrantID{1}, Owner: store.OwnerID{1}, Lease: thirdLease, Generation: 1, Token: store.Sealed("new"), Scope: "s", Audience: "a"}
	g := newGrant()
	mustCommit(t, g, commit(second, 0, "spare"))
	begin(t, g, first, now)
	begin(t, g, second, now+2000)
	g.Dead = true
	lease := g.Lease
	changed, err := g.Replace(&r, false)
	require.NoError(t, err)
	assert.True(t, changed)
	assert.Equal(t, store.RefreshState{Generation: 2, Token: store.Sealed("new"), Scope: "s", Audience: "a"}, g.State())
	assert.False(t, g.Dead)
	assert.Empty(t, g.Doubts)
	assert.Equal(t, lease, g.Lease)

	changed, err = g.Replace(&r, true)
	assert.NoError(t, err)
	assert.False(t, changed)
	_, err = g.Replace(&r, false)
	assert.Equal(t, store.ErrConflict, err)
	r.Owner[0]++
	_, err = g.Replace(&r, true)
	assert.ErrorAs(t, err, new(*store.ArgumentError))
}
