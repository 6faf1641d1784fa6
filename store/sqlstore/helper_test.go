package sqlstore_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
)

// fresh fills an id at random.
func fresh(id []byte) { _, _ = rand.Read(id) }

var serial atomic.Uint64

// newUse returns a use with an id and an event of its own.
func newUse() store.Use {
	u := store.Use{Kind: store.UseAT, Candidates: []int{0}, Now: 1_000_000}
	binary.BigEndian.PutUint64(u.ID[:], serial.Add(1))
	u.Event = store.Event{Name: "AT_created", Address: "192.0.2.1", UserAgent: "benchmark", Time: u.Now}
	return u
}

// spend uses a token once.
func spend(ctx context.Context, st store.Store, p store.Presented) error {
	_, err := st.Spend(ctx, p, newUse())
	return err
}

// newRoot stores a grant and its root, with one clause.
func newRoot(ctx context.Context, st store.Store, limit store.Limit) (store.Presented, error) {
	var t store.Token
	fresh(t.ID[:])
	fresh(t.Grant[:])
	fresh(t.Owner[:])
	fresh(t.Sum[:])
	t.Key, t.About, t.Created = make(store.Sealed, 92), make(store.Sealed, 60), 1
	t.Clauses = []store.Clause{{AT: limit, Other: store.Unlimited, Draws: store.NoClause}}
	g := store.Grant{ID: t.Grant, Owner: t.Owner, Refresh: make(store.Sealed, 300), Scope: "openid", Created: 1}
	return store.Presented{ID: t.ID, Seq: 1, Sum: t.Sum}, st.CreateRoot(ctx, g, t, store.TicketChanges{})
}

// presented returns a token as its holder presents it.
func presented(c store.Token) store.Presented {
	return store.Presented{ID: c.ID, Seq: 1, Sum: c.Sum}
}

// newChild returns a token to create below a stored one, with a limit of its own.
func newChild(t testing.TB, st store.Store, parent store.TokenID, limit store.Limit) store.Token {
	t.Helper()
	info, err := st.Token(t.Context(), parent)
	require.NoError(t, err)
	c := store.Token{Grant: info.Grant, Owner: info.Owner, Key: make(store.Sealed, 92), Created: 1}
	fresh(c.ID[:])
	fresh(c.Sum[:])
	c.Clauses = []store.Clause{{AT: limit, Other: store.Unlimited, Draws: 0}}
	c.Events = []store.Event{{Name: "created", Time: 1}}
	return c
}

// lineage stores a root and a child whose uses count against the root.
func lineage(t testing.TB, st store.Store) (root, child store.Presented) {
	t.Helper()
	root, err := newRoot(t.Context(), st, 100)
	require.NoError(t, err)
	c := newChild(t, st, root.ID, 100)
	_, err = st.CreateChild(t.Context(), root, store.Use{ID: newUse().ID, Kind: store.UseUncounted, Now: 1}, c)
	require.NoError(t, err)
	return root, presented(c)
}

// newTicket returns a transfer code that is ready.
func newTicket(token store.TokenID) store.Ticket {
	n := store.Ticket{Status: store.TicketReady, Token: token, Key: store.Sealed("key"), Payload: store.Sealed("payload"), Expires: lifeNow}
	n.Kind = store.TicketTransfer
	fresh(n.ID[:])
	return n
}

// newItems returns the first change of an owner's items. It puts one, which is linked with
// the tokens.
func newItems(tokens ...store.TokenID) store.ItemChanges {
	item := store.Item{Kind: store.ItemTag, Contents: store.Sealed("contents")}
	fresh(item.ID[:])
	c := store.ItemChanges{Put: []store.Item{item}, Now: 1}
	fresh(c.Owner[:])
	fresh(c.ID[:])
	for _, id := range tokens {
		c.Links = append(c.Links, store.NewLink{Link: store.Link{Item: item.ID, Token: id, Own: true}})
	}
	return c
}

// run runs a statement.
func (s site) run(t testing.TB, db *sql.DB, text string) {
	t.Helper()
	if _, err := db.ExecContext(context.WithoutCancel(t.Context()), text); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

func (s site) count(t testing.TB, db *sql.DB, table string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+s.table(table)).Scan(&n))
	return n
}

func (s site) literal(b []byte) string {
	if s.dialect == sqlstore.PostgreSQL {
		return fmt.Sprintf(`'\x%x'`, b)
	}
	return fmt.Sprintf("x'%x'", b)
}

func (s site) placeholder(n int) string {
	if s.dialect == sqlstore.PostgreSQL {
		return fmt.Sprintf("$%d", n)
	}
	return "?"
}

// contractElsewhere skips a further run of the whole contract under the race detector: it
// sees the same code in TestStore.
func contractElsewhere(t *testing.T) {
	if underRace {
		t.Skip("SKIPPED under the race detector: TestStore runs the same code")
	}
}
