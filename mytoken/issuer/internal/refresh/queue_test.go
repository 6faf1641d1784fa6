package refresh

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

var (
	queueGrant = store.GrantID{1}
	queueOther = store.GrantID{2}
)

const longWait = time.Hour

// turnIn waits for a turn of the only token of a grant.
func turnIn(ctx context.Context, q *grantQueue, grant store.GrantID) (leave func(), err error) {
	return turnOf(ctx, q, grant, store.TokenID{}, 1)
}

func turnOf(ctx context.Context, q *grantQueue, grant store.GrantID, token store.TokenID, width int) (leave func(), err error) {
	p, err := q.enter(grant, token, []store.TokenID{token}, width)
	if err != nil {
		return nil, err
	}
	if err := p.wait(ctx); err != nil {
		p.leave(width)
		return nil, err
	}
	return func() { p.leave(width) }, nil
}

func TestQueueKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		leave, err := turnIn(t.Context(), q, queueGrant)
		require.NoError(t, err)
		var order []int
		for n := range 5 {
			go func() {
				leave, err := turnIn(t.Context(), q, queueGrant)
				if !assert.NoError(t, err) {
					return
				}
				order = append(order, n) // the turn guards it
				leave()
			}()
			synctest.Wait()
		}
		require.Empty(t, order)
		other, err := turnIn(t.Context(), q, queueOther)
		require.NoError(t, err, "grants do not wait for each other")
		other()
		leave()
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4}, order)
		require.Empty(t, q.lines, "nothing is left behind")
	})
}

// waitBehind puts two waiters into the queue of a grant that is taken. cancel makes the
// first one leave; gone and served get the errors of the first and the second.
func waitBehind(t *testing.T, q *grantQueue) (cancel context.CancelFunc, gone, served <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := turnIn(ctx, q, queueGrant)
		first <- err
	}()
	synctest.Wait()
	go func() {
		leave, err := turnIn(t.Context(), q, queueGrant)
		if err == nil {
			leave()
		}
		second <- err
	}()
	synctest.Wait()
	return cancel, first, second
}

func TestQueueIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		dead, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := turnIn(dead, q, queueGrant)
		require.ErrorIs(t, err, context.Canceled)

		leave, err := turnIn(t.Context(), q, queueGrant)
		require.NoError(t, err)
		cancel, gone, served := waitBehind(t, q)
		cancel()
		require.ErrorIs(t, <-gone, context.Canceled)
		leave()
		require.NoError(t, <-served, "the one behind moves up")
		require.Empty(t, q.lines)
	})
}

// A turn that comes at the moment at which its waiter gives up is passed on.
func TestQueueTurnAndCancellationMeet(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			q := newGrantQueue(time.Now, longWait)
			leave, err := turnIn(t.Context(), q, queueGrant)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			wait := func(ctx context.Context) {
				leave, err := turnIn(ctx, q, queueGrant)
				if err == nil {
					leave()
				}
			}
			all.Go(func() { wait(ctx) })
			synctest.Wait()
			all.Go(func() { wait(t.Context()) })
			synctest.Wait()
			cancel() // wakes the first, which still has to leave the queue
			leave()  // and gives it the turn before it has
			all.Wait()
			require.Empty(t, q.lines)
		})
	}
}

// A process that never runs out of waiters leaves the lease free from time to time, for
// longer than other processes pause between two attempts to take it.
func TestQueuePausesForOtherProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		var mu sync.Mutex
		var free []time.Duration // between two turns
		last := time.Now()
		turn := func(n byte) {
			leave, err := turnOf(t.Context(), q, queueGrant, store.TokenID{n}, 1)
			if !assert.NoError(t, err) {
				return
			}
			mu.Lock()
			free = append(free, time.Since(last))
			mu.Unlock()
			<-time.After(100 * time.Millisecond) // of fake time: the provider
			mu.Lock()
			last = time.Now()
			mu.Unlock()
			leave()
		}
		var all sync.WaitGroup
		for n := range byte(100) {
			all.Go(func() { turn(n) })
		}
		all.Wait()
		pauses := 0
		for _, d := range free[1:] {
			if d > leasePoll {
				pauses++
			}
		}
		require.InDelta(t, 5, pauses, 1, "10 s of turns, a pause every 2 s: %v", free)
		require.Empty(t, q.lines)
	})
}

// A waiter that gives up during the pause passes its turn on.
func TestQueuePauseIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		leave, err := turnIn(t.Context(), q, queueGrant)
		require.NoError(t, err)
		cancel, gone, served := waitBehind(t, q)
		<-time.After(queueRuns) // of fake time
		leave()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-gone, context.Canceled)
		require.NoError(t, <-served)
		require.Empty(t, q.lines)
	})
}

// enterAll takes a place for each token, and fails the test if one is refused.
func enterAll(t *testing.T, q *grantQueue, tokens ...byte) (places []*place) {
	t.Helper()
	for _, n := range tokens {
		p, err := q.enter(queueGrant, store.TokenID{n}, []store.TokenID{{n}}, 1)
		require.NoError(t, err)
		places = append(places, p)
	}
	return places
}

// firstWithTurn returns the index of the first place whose turn has come, or -1.
func firstWithTurn(places []*place) int {
	return slices.IndexFunc(places, func(p *place) bool {
		select {
		case <-p.turn:
			return p.refused == nil
		default:
			return false
		}
	})
}

// serve gives each place its turn for a second, in the order in which the turns come, and
// returns the tokens in that order.
func serve(t *testing.T, places []*place) (order []byte) {
	t.Helper()
	for len(places) > 0 {
		n := firstWithTurn(places)
		require.GreaterOrEqual(t, n, 0, "nobody has the turn")
		p := places[n]
		places = slices.Delete(places, n, n+1)
		p.started = time.Now()
		<-time.After(time.Second) // of fake time
		p.leave(1)
		order = append(order, p.leaf.token[0])
	}
	return order
}

// Tokens take turns: one with many requests delays another one by those that run.
func TestQueueGoesRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		places := enterAll(t, q, 1, 1, 1, 1, 2, 2, 3)
		require.Equal(t, []byte{1, 2, 3, 1, 2, 1, 1}, serve(t, places))
		require.Empty(t, q.lines)
	})
}

// The queue is bounded for each token and for the grant. It refuses at once, and says how
// long those before take. A token with few places displaces one with many.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		places := enterAll(t, q, slices.Repeat([]byte{1}, maxOfToken)...)
		refused := func(token store.TokenID) *Failure {
			_, err := q.enter(queueGrant, token, []store.TokenID{token}, 1)
			f, ok := errors.AsType[*Failure](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, Busy, f.Reason)
			return f
		}
		require.Zero(t, refused(store.TokenID{1}).RetryAfter, "nobody knows yet how long a refresh takes")
		serve(t, places[:1])
		places = append(places[1:], enterAll(t, q, 1)...)
		require.Equal(t, maxOfToken*time.Second, refused(store.TokenID{1}).RetryAfter)
		for n := range maxOfGrant - maxOfToken {
			token := store.TokenID{2, byte(n), byte(n >> 8)}
			p, err := q.enter(queueGrant, token, []store.TokenID{token}, 1)
			require.NoError(t, err)
			places = append(places, p)
		}
		for n := maxOfToken - 1; n > 1; n-- {
			newest := places[n]
			places = append(slices.Delete(places, n, n+1), enterAll(t, q, byte(100+n))...)
			require.Same(t, newest.refused, newest.wait(t.Context()), "that of the token with most places")
			require.Positive(t, newest.refused.RetryAfter)
			newest.leave(1)
		}
		for n := range 2 * maxOfGrant {
			require.Positive(t, refused(store.TokenID{3, byte(n), byte(n >> 8)}).RetryAfter)
		}
		require.LessOrEqual(t, q.lines[queueGrant].turns.leaves, maxOfGrant)
		serve(t, places)
		require.Empty(t, q.lines)
	})
}

// A token that would wait too long is refused at once. When it comes back, it goes before
// those that came later.
func TestQueueKeepsTheTurnOfTheRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, 9*time.Second)
		places := enterAll(t, q, 1, 1)
		serve(t, places[:1])
		places = append(places[1:], enterAll(t, q, 2, 3, 4, 5, 6, 7, 8)...)
		_, err := q.enter(queueGrant, store.TokenID{9}, []store.TokenID{{9}}, 1)
		f, ok := errors.AsType[*Failure](err)
		require.True(t, ok)
		require.Equal(t, 8*time.Second, f.RetryAfter, "one runs, seven wait")
		serve(t, places[:4])
		places = append(places[4:], enterAll(t, q, 10, 11, 9)...)
		require.Equal(t, []byte{5, 6, 7, 8, 9, 10, 11}, serve(t, places))
	})
}

// Nobody starts a refresh that is likely to end after its wait.
func TestQueueStartsNothingTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		places := enterAll(t, q, 1, 2)
		serve(t, places[:1])
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, places[1].wait(ctx), context.DeadlineExceeded)
		require.NoError(t, ctx.Err(), "at once")
		places[1].leave(1)
		require.Empty(t, q.lines)
	})
}

// Refreshes that need no lease run side by side, and the tokens share the room.
func TestQueueSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		var places []*place
		for n := range byte(4 * maxOfToken) {
			p, err := q.enter(queueGrant, store.TokenID{n / maxOfToken}, []store.TokenID{{n / maxOfToken}}, sideBySide)
			require.NoError(t, err)
			places = append(places, p)
		}
		require.Equal(t, sideBySide, q.lines[queueGrant].turns.top.running)
		places[0].leave(sideBySide)
		select {
		case <-places[2*maxOfToken].turn:
		default:
			require.Fail(t, "the third token is next")
		}
		for _, p := range places[1:] {
			p.leave(sideBySide)
		}
		require.Empty(t, q.lines)
	})
}

// hostileTree gives each of 200 descendants of the child more requests than a token may
// have. Some are a chain, others are beside each other.
func hostileTree(t *testing.T, q *grantQueue, parent, child store.TokenID) (places []*place) {
	t.Helper()
	path := []store.TokenID{parent, child}
	for n := range byte(200) {
		token := store.TokenID{100, n}
		for range maxOfToken + 1 {
			p, err := q.enter(queueGrant, token, append(slices.Clone(path), token), 1)
			if err == nil {
				places = append(places, p)
			}
		}
		if n%20 < 10 {
			path = append(path, token)
		} else if n%20 == 19 {
			path = path[:2]
		}
	}
	require.Equal(t, maxOfGrant, q.lines[queueGrant].places())
	return places
}

// Whoever derives many tokens fills the queue, and gets one turn for all of them. The
// parent and a sibling are not refused, and wait for one refresh more than without.
func TestQueueGivesASubtreeOneTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		parent, child, sibling := store.TokenID{1}, store.TokenID{2}, store.TokenID{3}
		places := hostileTree(t, q, parent, child)
		for _, path := range [][]store.TokenID{{parent}, {parent, sibling}, {parent}, {parent, sibling}} {
			p, err := q.enter(queueGrant, path[len(path)-1], path, 1)
			require.NoError(t, err)
			places = append(places, p)
		}
		require.Equal(t, maxOfGrant, q.lines[queueGrant].places())
		places = slices.DeleteFunc(places, func(p *place) bool {
			if p.refused != nil {
				require.Equal(t, byte(100), p.leaf.token[0], "of the heaviest branch")
				require.ErrorAs(t, p.wait(t.Context()), new(*Failure))
				p.leave(1)
			}
			return p.refused != nil
		})
		require.Len(t, places, maxOfGrant)
		require.Equal(t, []byte{100, 1, 3, 100, 1, 3, 100, 100}, serve(t, places)[:8])
		require.Empty(t, q.lines)
	})
}

// Nor are they refused for their wait, which does not depend on how many wait in there.
func TestQueueExpectsOneTurnOfASubtree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, 9*time.Second)
		first := enterAll(t, q, 1, 1)
		serve(t, first[:1])
		for n := range byte(100) {
			p, err := q.enter(queueGrant, store.TokenID{100, n}, []store.TokenID{{1}, {2}, {100, n}}, 1)
			if n < 7 {
				require.NoError(t, err)
				defer p.leave(1)
				continue
			}
			require.ErrorAs(t, err, new(*Failure), "one runs, seven wait, and this one takes one and a half")
		}
		for _, path := range [][]store.TokenID{{{1}}, {{1}, {3}}} {
			p, err := q.enter(queueGrant, path[len(path)-1], path, 1)
			require.NoError(t, err)
			defer p.leave(1)
		}
		first[1].leave(1)
	})
}

// So do refreshes that run side by side.
func TestQueueGivesASubtreeOneTurnSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		places := hostileTree(t, q, store.TokenID{1}, store.TokenID{2})
		places[0].leave(sideBySide)
		places = places[1:]
		require.Equal(t, sideBySide, q.lines[queueGrant].turns.top.running)
		for n := range byte(2) {
			path := []store.TokenID{{1}, {3 + n}}
			p, err := q.enter(queueGrant, path[1], path, sideBySide)
			require.NoError(t, err)
			k := firstWithTurn(places)
			places[k].leave(sideBySide)
			<-p.turn
			require.Nil(t, p.refused)
			places = append(slices.Delete(places, k, k+1), p)
		}
		for _, p := range places {
			p.leave(sideBySide)
		}
		require.Empty(t, q.lines)
	})
}

// Turns that are kept are bounded. Those of the branch that has most are forgotten first.
func TestQueueForgetsTurnsOfTheHeaviestBranch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		first := enterAll(t, q, 1, 1)
		serve(t, first[:1])
		refuse := func(path ...store.TokenID) {
			_, err := q.enter(queueGrant, path[len(path)-1], path, 1)
			require.ErrorAs(t, err, new(*Failure))
		}
		q.limit = time.Second // too short for another one
		refuse(store.TokenID{4})
		for n := range 2 * maxOfGrant {
			refuse(store.TokenID{2}, store.TokenID{3, byte(n), byte(n >> 8)})
		}
		refuse(store.TokenID{5})
		l := q.lines[queueGrant]
		require.Equal(t, maxOfGrant, l.turns.leaves)
		require.True(t, l.turns.known(store.TokenID{4}) && l.turns.known(store.TokenID{5}))
		serve(t, first[1:])
		require.Empty(t, q.lines)
	})
}

// Only a token that has to wait needs its ancestors, and only once.
func TestQueueNeedsAncestorsToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newGrantQueue(time.Now, longWait)
		parent, child := store.TokenID{1}, store.TokenID{2}
		enter := func(token store.TokenID, path ...store.TokenID) *place {
			p, err := q.enter(queueGrant, token, path, 1)
			require.NoError(t, err)
			return p
		}
		places := []*place{enter(child)}
		for _, token := range []store.TokenID{parent, child} {
			_, err := q.enter(queueGrant, token, nil, 1)
			require.Same(t, errMustWait, err)
		}
		places = append(places, enter(child, parent, child), enter(child), enter(parent, parent), enter(parent))
		require.Equal(t, []byte{2, 1, 2, 1, 2}, serve(t, places))
		require.Empty(t, q.lines)
	})
}

// A clock that panics costs one refresh. The queue goes on.
func TestQueueSurvivesItsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := false
		q := newGrantQueue(func() time.Time {
			if broken {
				panic("clock")
			}
			return time.Now()
		}, longWait)
		places := enterAll(t, q, 1, 2)
		require.NoError(t, places[0].wait(t.Context()))
		broken = true
		require.Panics(t, func() { _ = q.pause(t.Context(), queueGrant) })
		require.Panics(t, func() { _, _ = q.enter(queueOther, store.TokenID{1}, nil, 1) })
		require.Panics(t, func() { places[0].leave(1) })
		broken = false
		require.Equal(t, []byte{2}, serve(t, places[1:]))
		require.Empty(t, q.lines)
	})
}

// A clock that was set back does not keep the lease from other processes, and one that was
// set forward during a refresh does not make the next refreshes seem endless.
func TestQueueClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jump := time.Duration(0)
		q := newGrantQueue(func() time.Time { return time.Now().Round(0).Add(jump) }, 9*time.Second)
		first, err := turnIn(t.Context(), q, queueGrant)
		require.NoError(t, err)
		second, err := q.enter(queueGrant, store.TokenID{}, []store.TokenID{{}}, 1)
		require.NoError(t, err)
		jump = -time.Hour
		first()
		begin := time.Now()
		require.NoError(t, second.wait(t.Context()))
		require.Equal(t, queuePauses, time.Since(begin), "others get their chance")

		third, err := q.enter(queueGrant, store.TokenID{}, []store.TokenID{{}}, 1)
		require.NoError(t, err)
		jump = time.Hour
		second.leave(1)
		require.LessOrEqual(t, q.expected(queueGrant, store.TokenID{}), 9*time.Second)
		third.leave(1)
	})
}
