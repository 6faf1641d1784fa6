package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// Without a server, every step says that it has certainly not taken effect.
//
// proves P3
func TestServerIsAway(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			direct := e.new(t)
			direct.migrate(t)
			s, r := relayed(t, direct)
			st := s.open(t)
			p, err := newRoot(t.Context(), st, store.Unlimited)
			require.NoError(t, err)
			info, err := st.Token(t.Context(), p.ID)
			require.NoError(t, err)
			require.NoError(t, r.listener.Close())
			r.cut()
			_ = spend(t.Context(), st, p) // may still find a connection that was cut, and then does not know
			for name, err := range errorsOfSteps(t.Context(), st, p, info) {
				assert.ErrorIs(t, err, store.ErrUnavailable, name)
				assert.False(t, store.IsDefinite(err), name)
			}
		})
	}
}

// A pool without a free connection refuses a step in time, and nothing of it happens
// later.
//
// proves P3
func TestPoolIsUsedUp(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.migrate(t)
		s.conns = 1
		db := s.connect(t)
		st := s.on(t, db)
		p, err := newRoot(t.Context(), st, store.Unlimited)
		require.NoError(t, err)
		info, err := st.Token(t.Context(), p.ID)
		require.NoError(t, err)
		held, err := db.Conn(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(50*time.Millisecond, func() { cancel(nil) })
		for name, err := range errorsOfSteps(ctx, st, p, info) {
			assert.ErrorIs(t, err, store.ErrUnavailable, name)
			assert.ErrorIs(t, err, context.Canceled, name)
		}
		require.NoError(t, held.Close())
		after, err := st.Token(t.Context(), p.ID)
		require.NoError(t, err)
		assert.Equal(t, info, after)
	})
}

// errorsOfSteps calls each method once and returns the errors.
func errorsOfSteps(ctx context.Context, st *sqlstore.Store, p store.Presented, info store.TokenInfo) map[string]error {
	errs := make(map[string]error)
	errs["Spend"] = spend(ctx, st, p)
	_, errs["CreateRoot"] = newRoot(ctx, st, 5)
	_, errs["Lookup"] = st.Lookup(ctx, p, 1)
	errs["Refund"] = st.Refund(ctx, newUse().ID, 1)
	_, errs["Revoke"] = st.Revoke(ctx, store.Revocation{Token: p.ID, Recursive: true, Now: 5})
	_, errs["Grant"] = st.Grant(ctx, info.Grant)
	_, errs["BeginRefresh"] = st.BeginRefresh(ctx, store.Begin{Grant: info.Grant, Lease: store.LeaseID{1}, Now: 1, TTL: time.Second})
	errs["EndRefresh"] = st.EndRefresh(ctx, store.End{Grant: info.Grant, Lease: store.LeaseID{1}, Generation: 1, Outcome: store.RefreshDone, Now: 1})
	errs["Beat"] = st.Beat(ctx, store.Process{ID: store.ProcessID{1}, Node: store.NodeID{1}}, 5)
	errs["Settle"] = st.Settle(ctx, []store.ProcessID{{1}}, 5)
	_, errs["Doubts"] = st.Doubts(ctx, store.ProcessID{1}, 10)
	_, _, errs["Processes"] = st.Processes(ctx, store.Page{Limit: 10})
	errs["CommitRefresh"] = st.CommitRefresh(ctx, store.Commit{Grant: info.Grant, Lease: store.LeaseID{1}, Generation: 1, Token: store.Sealed("x"), Now: 1})
	errs["ChangeTickets"] = st.ChangeTickets(ctx, store.TicketChanges{Put: []store.Ticket{newTicket(p.ID)}}, 1)
	_, errs["ResolveTicket"] = st.ResolveTicket(ctx, store.TicketTransfer, []store.TicketID{{1}}, 1)
	errs["TakeTicket"] = st.TakeTicket(ctx, store.TicketRef{Kind: store.TicketTransfer, ID: store.TicketID{1}}, store.UseID{1}, store.Event{}, 1)
	_, errs["Items"] = st.Items(ctx, info.Owner)
	errs["ChangeItems"] = st.ChangeItems(ctx, newItems(p.ID))
	_, errs["Links"] = st.Links(ctx, []store.TokenID{p.ID})
	_, errs["Token"] = st.Token(ctx, p.ID)
	_, _, errs["List"] = st.List(ctx, info.Owner, store.Page{Limit: 10})
	_, errs["Count"] = st.Count(ctx, info.Owner, 10)
	_, _, errs["Subtree"] = st.Subtree(ctx, p.ID, store.Page{Limit: 10})
	_, _, errs["Events"] = st.Events(ctx, []store.TokenID{p.ID}, store.Page{Limit: 10})
	_, errs["Sweep"] = st.Sweep(ctx, store.Cleaning{Now: 1, Limit: 10})
	errs["DeleteOwner"] = st.DeleteOwner(ctx, info.Owner)
	_, _, errs["Sealed"] = st.Sealed(ctx, store.Page{Limit: 10})
	errs["Ping"] = st.Ping(ctx)
	return errs
}

// A COMMIT without an answer leaves the outcome open, and so does a single statement that
// writes. That holds also for a step that is repeated within the call, and for what
// follows the first transaction of a step.
//
// proves P3
func TestLostAnswers(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		s.migrate(t)
		sp := &spy{Connector: s.connector}
		st := s.on(t, s.connectBy(t, sp))
		p, err := newRoot(t.Context(), st, store.Unlimited)
		require.NoError(t, err)
		info, err := st.Token(t.Context(), p.ID)
		require.NoError(t, err)
		lost := errors.New("connection reset by peer")
		open := 0
		sp.hook(nil, func(_ context.Context, said statement) error {
			n := 0
			if n, open = effects([]statement{said}, open); n > 0 {
				return lost
			}
			return nil
		})
		for name, err := range map[string]error{
			"Spend":         spend(t.Context(), st, p),
			"CreateRoot":    func() error { _, err := newRoot(t.Context(), st, 5); return err }(),
			"ChangeTickets": st.ChangeTickets(t.Context(), store.TicketChanges{Put: []store.Ticket{newTicket(p.ID)}}, 1),
			"ChangeItems":   st.ChangeItems(t.Context(), newItems(p.ID)),
			"CommitRefresh": st.CommitRefresh(t.Context(), store.Commit{Grant: info.Grant, Lease: store.LeaseID{1}, Generation: 1, Token: store.Sealed("x"), Now: 1}),
			"Ping":          st.Ping(t.Context()),
		} {
			require.ErrorIs(t, err, lost, name)
			assert.NotErrorIs(t, err, store.ErrUnavailable, name)
		}
		committed := false // the tombstone; and then the server is away
		sp.hook(func(context.Context, statement) error {
			if committed {
				return lost
			}
			return nil
		}, func(_ context.Context, said statement) error {
			committed = committed || said.is("COMMIT")
			return nil
		})
		_, err = st.Revoke(t.Context(), store.Revocation{Token: p.ID, Recursive: true, Now: 5})
		require.ErrorIs(t, err, lost)
		require.NotErrorIs(t, err, store.ErrUnavailable, "Revoke")
		sp.hook(nil, nil)
		revoked, err := st.Token(t.Context(), p.ID)
		require.NoError(t, err)
		assert.NotZero(t, revoked.Revoked, "the tombstone holds")
	})
}

// A COMMIT or a ROLLBACK on a path that died keeps neither its caller nor the steps behind
// it. Not every driver lets the context end one.
//
// proves P3
func TestPathDiesAtTheEnd(t *testing.T) {
	for _, e := range engines[1:] {
		for _, last := range []string{"COMMIT", "ROLLBACK"} {
			t.Run(e.name+"/"+last, func(t *testing.T) {
				t.Parallel()
				s := e.new(t)
				s.migrate(t)
				s.conns = 10 // each path that died keeps one
				sp := &spy{Connector: s.connector}
				st := s.on(t, s.connectBy(t, sp))
				var roots []store.Presented // what has no COMMIT keeps its locks
				for range 4 {
					p, err := newRoot(t.Context(), st, store.Unlimited)
					require.NoError(t, err)
					roots = append(roots, p)
				}
				dead, reached := make(chan struct{}), make(chan struct{}, 10)
				t.Cleanup(func() { close(dead) })
				sp.hook(func(_ context.Context, said statement) error {
					if said.is(last) {
						reached <- struct{}{}
						<-dead
					} else if last == "ROLLBACK" && said.is("INSERT") {
						return errors.New("refused")
					}
					return nil
				}, nil)
				revoke := func(ctx context.Context, p store.Presented) error { // takes a transaction
					_, err := st.Revoke(ctx, store.Revocation{Token: p.ID, Now: 5, Event: store.Event{Name: "revoked"}})
					return err
				}
				for _, p := range roots[:3] { // more than there are slots
					for _, step := range []func(context.Context) error{st.Ping, func(ctx context.Context) error { return revoke(ctx, p) }} {
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						go func() { // the caller gives up on the path that died
							select {
							case <-reached:
								cancel()
							case <-ctx.Done():
							}
						}()
						err := step(ctx)
						cancel()
						require.Error(t, err)
						assert.Equal(t, last == "ROLLBACK", errors.Is(err, store.ErrUnavailable), "%v", err)
					}
				}
				sp.hook(nil, nil)
				require.NoError(t, st.Ping(t.Context()))
				require.NoError(t, revoke(t.Context(), roots[3]))
				require.ErrorIs(t, spend(t.Context(), st, roots[3]), store.ErrRevoked)
			})
		}
	}
}

// A server without a free connection refuses a step, which has not taken effect then.
//
// proves P3
func TestTooManyConnections(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			s := e.new(t)
			admin := s.migrate(t)
			f := &failover{Connector: s.connector, demoted: s.crowded(t, admin)}
			db := s.connectBy(t, f)
			st := s.on(t, db)
			p, err := newRoot(t.Context(), st, store.Unlimited)
			require.NoError(t, err)
			info, err := st.Token(t.Context(), p.ID)
			require.NoError(t, err)
			f.away.Store(true)
			db.SetMaxIdleConns(0) // closes all
			for name, err := range errorsOfSteps(t.Context(), st, p, info) {
				assert.ErrorIs(t, err, store.ErrUnavailable, name)
			}
			f.away.Store(false)
			require.NoError(t, spend(t.Context(), st, p))
		})
	}
}

// crowded connects as an account that has no connection left.
func (s site) crowded(t *testing.T, admin *sql.DB) driver.Connector {
	name := dbtest.Unique()
	if s.dialect == sqlstore.PostgreSQL {
		s.run(t, admin, "CREATE ROLE "+name+" LOGIN CONNECTION LIMIT 0")
		t.Cleanup(func() { s.run(t, admin, "DROP ROLE "+name) })
		dsn, err := url.Parse(s.address)
		require.NoError(t, err)
		dsn.User = url.User(name)
		return postgreSQLAt(t, dsn.String(), nil).connector
	}
	s.run(t, admin, "CREATE USER "+name+" IDENTIFIED BY '' WITH MAX_USER_CONNECTIONS 1")
	t.Cleanup(func() { s.run(t, admin, "DROP USER "+name) })
	config, err := mysql.ParseDSN(s.address)
	require.NoError(t, err)
	config.User, config.DBName = name, ""
	c := byName{mysql.MySQLDriver{}, config.FormatDSN()}
	held, err := c.Connect(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { held.Close() })
	return c
}
