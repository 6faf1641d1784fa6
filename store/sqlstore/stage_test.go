package sqlstore_test

import (
	"cmp"
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// stage is a store whose statements a test can hold up.
type stage struct {
	*sqlstore.Store
	db    *sql.DB
	spy   *spy
	token store.Presented

	// If hold is set, the next statement that charges sends its context to held. It then
	// receives from release: it continues, or fails with that error.
	held    chan context.Context
	release chan error
	hold    atomic.Bool
}

func newStage(t *testing.T, s site, limit store.Limit) *stage {
	s.opts.BatchTimeout = cmp.Or(s.opts.BatchTimeout, time.Minute) // a batch that the test holds up has not taken too long
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

// isCharge reports whether a statement spends counters. One that only touches a token
// does not look at a limit.
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

// waiting starts a call and returns when it waits for its turn.
func (st *stage) waiting(t *testing.T, start func() *call) *call {
	t.Helper()
	waits := make(chan struct{}, 1)
	st.OnWait(func() {
		select {
		case waits <- struct{}{}:
		default:
		}
	})
	defer st.OnWait(nil)
	c := start()
	select {
	case <-waits:
	case <-c.done:
		t.Fatalf("the use did not wait: %v", c.err)
	}
	return c
}

// startHeld starts a use and keeps it under way, so that others wait behind it.
func (st *stage) startHeld(t *testing.T) *call {
	return st.underWay(func() *call { return st.start(t.Context(), newUse()) })
}

// underWay starts a call and returns when its charge is held up.
func (st *stage) underWay(start func() *call) *call {
	st.hold.Store(true)
	c := start()
	<-st.held
	return c
}

// granted waits for uses that must succeed.
func granted(t *testing.T, calls ...*call) {
	t.Helper()
	for _, c := range calls {
		<-c.done
		assert.NoError(t, c.err, "a good use")
	}
}

// onStage runs a test on each engine while a use is under way, after another use was
// granted.
func onStage(t *testing.T, limit store.Limit, test func(t *testing.T, st *stage, first *call)) {
	onEach(t, func(t *testing.T, s site) {
		st := newStage(t, s, limit)
		test(t, st, st.startHeld(t))
	})
}

func (st *stage) mustHaveUsed(t *testing.T, want int64) {
	t.Helper()
	assert.Equal(t, want, st.used(t), "uses that are counted")
}

// used returns how often the token was used.
func (st *stage) used(t *testing.T) int64 {
	t.Helper()
	info, err := st.Token(t.Context(), st.token.ID)
	require.NoError(t, err)
	return info.Counters[0].ATUsed
}
