package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// relay passes bytes between the store and its server until a test cuts it.
type relay struct {
	listener net.Listener
	network  string
	server   string

	mu    sync.Mutex
	left  [2]int // how many bytes still pass to the server and back; negative: any number
	open  map[net.Conn]bool
	moved [2]int // how many bytes have passed
}

// relayed returns the site behind a relay.
func relayed(t *testing.T, s site) (site, *relay) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{listener: l, network: "tcp", left: [2]int{-1, -1}, open: make(map[net.Conn]bool)}
	if s.dialect == sqlstore.PostgreSQL {
		dsn, err := url.Parse(s.address)
		require.NoError(t, err)
		r.server, dsn.Host = dsn.Host, l.Addr().String()
		s.connector, s.address = postgreSQLAt(t, dsn.String(), nil).connector, dsn.String()
	} else {
		config, err := mysql.ParseDSN(s.address)
		require.NoError(t, err)
		r.network, r.server = config.Net, config.Addr
		config.Net, config.Addr, config.Logger = "tcp", l.Addr().String(), &mysql.NopLogger{}
		c, err := mysql.NewConnector(config)
		require.NoError(t, err)
		s.connector, s.address = c, config.FormatDSN()
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { r.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.cut()
		wg.Wait()
	})
	return s, r
}

func (r *relay) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial(r.network, r.server)
	if err != nil {
		return
	}
	defer server.Close()
	r.mu.Lock()
	r.open[client], r.open[server] = true, true
	r.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { r.pass(0, server, client) })
	r.pass(1, client, server)
	wg.Wait()
	r.mu.Lock()
	delete(r.open, client)
	delete(r.open, server)
	r.mu.Unlock()
}

// pass copies until the budget of its direction is used up. Then it ends the connection.
func (r *relay) pass(direction int, to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		r.mu.Lock()
		last := r.left[direction] >= 0 && n >= r.left[direction]
		if last {
			n = r.left[direction]
		}
		if r.left[direction] >= 0 {
			r.left[direction] -= n
		}
		r.moved[direction] += n
		r.mu.Unlock()
		if _, failed := to.Write(b[:n]); failed != nil || err != nil || last {
			return
		}
	}
}

// cut ends all connections.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.open {
		c.Close()
	}
}

// allow says how many bytes may pass from now on in each direction. It returns how many
// have passed.
func (r *relay) allow(toServer, back int) [2]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = [2]int{toServer, back}
	moved := r.moved
	r.moved = [2]int{}
	return moved
}

// change is a step whose effect can be looked up.
type change struct {
	name string
	// start returns a step and whether it has taken effect.
	start func(t *testing.T, p store.Presented) (do func(on store.Store) error, done func(on store.Store) bool)
}

var changes = []change{
	{"Spend", func(t *testing.T, p store.Presented) (func(store.Store) error, func(store.Store) bool) {
		u := newUse()
		return func(on store.Store) error { _, err := on.Spend(t.Context(), p, u); return err },
			func(on store.Store) bool {
				spent, err := on.Spend(t.Context(), p, u)
				require.NoError(t, err)
				return spent.Repeated
			}
	}},
	{"use that changes a ticket", func(t *testing.T, p store.Presented) (func(store.Store) error, func(store.Store) bool) {
		u := newUse()
		put := newTicket(p.ID)
		u.Tickets.Put = []store.Ticket{put}
		return func(on store.Store) error { _, err := on.Spend(t.Context(), p, u); return err }, known(t, put)
	}},
	{"ChangeTickets", func(t *testing.T, p store.Presented) (func(store.Store) error, func(store.Store) bool) {
		put := newTicket(p.ID)
		return func(on store.Store) error {
			return on.ChangeTickets(t.Context(), store.TicketChanges{Put: []store.Ticket{put}}, 1)
		}, known(t, put)
	}},
	{"Refund", func(t *testing.T, p store.Presented) (func(store.Store) error, func(store.Store) bool) {
		u := newUse()
		return func(on store.Store) error { return on.Refund(t.Context(), u.ID, 1) },
			func(on store.Store) bool {
				_, err := on.Spend(t.Context(), p, u)
				return errors.Is(err, store.ErrRefunded)
			}
	}},
}

// known returns whether a ticket is stored.
func known(t *testing.T, k store.Ticket) func(store.Store) bool {
	return func(on store.Store) bool {
		_, err := on.ResolveTicket(t.Context(), k.Kind, []store.TicketID{k.ID}, 1)
		if err != nil {
			require.ErrorIs(t, err, store.ErrTicketNotFound)
		}
		return err == nil
	}
}

// The network fails after any number of bytes, in either direction. A step whose error is
// an ErrUnavailable has not taken effect. A step that returned nil has.
//
// proves P3
func TestUnavailableIsTrue(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			direct := e.new(t)
			direct.migrate(t)
			sure := direct.open(t)
			s, r := relayed(t, direct)
			s.conns = 1
			st := s.open(t)
			p, err := newRoot(t.Context(), sure, store.Unlimited)
			require.NoError(t, err)
			for _, c := range changes {
				r.allow(-1, -1)
				do, _ := c.start(t, p)
				require.NoError(t, do(st))
				r.cut()
				r.allow(-1, -1)
				do, _ = c.start(t, p)
				if do(st) != nil { // it found the connection that was cut
					require.NoError(t, do(st))
				}
				most := r.allow(-1, -1)
				var yes, no, unknown int
				for direction := range 2 {
					for n := 0; n < most[direction]; n++ {
						if n < most[direction]-60 { // all cuts near the COMMIT
							n += most[direction] / rounds(50)
						}
						allowed := [2]int{-1, -1}
						allowed[direction] = n
						r.allow(allowed[0], allowed[1])
						do, done := c.start(t, p)
						err := do(st)
						r.allow(-1, -1)
						switch did := done(sure); {
						case errors.Is(err, store.ErrUnavailable):
							no++
							assert.False(t, did, "%s took effect: cut after %d bytes (direction %d): %v", c.name, n, direction, err)
						case err == nil:
							yes++
							assert.True(t, did, "%s returned nil: cut after %d bytes (direction %d)", c.name, n, direction)
						default:
							unknown++
							assert.False(t, store.IsDefinite(err), "%v", err)
						}
					}
				}
				t.Logf("%s: %d with effect, %d without, %d unknown", c.name, yes, no, unknown)
				assert.NotZero(t, no, "%s: cuts before anything took effect", c.name)
				assert.NotZero(t, unknown, "%s: cuts that leave the outcome open", c.name)
			}
		})
	}
}

// The same holds for batches: each use learns what is known about it.
//
// proves P3, P8
func TestUnavailableIsTrueOfBatches(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			direct := e.new(t)
			direct.migrate(t)
			sure := direct.open(t)
			s, r := relayed(t, direct)
			s.conns = 3
			st := s.open(t)
			p, err := newRoot(t.Context(), sure, store.Unlimited)
			require.NoError(t, err)
			no := 0
			for i := range rounds(60) {
				r.allow(-1, -1)
				require.NoError(t, spend(t.Context(), sure, p))
				if i%2 == 0 {
					r.allow(150*i, -1)
				} else {
					r.allow(-1, 50*i)
				}
				type outcome struct {
					use store.Use
					err error
				}
				outcomes := make(chan outcome)
				const callers = 8
				for range callers {
					go func() {
						u := newUse()
						ctx, cancel := context.WithTimeout(t.Context(), time.Second)
						defer cancel()
						_, err := st.Spend(ctx, p, u)
						outcomes <- outcome{u, err}
					}()
				}
				var all []outcome
				for range callers {
					all = append(all, <-outcomes)
				}
				for _, o := range all {
					spent, err := sure.Spend(t.Context(), p, o.use)
					require.NoError(t, err)
					if errors.Is(o.err, store.ErrUnavailable) {
						no++
						assert.False(t, spent.Repeated, "the use took effect: %v", o.err)
					}
					if o.err == nil {
						assert.True(t, spent.Repeated, "the use was granted")
					}
				}
			}
			assert.NotZero(t, no, "the cuts hit nothing")
		})
	}
}

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
	_, errs["BeginRefresh"] = st.BeginRefresh(ctx, info.Grant, store.LeaseID{1}, 1, time.Second)
	errs["EndRefresh"] = st.EndRefresh(ctx, info.Grant, store.LeaseID{1}, 1, store.RefreshDone, 1)
	errs["CommitRefresh"] = st.CommitRefresh(ctx, store.Commit{Grant: info.Grant, Lease: store.LeaseID{1}, Generation: 1, Token: store.Sealed("x"), Now: 1})
	errs["ChangeTickets"] = st.ChangeTickets(ctx, store.TicketChanges{Put: []store.Ticket{newTicket(p.ID)}}, 1)
	_, errs["ResolveTicket"] = st.ResolveTicket(ctx, store.TicketTransfer, []store.TicketID{{1}}, 1)
	errs["TakeTicket"] = st.TakeTicket(ctx, store.TicketRef{Kind: store.TicketTransfer, ID: store.TicketID{1}}, store.UseID{1}, store.Event{}, 1)
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

// A COMMIT without an answer leaves the outcome open, also for a step that is repeated
// within the call, and for what follows the first transaction of a step.
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
		commits := 0
		after := func(n int) func(context.Context, statement) error {
			commits = 0
			return func(_ context.Context, said statement) error {
				if said.is("COMMIT") {
					commits++
				}
				if commits >= n && (said.is("COMMIT") || n > 1) {
					return lost
				}
				return nil
			}
		}
		sp.hook(nil, after(1))
		for name, err := range map[string]error{
			"CreateRoot":    func() error { _, err := newRoot(t.Context(), st, 5); return err }(),
			"ChangeTickets": st.ChangeTickets(t.Context(), store.TicketChanges{Put: []store.Ticket{newTicket(p.ID)}}, 1),
			"CommitRefresh": st.CommitRefresh(t.Context(), store.Commit{Grant: info.Grant, Lease: store.LeaseID{1}, Generation: 1, Token: store.Sealed("x"), Now: 1}),
			"Ping":          st.Ping(t.Context()),
		} {
			require.ErrorIs(t, err, lost, name)
			assert.NotErrorIs(t, err, store.ErrUnavailable, name)
		}
		// The tombstone is committed, and then the server is away.
		sp.hook(func(_ context.Context, said statement) error {
			if commits > 0 {
				return lost
			}
			return nil
		}, func(_ context.Context, said statement) error {
			if said.is("COMMIT") {
				commits++
			}
			return nil
		})
		commits = 0
		_, err = st.Revoke(t.Context(), store.Revocation{Token: p.ID, Recursive: true, Now: 5})
		require.ErrorIs(t, err, lost)
		require.NotErrorIs(t, err, store.ErrUnavailable, "Revoke")
		sp.hook(nil, nil)
		after2, err := st.Token(t.Context(), p.ID)
		require.NoError(t, err)
		assert.NotZero(t, after2.Revoked, "the tombstone holds")
	})
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
