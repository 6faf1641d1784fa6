package sqlstore

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
)

// newOn returns a store on a database of its own.
func newOn(t *testing.T, driver, dsn string, d Dialect) *Store {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	require.NoError(t, Migrate(t.Context(), db, d, Options{}))
	s, err := New(t.Context(), db, d, Options{})
	require.NoError(t, err)
	return s
}

// stepwise is an engine without the query that decides and writes at once.
type stepwise struct{ engine }

func (stepwise) spendAtOnce(*atOnce) (string, []any) { return "", nil }

// Compound statements, and the query of PostgreSQL, answer and write what the store
// answers and writes without them, whatever a batch consists of.
//
// proves P3, P5
func TestCompoundsDecideAsTransactionsDo(t *testing.T) {
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		with, without := newOn(t, "mysql", dbtest.NewMySQL(t), MySQL), newOn(t, "mysql", dbtest.NewMySQL(t), MySQL)
		if with.engine != (mysql{compounds: true}) {
			t.Skip("SKIPPED: the server runs no compound statements")
		}
		without.engine = mysql{}
		decideAlike(t, with, without)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		with, without := newOn(t, "pgx", dbtest.NewPostgreSQL(t), PostgreSQL), newOn(t, "pgx", dbtest.NewPostgreSQL(t), PostgreSQL)
		without.engine = stepwise{postgresql{}}
		decideAlike(t, with, without)
	})
}

func decideAlike(t *testing.T, with, without *Store) {
	t.Helper()
	var seen sight
	rounds := 10
	if os.Getenv("CI_LONG") != "" {
		rounds = 100
	}
	for seed := range uint64(rounds) {
		sc := &script{Rand: rand.New(rand.NewPCG(seed, 0)), seed: seed, now: 1e15}
		sc.setUp(t, with, without)
		for i := range 15 {
			batch := sc.batch()
			a, b := sc.run(t, with, without, batch)
			require.Equal(t, b, a, "batch %d of seed %d: %s", i, seed, batch)
			seen.add(a)
			sc.meddle(t, with, without)
			require.Equal(t, sc.describe(t, without), sc.describe(t, with), "after batch %d of seed %d: %s", i, seed, batch)
		}
		seen.once, seen.ended, seen.born = seen.once+sc.once, seen.ended+sc.ended, seen.born+len(sc.born)
	}
	t.Logf("%+v", seen)
	for _, n := range []int{seen.granted, seen.refused, seen.repeated, seen.leased, seen.unleased, seen.tickets, seen.states, seen.once, seen.ended, seen.born} {
		assert.Greater(t, n, 5, "%+v", seen)
	}
}

// sight counts what the batches of a test were about.
type sight struct {
	granted, refused, repeated, leased, unleased, tickets, states int
	once, ended, born                                             int // uses and ends at once; new tokens
}

func (s *sight) add(all []outcome) {
	for _, o := range all {
		switch {
		case o.failed != "":
			s.refused++
		case o.spent.Repeated:
			s.repeated++
		default:
			s.granted++
		}
		if o.spent.Refresh != nil {
			s.leased++
		} else if o.asked {
			s.unleased++
		}
		s.tickets += int(flag(o.spent.Ticket != nil))
		s.states += int(flag(o.spent.State != nil))
	}
}

// outcome is the answer to a member of a batch.
type outcome struct {
	asked  bool // for a lease
	spent  store.Spent
	failed string
}

// run commits a batch. with does as much as it can at once, and then the rest. without
// makes the same two steps as transactions.
func (sc *script) run(t *testing.T, with, without *Store, b batchOf) (a, c []outcome) {
	t.Helper()
	members, others := b.members(), b.members()
	if err := with.spendAtOnce(t.Context(), members); err != nil {
		require.True(t, with.again(err), "%v", err)
	}
	granted := slices.ContainsFunc(members, func(m *member) bool { return m.end == nil && m.done })
	var first, rest, restOfOthers []*member
	for i, m := range members {
		if !m.done {
			rest = append(rest, m)
		}
		// A statement that has granted uses has also made the ends that it does not report.
		if m.done || m.end != nil && granted {
			first = append(first, others[i])
		} else {
			restOfOthers = append(restOfOthers, others[i])
		}
		sc.once += int(flag(m.done && m.end == nil))
		sc.ended += int(flag(m.done && m.end != nil))
	}
	engine := with.engine
	with.engine = stepwise{engine}
	require.NoError(t, with.spendAll(t.Context(), rest))
	with.engine = engine
	require.NoError(t, without.spendAll(t.Context(), first))
	require.NoError(t, without.spendAll(t.Context(), restOfOthers))
	for i, child := range b.children {
		if m := members[len(b.ends)+i]; child != nil && m.err == nil && !m.spent.Repeated {
			sc.born = append(sc.born, child.ID)
		}
	}
	return outcomes(t, with, members, len(b.uses)), outcomes(t, without, others, len(b.uses))
}

// outcomes returns the answers to the uses of a batch. It makes the ends that the batch
// has left.
func outcomes(t *testing.T, s *Store, members []*member, uses int) []outcome {
	t.Helper()
	var all []outcome
	for _, m := range members {
		if m.end != nil { // EndRefresh reads the grant if the batch has not ended the lease
			require.NoError(t, s.EndRefresh(t.Context(), *m.end))
			continue
		}
		o := outcome{spent: m.spent}
		if m.err != nil {
			o.failed, o.spent = fmt.Sprintf("%T %v", m.err, m.err), store.Spent{}
		}
		o.asked = m.err == nil && !m.use.Lease.ID.IsZero()
		if st := o.spent.State; st != nil {
			st.LastUsed = 0 // a store may be late with it
			if uses > 1 {
				st.Counters = nil // it may show later uses of the batch
			}
		}
		all = append(all, o)
	}
	return all
}
