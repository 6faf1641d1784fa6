package sqlstore_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// stage is a store whose statements can be held up.
type stage struct {
	*sqlstore.Store
	db    *sql.DB
	spy   *spy
	token store.Presented

	// The next statement that writes a counter says so on held, and goes on
	// when it gets something from release, or when its context ends.
	held    chan context.Context
	release chan error
	hold    atomic.Bool
}

func newStage(t *testing.T, s site, limit store.Limit) *stage {
	s.opts.BatchTimeout = cmp.Or(s.opts.BatchTimeout, time.Minute) // a batch that is held has not taken too long
	st := &stage{spy: &spy{Connector: s.connector}, held: make(chan context.Context), release: make(chan error)}
	s.migrate(t)
	st.db = s.connectBy(t, st.spy)
	st.Store = s.on(t, st.db)
	var err error
	if st.token, err = newRoot(t.Context(), st, limit); err != nil {
		t.Fatal(err)
	}
	if err := spend(t.Context(), st, st.token); err != nil { // statements are prepared now
		t.Fatal(err)
	}
	st.spy.hook(func(ctx context.Context, text statement) error {
		if !isCharge(text) || !st.hold.Swap(false) {
			return nil
		}
		st.held <- ctx
		return <-st.release
	}, nil)
	return st
}

// isCharge tells whether a statement spends counters.
func isCharge(st statement) bool {
	return strings.Contains(st.text, "UPDATE") && strings.Contains(st.text, "counters") && strings.Contains(st.text, "used + ")
}

// call is a use under way.
type call struct {
	use   store.Use
	spent store.Spent
	err   error
	done  chan struct{}
}

func (st *stage) start(ctx context.Context, u store.Use) *call {
	token := st.token
	return begin(u, func() (store.Spent, error) { return st.Spend(ctx, token, u) })
}

func begin(u store.Use, do func() (store.Spent, error)) *call {
	c := &call{use: u, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.spent, c.err = do()
	}()
	return c
}

// startWaiting starts a use and returns when it waits for its turn.
func (st *stage) startWaiting(t *testing.T, ctx context.Context, u store.Use) *call {
	return st.waiting(t, func() *call { return st.start(ctx, u) })
}

func (st *stage) waiting(t *testing.T, start func() *call) *call {
	before := st.Waiting()
	c := start()
	for st.Waiting() == before {
		if t.Context().Err() != nil {
			t.Fatal("no use waits")
		}
		runtime.Gosched()
	}
	return c
}

// used is how often the token was used.
func (st *stage) used(t *testing.T) int64 {
	t.Helper()
	info, err := st.Token(t.Context(), st.token.ID)
	if err != nil {
		t.Fatal(err)
	}
	return info.Counters[0].ATUsed
}

// Uses that wait are committed by one transaction, each with its event.
//
// proves P3
func TestBatchIsOneTransaction(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		st.hold.Store(true)
		calls := []*call{st.start(t.Context(), newUse())}
		<-st.held
		const waiting = 20
		for range waiting {
			calls = append(calls, st.startWaiting(t, t.Context(), newUse()))
		}
		st.spy.taken()
		st.release <- nil
		clauses := make(map[int]int)
		for _, c := range calls {
			<-c.done
			if c.err != nil {
				t.Fatal(c.err)
			}
			clauses[c.spent.Clause]++
		}
		if clauses[0] != 1+waiting {
			t.Errorf("clauses charged: %v", clauses)
		}
		charges := slices.DeleteFunc(st.spy.taken(), func(s statement) bool { return !isCharge(s) })
		if len(charges) != 1 {
			t.Errorf("%d uses that waited were written by %d statements, want 1", waiting, len(charges))
		}
		if n := st.used(t); n != 2+waiting {
			t.Errorf("used %d, want %d", n, 2+waiting)
		}
		events, _, err := st.Events(t.Context(), []store.TokenID{st.token.ID}, store.Page{Limit: 100})
		if err != nil || len(events) != 2+waiting {
			t.Errorf("%d events, want %d: %v", len(events), 2+waiting, err)
		}
	})
}

// A batch in which the budget ends: the first ones get it, the others are told
// the truth.
//
// proves P3
func TestBatchSharesWhatIsLeft(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		const limit, callers = 10, 15
		st := newStage(t, s, limit) // one is spent
		st.hold.Store(true)
		calls := []*call{st.start(t.Context(), newUse())}
		<-st.held
		for range callers - 1 {
			calls = append(calls, st.startWaiting(t, t.Context(), newUse()))
		}
		st.release <- nil
		granted := 0
		for _, c := range calls {
			<-c.done
			exhausted, is := errors.AsType[*store.ExhaustedError](c.err)
			switch {
			case c.err == nil:
				granted++
			case !is:
				t.Errorf("Spend: %v", c.err)
			case len(exhausted.Counters) != 1 || exhausted.Counters[0] != store.Exhausted{Token: st.token.ID, Limit: limit, Used: limit}:
				t.Errorf("exhausted: %+v", exhausted.Counters)
			}
		}
		if granted != limit-1 || st.used(t) != limit {
			t.Errorf("%d uses were granted, and %d are counted; the limit is %d, and one was spent before", granted, st.used(t), limit)
		}
	})
}

// One bad use does not fail its batch: here one whose token is forged, one that
// asks for a clause that is not there, and one whose identity is another
// token's.
func TestBatchWithBadUses(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		other, err := newRoot(t.Context(), st, 5)
		if err != nil {
			t.Fatal(err)
		}
		taken := newUse()
		if _, err := st.Spend(t.Context(), other, taken); err != nil {
			t.Fatal(err)
		}
		st.hold.Store(true)
		calls := []*call{st.start(t.Context(), newUse())}
		<-st.held
		noClause := newUse()
		noClause.Candidates = []int{7}
		good := st.token
		st.token.Sum[0]++
		forged := st.startWaiting(t, t.Context(), newUse())
		st.token = good
		bad := st.startWaiting(t, t.Context(), noClause)
		stolen := st.startWaiting(t, t.Context(), taken)
		for range 5 {
			calls = append(calls, st.startWaiting(t, t.Context(), newUse()))
		}
		st.release <- nil
		for _, c := range calls {
			<-c.done
			if c.err != nil {
				t.Errorf("a good use failed: %v", c.err)
			}
		}
		<-forged.done
		<-bad.done
		<-stolen.done
		if !errors.Is(forged.err, store.ErrForged) {
			t.Errorf("forged: %v", forged.err)
		}
		if _, is := errors.AsType[*store.ArgumentError](bad.err); !is {
			t.Errorf("no such clause: %v", bad.err)
		}
		if !errors.Is(stolen.err, store.ErrExists) {
			t.Errorf("identity of another token's use: %v", stolen.err)
		}
		if n := st.used(t); n != 1+int64(len(calls)) {
			t.Errorf("used %d, want %d", n, 1+len(calls))
		}
	})
}

// A batch that fails as a whole for a reason that nobody foresaw is committed
// one by one, so that only those fail who cannot be helped.
func TestBatchThatFailsIsTakenApart(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		st.hold.Store(true)
		calls := []*call{st.start(t.Context(), newUse())}
		<-st.held
		for range 5 {
			calls = append(calls, st.startWaiting(t, t.Context(), newUse()))
		}
		broken := errors.New("the disk is on fire")
		var failed atomic.Int64
		st.spy.hook(func(_ context.Context, s statement) error {
			if isCharge(s) && failed.Add(1) == 1 {
				return broken
			}
			return nil
		}, nil)
		st.release <- nil
		for _, c := range calls {
			<-c.done
			if c.err != nil {
				t.Errorf("Spend: %v", c.err)
			}
		}
		if n := failed.Load(); n != 6 {
			t.Errorf("%d statements tried to charge after the first, want 1 for the batch and 5 for its members", n)
		}
		if n := st.used(t); n != 1+int64(len(calls)) {
			t.Errorf("used %d, want %d", n, 1+len(calls))
		}
	})
}

// A use that a failed batch could not grant may be granted alone, and is told so.
//
// proves P3
func TestBatchThatFailsLeavesNoAnswer(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		const limit = 3 // one is spent
		st := newStage(t, s, limit)
		st.hold.Store(true)
		first := st.start(t.Context(), newUse())
		<-st.held
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		gone := st.startWaiting(t, ctx, newUse()) // takes what is left in the batch
		left := st.startWaiting(t, t.Context(), newUse())
		st.spy.hook(func(_ context.Context, s statement) error {
			if isCharge(s) && ctx.Err() == nil {
				cancel()
				return errors.New("the disk is on fire")
			}
			return nil
		}, nil)
		st.release <- nil
		<-first.done
		<-gone.done
		<-left.done
		if first.err != nil || !errors.Is(gone.err, context.Canceled) || left.err != nil {
			t.Errorf("first: %v, gone: %v, left: %v", first.err, gone.err, left.err)
		}
		if n := st.used(t); n != limit {
			t.Errorf("used %d, want %d", n, limit)
		}
	})
}

// The context of a batch belongs to nobody: when the leader's ends, the others
// get what they came for, and so does the leader.
func TestBatchSurvivesItsLeader(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		st.hold.Store(true)
		first := st.start(t.Context(), newUse())
		<-st.held
		leading, cancel := context.WithCancel(t.Context())
		leader := st.startWaiting(t, leading, newUse())
		follower := st.startWaiting(t, t.Context(), newUse())
		st.hold.Store(true)
		st.release <- nil
		<-first.done
		batch := <-st.held
		cancel()
		if err := batch.Err(); err != nil {
			t.Errorf("the batch ended with its leader: %v", err)
		}
		st.release <- nil
		<-leader.done
		<-follower.done
		if leader.err != nil || follower.err != nil {
			t.Errorf("leader: %v, follower: %v", leader.err, follower.err)
		}
		if n := st.used(t); n != 4 {
			t.Errorf("used %d, want 4", n)
		}
	})
}

// When nobody waits for a batch any more, it ends.
func TestBatchEndsWithItsLastMember(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		st.hold.Store(true)
		first := st.start(t.Context(), newUse())
		<-st.held
		ctx, cancel := context.WithCancel(t.Context())
		leader, follower := st.startWaiting(t, ctx, newUse()), st.startWaiting(t, ctx, newUse())
		st.hold.Store(true)
		st.release <- nil
		<-first.done
		batch := <-st.held
		cancel()
		<-batch.Done()
		<-follower.done
		st.release <- batch.Err()
		<-leader.done
		for _, c := range []*call{leader, follower} {
			if !errors.Is(c.err, context.Canceled) || store.IsDefinite(c.err) {
				t.Errorf("Spend: %v", c.err)
			}
			// The answer is repeatable: asking again settles it.
			if again, err := st.Spend(t.Context(), st.token, c.use); err != nil || again.Clause != 0 {
				t.Errorf("Spend again: %+v, %v", again, err)
			}
		}
		if n := st.used(t); n != 4 {
			t.Errorf("used %d, want 4", n)
		}
	})
}

// Whoever gives up while it waits has not spent anything.
func TestCancelledWhileWaiting(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		st.hold.Store(true)
		first := st.start(t.Context(), newUse())
		<-st.held
		ctx, cancel := context.WithCancel(t.Context())
		gone := st.startWaiting(t, ctx, newUse())
		kept := st.startWaiting(t, t.Context(), newUse())
		cancel()
		<-gone.done
		if !errors.Is(gone.err, context.Canceled) {
			t.Errorf("Spend: %v", gone.err)
		}
		st.release <- nil
		<-first.done
		<-kept.done
		if first.err != nil || kept.err != nil {
			t.Errorf("first: %v, kept: %v", first.err, kept.err)
		}
		if n := st.used(t); n != 3 {
			t.Errorf("used %d, want 3: nothing by the one that gave up", n)
		}
	})
}

// A member that gives up while its batch is under way has spent, or has not;
// repeating the use tells, and charges no second time.
//
// proves P8
func TestCancelledUnderWay(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		st.hold.Store(true)
		first := st.start(t.Context(), newUse())
		<-st.held
		leader := st.startWaiting(t, t.Context(), newUse())
		ctx, cancel := context.WithCancel(t.Context())
		gone := st.startWaiting(t, ctx, newUse())
		st.hold.Store(true)
		st.release <- nil
		<-st.held
		cancel()
		<-gone.done
		if !errors.Is(gone.err, context.Canceled) {
			t.Errorf("Spend: %v", gone.err)
		}
		st.release <- nil
		<-first.done
		<-leader.done
		again, err := st.Spend(t.Context(), st.token, gone.use)
		if err != nil || !again.Repeated {
			t.Errorf("Spend again: %+v, %v; want a repeat", again, err)
		}
		if n := st.used(t); n != 4 {
			t.Errorf("used %d, want 4", n)
		}
	})
}

// Two calls with one identity that wait together are one use.
//
// proves P8
func TestBatchWithOneUseTwice(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, 1000)
		st.hold.Store(true)
		first := st.start(t.Context(), newUse())
		<-st.held
		u := newUse()
		a, b := st.startWaiting(t, t.Context(), u), st.startWaiting(t, t.Context(), u)
		st.release <- nil
		<-first.done
		<-a.done
		<-b.done
		if a.err != nil || b.err != nil || a.spent.Repeated == b.spent.Repeated {
			t.Errorf("%+v, %v; %+v, %v", a.spent, a.err, b.spent, b.err)
		}
		if n := st.used(t); n != 3 {
			t.Errorf("used %d, want 3", n)
		}
	})
}

// A slow token does not hold up another one.
func TestBatchesOfDifferentTokens(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		if s.dialect == sqlstore.SQLite {
			t.Skip("SQLite has one writer")
		}
		st := newStage(t, s, 1000)
		other, err := newRoot(t.Context(), st, 5)
		if err != nil {
			t.Fatal(err)
		}
		st.hold.Store(true)
		slow := st.start(t.Context(), newUse())
		<-st.held
		if err := spend(t.Context(), st, other); err != nil {
			t.Error(err)
		}
		st.release <- nil
		<-slow.done
		if slow.err != nil {
			t.Error(slow.err)
		}
	})
}

// A batch that takes too long ends, and those of its members who have time try
// again.
func TestBatchTimeout(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.opts.BatchTimeout = time.Second
		st := newStage(t, s, 1000)
		st.hold.Store(true)
		c := st.start(t.Context(), newUse())
		batch := <-st.held
		<-batch.Done()
		st.release <- batch.Err()
		<-c.done
		if c.err != nil {
			t.Errorf("Spend: %v", c.err)
		}
		if n := st.used(t); n != 2 {
			t.Errorf("used %d, want 2", n)
		}
	})
}

// Many callers with contexts that end at any time: nothing is lost, nothing is
// charged twice, nobody hangs.
//
// proves P3, P8
func TestBatchesUnderCancellation(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, store.Unlimited)
		const callers, each = 16, 20
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for j := range each {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration((i*each+j)%7)*time.Millisecond)
					u := newUse()
					_, err := st.Spend(ctx, st.token, u)
					cancel()
					if err != nil {
						_, err = st.Spend(t.Context(), st.token, u)
					}
					if err != nil {
						t.Errorf("Spend: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		if n := st.used(t); n != 1+callers*each {
			t.Errorf("used %d, want %d", n, 1+callers*each)
		}
	})
}
