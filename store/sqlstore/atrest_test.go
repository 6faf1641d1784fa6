package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
	"github.com/mytoken-go/sdk/store/sqlstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// life uses the store like an issuer, with secrets that a test can look for.
type life struct {
	t       *testing.T
	st      store.Store
	ring    *seal.Ring
	key     seal.DataKey
	grant   store.GrantID
	owner   store.OwnerID
	secrets []string
	n       byte // of the newest token
}

const lifeNow = store.Micros(1_900_000_000_000_000)

func newLife(t *testing.T, st store.Store, ring *seal.Ring) *life {
	l := &life{t: t, st: st, ring: ring, key: seal.NewDataKey()}
	l.secrets = append(l.secrets, string(l.key.Reveal()))
	fresh(l.grant[:])
	fresh(l.owner[:])
	return l
}

// secret returns a new secret that the test will look for.
func (l *life) secret(kind string) string {
	var b [24]byte
	fresh(b[:])
	s := fmt.Sprintf("%s-%x", kind, b)
	l.secrets = append(l.secrets, s)
	return s
}

func (l *life) ok(err error) {
	l.t.Helper()
	require.NoError(l.t, err)
}

func sealed(t *testing.T) func(store.Sealed, error) store.Sealed {
	return func(s store.Sealed, err error) store.Sealed {
		t.Helper()
		require.NoError(t, err)
		return s
	}
}

// token returns a token whose compact form is a secret.
func (l *life) token(compact string) store.Token {
	l.n++
	t := store.Token{Grant: l.grant, Owner: l.owner, Sum: store.Sum{l.n}, Created: lifeNow, Events: []store.Event{{Name: "created", Comment: "a comment to be found", Time: lifeNow}}}
	fresh(t.ID[:])
	t.Key = l.wrap(t.ID, 1, compact)
	t.About = sealed(l.t)(l.ring.Seal(store.AboutPlace(t.ID), []byte(l.secret("about"))))
	return t
}

func (l *life) wrap(id store.TokenID, seq uint64, compact string) store.Sealed {
	l.t.Helper()
	return sealed(l.t)(l.ring.SealWith(store.TokenKeyPlace(id, seq), seal.FromSecret(seal.PurposeTokenKey, compact), l.key.Reveal()))
}

func (l *life) refreshToken(generation uint64) store.Sealed {
	l.t.Helper()
	return sealed(l.t)(l.ring.SealWith(store.RefreshTokenPlace(l.grant, generation), l.key, []byte(l.secret("refresh-token"))))
}

// ticket returns a ticket for a secret code, with a secret payload.
func (l *life) ticket(kind store.TicketKind, status store.TicketStatus, token store.TokenID) store.Ticket {
	l.t.Helper()
	code := l.secret("code")
	t := store.Ticket{Status: status, Token: token, Expires: lifeNow + 1e9}
	t.Kind = kind
	t.ID = l.ring.Lookup(kind, code)[0]
	t.Payload = sealed(l.t)(l.ring.SealWith(store.TicketPayloadPlace(t.TicketRef), seal.FromSecret(seal.PurposeTicketPayload, code), []byte(l.secret("payload"))))
	return t
}

// whole makes every kind of step: log in, derive, rotate, transfer, use a short token,
// refresh with a new refresh token, revoke.
func (l *life) whole(ctx context.Context) {
	state, polling := l.ticket(store.TicketState, store.TicketPending, store.TokenID{}), l.ticket(store.TicketPolling, store.TicketPending, store.TokenID{})
	l.ok(l.st.ChangeTickets(ctx, store.TicketChanges{Put: []store.Ticket{state, polling}}, lifeNow))
	rootText := l.secret("compact-token")
	root := l.token(rootText)
	l.ok(l.st.CreateRoot(ctx, store.Grant{ID: l.grant, Owner: l.owner, Refresh: l.refreshToken(1), Scope: "openid", Created: lifeNow}, root,
		store.TicketChanges{By: store.UseID{1}, Consume: []store.TicketRef{state.TicketRef}, Complete: []store.Completion{{TicketRef: polling.TicketRef, Status: store.TicketReady, Payload: polling.Payload, Token: root.ID}}}))
	l.ok(l.st.TakeTicket(ctx, polling.TicketRef, store.UseID{2}, store.Event{Name: "polled", Time: lifeNow}, lifeNow))

	presented := store.Presented{ID: root.ID, Seq: 1, Sum: root.Sum}
	child := l.token(l.secret("compact-token"))
	transfer := l.ticket(store.TicketTransfer, store.TicketReady, child.ID)
	use := store.Use{Kind: store.UseOther, Now: lifeNow, Tickets: store.TicketChanges{Put: []store.Ticket{transfer}}}
	fresh(use.ID[:])
	_, err := l.st.CreateChild(ctx, presented, use, child)
	l.ok(err)
	l.ok(l.st.TakeTicket(ctx, transfer.TicketRef, store.UseID{3}, store.Event{}, lifeNow))
	kept := l.ticket(store.TicketTransfer, store.TicketReady, child.ID)
	short := l.secret("a-short-token-of-sufficient-length")
	shortTicket := store.Ticket{TicketRef: store.TicketRef{Kind: store.TicketShort, ID: seal.ShortTokenID(short)}, Status: store.TicketReady, Token: child.ID}
	shortTicket.Payload = sealed(l.t)(l.ring.SealWith(store.TicketPayloadPlace(shortTicket.TicketRef), seal.FromSecret(seal.PurposeTicketPayload, short), []byte(l.secret("compact-token"))))
	l.ok(l.st.ChangeTickets(ctx, store.TicketChanges{Put: []store.Ticket{kept, shortTicket}}, lifeNow))

	l.belongings(ctx, child.ID)
	nextText := l.secret("compact-token")
	r := store.Rotation{From: presented, To: store.Presented{ID: root.ID, Seq: 2, Sum: store.Sum{0xff}}, Key: l.wrap(root.ID, 2, nextText), Now: lifeNow, Grace: time.Hour}
	r.Successor = sealed(l.t)(l.ring.SealWith(store.SuccessorPlace(root.ID, 1), seal.FromSecret(seal.PurposeSuccessor, rootText), []byte(nextText)))
	_, err = l.st.Rotate(ctx, r)
	l.ok(err)

	lease := store.LeaseID{1}
	_, err = l.st.BeginRefresh(ctx, store.Begin{Grant: l.grant, Lease: lease, Now: lifeNow, TTL: time.Second})
	l.ok(err)
	l.ok(l.st.CommitRefresh(ctx, store.Commit{Grant: l.grant, Lease: lease, Generation: 1, Token: l.refreshToken(2), Now: lifeNow}))
	l.ok(l.st.CommitRefresh(ctx, store.Commit{Grant: l.grant, Lease: store.LeaseID{2}, Generation: 1, Token: l.refreshToken(2), Now: lifeNow}))
	l.ok(l.st.EndRefresh(ctx, store.End{Grant: l.grant, Lease: lease, Generation: 2, Outcome: store.RefreshDone, Now: lifeNow}))
	_, err = l.st.Revoke(ctx, store.Revocation{Token: child.ID, Recursive: true, By: r.To, Now: lifeNow, Event: store.Event{Name: "revoked", Time: lifeNow}})
	l.ok(err)
}

// item returns a tag with a secret name.
func (l *life) item() store.Item {
	l.t.Helper()
	item := store.Item{Kind: store.ItemTag}
	fresh(item.ID[:])
	item.Contents = sealed(l.t)(l.ring.Seal(store.ItemPlace(l.owner, item.ID, item.Kind), []byte(l.secret("name-of-a-tag"))))
	return item
}

// belongings puts, replaces, links and deletes items, and keeps one of them.
func (l *life) belongings(ctx context.Context, token store.TokenID) {
	l.t.Helper()
	kept, gone := l.item(), l.item()
	for revision, c := range []store.ItemChanges{
		{Put: []store.Item{kept, gone}, Links: []store.NewLink{{Link: store.Link{Item: kept.ID, Token: token, Own: true}}}},
		{Put: []store.Item{{ID: kept.ID, Kind: kept.Kind, Contents: sealed(l.t)(l.ring.Seal(store.ItemPlace(l.owner, kept.ID, kept.Kind), []byte(l.secret("name-of-a-tag"))))}}},
		{Delete: []store.ItemID{gone.ID}},
	} {
		c.Owner, c.Revision, c.Now = l.owner, uint64(revision), lifeNow
		fresh(c.ID[:])
		l.ok(l.st.ChangeItems(ctx, c))
	}
}

func newRing(t *testing.T) (*seal.Ring, seal.Key) {
	t.Helper()
	key := seal.NewKey()
	ring, err := seal.NewRing(seal.RingConfig{Active: key})
	require.NoError(t, err)
	return ring, key
}

// A real dump of a database after every kind of step contains no secret, neither those of
// users nor the keys that open them.
//
// proves P7
func TestDumpHoldsNoSecret(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.migrate(t)
		ring, key := newRing(t)
		l := newLife(t, s.on(t, db), ring)
		l.whole(t.Context())
		dump := s.dump(t, db)
		for _, leak := range storetest.FindSecrets(dump, append(slices.Clone(l.secrets), key.Reveal())...) {
			t.Errorf("the dump holds %s: %.13s…", leak, append(slices.Clone(l.secrets), key.Reveal())[leak.Secret])
		}
		// The search does find ids that are in the dump.
		if len(storetest.FindSecrets(dump, "a comment to be found")) == 0 {
			t.Error("the dump lacks a text that is stored in plain: it is no dump of the store")
		}
		root, _, err := l.st.List(t.Context(), l.owner, store.Page{Limit: 1})
		if err != nil || len(root) != 1 {
			t.Fatal(err)
		}
		if len(storetest.FindSecrets(dump, root[0].About)) == 0 {
			t.Error("the dump does not hold a sealed value")
		}
	})
}

// dump returns the output of the database's own tool, or the database files.
func (s site) dump(t *testing.T, db *sql.DB) []byte {
	t.Helper()
	var cmd *exec.Cmd
	switch s.dialect {
	case sqlstore.PostgreSQL:
		config, err := pgx.ParseConfig(s.address)
		require.NoError(t, err)
		cmd = exec.CommandContext(t.Context(), "pg_dump", "--host", config.Host, "--port", fmt.Sprint(config.Port), "--username", config.User, "--schema", s.opts.Schema, config.Database)
		cmd.Env = append(os.Environ(), "PGPASSWORD="+config.Password)
	case sqlstore.MySQL:
		config, err := mysql.ParseDSN(s.address)
		require.NoError(t, err)
		host, port, err := net.SplitHostPort(config.Addr)
		require.NoError(t, err)
		cmd = exec.CommandContext(t.Context(), "mysqldump", "--host", host, "--port", port, "--user", config.User, "--hex-blob", config.DBName)
		cmd.Env = append(os.Environ(), "MYSQL_PWD="+config.Passwd)
	default:
		var all []byte
		for _, suffix := range []string{"", "-wal", "-shm"} {
			b, err := os.ReadFile(s.address + suffix)
			require.NoError(t, err)
			all = append(all, b...)
		}
		return all
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		dbtest.Missing(t, cmd.Args[0], "PATH", err)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd.Args[0], err, stderr.String())
	}
	return out
}

// The server's keys are replaced while requests run. Everything moves under the new key,
// and nothing is lost.
//
// proves P7
func TestServerKeyIsReplacedInUse(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		st := s.on(t, s.migrate(t))
		ring, old := newRing(t)
		var lives []*life
		for range 3 {
			l := newLife(t, st, ring)
			l.whole(t.Context())
			lives = append(lives, l)
		}
		during, err := seal.NewRing(seal.RingConfig{Active: seal.NewKey(), Others: []seal.Key{old}})
		require.NoError(t, err)
		var wg sync.WaitGroup
		for _, l := range lives {
			l.ring = during
			wg.Go(func() {
				for generation := uint64(2); generation < 8; generation++ {
					lease := store.LeaseID{byte(generation), 1}
					if _, err := st.BeginRefresh(t.Context(), store.Begin{Grant: l.grant, Lease: lease, Now: lifeNow, TTL: time.Second}); err != nil {
						t.Errorf("BeginRefresh: %v", err)
					}
					assert.NoError(t, st.CommitRefresh(t.Context(), store.Commit{Grant: l.grant, Lease: lease, Generation: generation, Token: l.refreshToken(generation + 1), Now: lifeNow}), "CommitRefresh")
					assert.NoError(t, st.EndRefresh(t.Context(), store.End{Grant: l.grant, Lease: lease, Generation: generation + 1, Outcome: store.RefreshDone, Now: lifeNow}), "EndRefresh")
				}
			})
		}
		if _, err := seal.Rewrap(t.Context(), st, during, 5); err != nil {
			t.Errorf("Rewrap: %v", err)
		}
		wg.Wait()
		n, err := seal.Rewrap(t.Context(), st, during, 5)
		if err != nil || n != 0 {
			t.Errorf("Rewrap again: %d, %v; everything should be under the new key", n, err)
		}
		for _, l := range lives {
			g, err := st.Grant(t.Context(), l.grant)
			if err != nil || g.Generation != 8 {
				t.Fatalf("Grant: generation %d, %v", g.Generation, err)
			}
			if _, err := during.OpenWith(store.RefreshTokenPlace(l.grant, 8), l.key, g.Token); err != nil {
				t.Errorf("the refresh token does not open: %v", err)
			}
			items, err := st.Items(t.Context(), l.owner)
			if err != nil || len(items.List) != 1 {
				t.Fatalf("Items: %d items, %v", len(items.List), err)
			}
			item := items.List[0]
			if _, err := during.Open(store.ItemPlace(l.owner, item.ID, item.Kind), item.Contents); err != nil {
				t.Errorf("an item does not open: %v", err)
			}
		}
	})
}

// An attacker who can write to the database copies the row of one token onto another one.
// The copy opens nothing.
//
// proves P7
func TestStolenRowOpensNothing(t *testing.T) {
	onEach(t, func(t *testing.T, s site) {
		db := s.migrate(t)
		st := s.on(t, db)
		ring, _ := newRing(t)
		var tokens [2]store.Token
		for i := range tokens {
			l := newLife(t, st, ring)
			tokens[i] = l.token("the thief's compact token")
			l.ok(st.CreateRoot(t.Context(), store.Grant{ID: l.grant, Owner: l.owner, Refresh: l.refreshToken(1), Created: lifeNow}, tokens[i], store.TicketChanges{}))
		}
		victim, thief := tokens[0], tokens[1]
		stolen, err := st.Lookup(t.Context(), store.Presented{ID: victim.ID, Seq: 1, Sum: victim.Sum}, lifeNow)
		require.NoError(t, err)
		for _, column := range []string{"sealed_key", "about"} {
			text := fmt.Sprintf("UPDATE %s SET %s = %s WHERE token_id = %s", s.table("tokens"), column,
				s.literal(map[string]store.Sealed{"sealed_key": stolen.Key, "about": stolen.About}[column]), s.literal(thief.ID[:]))
			if _, err := db.ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		state, err := st.Lookup(t.Context(), store.Presented{ID: thief.ID, Seq: 1, Sum: thief.Sum}, lifeNow)
		if err != nil || !slices.Equal(state.Key, stolen.Key) {
			t.Fatalf("Lookup: %v; the row was not copied", err)
		}
		var owners [2]store.OwnerID
		var items [2]store.Item
		for i := range items {
			l := newLife(t, st, ring)
			owners[i], items[i] = l.owner, l.item()
			l.ok(st.ChangeItems(t.Context(), store.ItemChanges{Owner: l.owner, ID: store.UseID{1}, Put: items[i : i+1], Now: lifeNow}))
		}
		s.run(t, db, fmt.Sprintf("UPDATE %s SET contents = %s WHERE item_id = %s", s.table("items"), s.literal(items[0].Contents), s.literal(items[1].ID[:])))
		kept, err := st.Items(t.Context(), owners[1])
		if err != nil || !slices.Equal(kept.List[0].Contents, items[0].Contents) {
			t.Fatalf("Items: %v; the row was not copied", err)
		}
		if _, err := ring.Open(store.ItemPlace(owners[1], items[1].ID, items[1].Kind), kept.List[0].Contents); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("the stolen item: %v, want ErrOpen", err)
		}
		secret := seal.FromSecret(seal.PurposeTokenKey, "the thief's compact token")
		if _, err := ring.OpenWith(store.TokenKeyPlace(thief.ID, 1), secret, state.Key); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("the stolen key: %v, want ErrOpen", err)
		}
		if _, err := ring.Open(store.AboutPlace(thief.ID), state.About); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("the stolen description: %v, want ErrOpen", err)
		}
	})
}
