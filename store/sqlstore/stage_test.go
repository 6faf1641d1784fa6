package sqlstore_test

import (
	"cmp"
	"context"
	"database/sql"
	"runtime"
	"strings"
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

// isCharge reports whether a statement spends counters. One that only touches a token does
// not look at a limit.
func isCharge(st statement) bool {
	return strings.Contains(st.text, "UPDATE") && strings.Contains(st.text, "used + ") && strings.Contains(st.text, "max_uses")
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

// startHeld starts a use and keeps it under way, so that others wait.
func (st *stage) startHeld(t *testing.T) *call {
	return st.underWay(func() *call { return st.start(t.Context(), newUse()) })
}

func (st *stage) underWay(start func() *call) *call {
	st.hold.Store(true)
	c := start()
	<-st.held
	return c
}

// granted waits for uses that nothing keeps from being granted.
func granted(t *testing.T, calls ...*call) {
	t.Helper()
	for _, c := range calls {
		<-c.done
		if c.err != nil {
			t.Errorf("a good use failed: %v", c.err)
		}
	}
}

// onStage runs a test on each engine while a use is under way. One was granted
// before.
func onStage(t *testing.T, limit store.Limit, test func(t *testing.T, st *stage, first *call)) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, limit)
		test(t, st, st.startHeld(t))
	})
}

func (st *stage) mustHaveUsed(t *testing.T, want int64) {
	t.Helper()
	if n := st.used(t); n != want {
		t.Errorf("used %d, want %d", n, want)
	}
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
