package sqlstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

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
	{"ChangeItems", func(t *testing.T, p store.Presented) (func(store.Store) error, func(store.Store) bool) {
		c := newItems(p.ID)
		return func(on store.Store) error { return on.ChangeItems(t.Context(), c) },
			func(on store.Store) bool {
				items, err := on.Items(t.Context(), c.Owner)
				require.NoError(t, err)
				return items.Revision == 1
			}
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

// throughRelay returns a store with so many connections, all of them through the relay r.
// The store sure uses the same database directly, and holds the token p.
func throughRelay(t *testing.T, direct site, conns int) (st *sqlstore.Store, r *relay, sure *sqlstore.Store, p store.Presented) {
	t.Helper()
	direct.migrate(t)
	sure = direct.open(t)
	s, r := relayed(t, direct)
	s.conns = conns
	p, err := newRoot(t.Context(), sure, store.Unlimited)
	require.NoError(t, err)
	return s.open(t), r, sure, p
}

// The network fails after any number of bytes, in either direction. A step whose error is
// an ErrUnavailable has not taken effect. A step that returned nil has.
//
// proves P3
func TestUnavailableIsTrue(t *testing.T) {
	for _, e := range engines[1:] {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			st, r, sure, p := throughRelay(t, e.new(t), 1)
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
			st, r, sure, p := throughRelay(t, e.new(t), 3)
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
