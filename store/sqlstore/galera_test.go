package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/sqlstore"
	"github.com/mytoken-go/sdk/store/storetest"
)

// galeraVariable asks for tests on a Galera cluster. 1 starts a cluster by
// testdata/galera.sh and stops it afterwards. Any other value is the DSNs of the nodes of
// a test cluster, separated by spaces, as that script prints them. The test kills one of
// the nodes in the end.
const galeraVariable = "MYTOKEN_TEST_GALERA"

// galera returns the DSNs of the nodes.
func galera(t *testing.T) []string {
	t.Helper()
	nodes := os.Getenv(galeraVariable)
	switch nodes {
	case "":
		t.Skipf("SKIPPED: nothing was tested on a Galera cluster; set %s=1 to have one started", galeraVariable)
	case "1":
		if found, err := filepath.Glob("/usr/lib/galera/libgalera_smm.so"); err != nil || len(found) == 0 {
			dbtest.Missing(t, "Galera", galeraVariable, errors.New("no library; the package is galera-4"))
		}
		nodes = startGalera(t)
	}
	dsns := strings.Fields(nodes)
	if len(dsns) < 3 {
		t.Fatalf("%d nodes, want three at least", len(dsns))
	}
	return dsns
}

// startGalera starts a cluster for one test.
func startGalera(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "galera") // another user must find it
	require.NoError(t, err)
	script := func(command string) (string, error) {
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", "testdata/galera.sh", command, dir)
		var trouble strings.Builder
		cmd.Stderr = &trouble
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, trouble.String())
		}
		return string(out), err
	}
	t.Cleanup(func() {
		if _, err := script("stop"); err != nil {
			t.Errorf("stop the cluster: %v", err)
		}
	})
	begin := time.Now()
	out, err := script("start")
	if err != nil {
		t.Fatalf("start a cluster: %v", err)
	}
	t.Logf("the cluster was started in %v", time.Since(begin).Round(time.Second))
	_, out, _ = strings.Cut(out, "'")
	out, _, _ = strings.Cut(out, "'")
	return out
}

// newGalera creates a database in the cluster and returns it as each node sees it.
func newGalera(t testing.TB, dsns []string) []site {
	t.Helper()
	name := dbtest.Unique()
	var nodes []site
	for i, dsn := range dsns {
		config, err := mysql.ParseDSN(dsn)
		require.NoError(t, err)
		if i == 0 {
			admin := mySQLAt(dsn).connect(t)
			if _, err := admin.Exec("CREATE DATABASE " + name); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if _, err := admin.Exec("DROP DATABASE " + name); err != nil {
					t.Errorf("drop the database: %v", err)
				}
			})
		}
		config.DBName = name
		nodes = append(nodes, mySQLAt(config.FormatDSN()))
	}
	return nodes
}

// The store works on a cluster of three nodes.
//
// proves P3, P4, P5, P6, P7, P8
func TestGalera(t *testing.T) {
	dsns := galera(t)
	t.Run("contract", func(t *testing.T) { testGaleraContract(t, dsns) })
	t.Run("a node is killed", func(t *testing.T) { testGaleraNodeIsKilled(t, newGalera(t, dsns)) })
}

// testGaleraContract runs the whole contract, with handles on different nodes.
func testGaleraContract(t *testing.T, dsns []string) {
	storetest.Run(t, storetest.Harness{Rounds: rounds(4), Open: func(t testing.TB, handles int) storetest.Backend {
		nodes := newGalera(t, dsns)
		db := nodes[0].migrate(t)
		b := storetest.Backend{Dump: func(ctx context.Context) ([]byte, error) { return nodes[0].rows(ctx, db) }}
		for i := range handles {
			b.Nodes = append(b.Nodes, nodes[i%len(nodes)].open(t))
		}
		return b
	}})
}

// Writers on all nodes spend on tokens with limits, and one node is killed in the middle.
// Its writers continue on other nodes and repeat calls that got no answer. Nothing is
// spent twice, and nothing is lost.
func testGaleraNodeIsKilled(t *testing.T, nodes []site) {
	nodes[0].migrate(t)
	g := &galeraUses{limit: 60}
	for _, n := range nodes {
		g.stores = append(g.stores, n.open(t))
	}
	for range 8 {
		p, err := newRoot(t.Context(), g.stores[0], store.Limit(g.limit))
		require.NoError(t, err)
		g.tokens = append(g.tokens, p)
	}
	g.granted = make([]atomic.Int64, len(g.tokens))
	last := len(nodes) - 1
	victim := nodes[last].pid(t)
	half := len(g.tokens) * g.limit / 2
	g.reached, g.half = func() { kill(t, victim) }, int64(half)

	const callers = 12
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() { g.call(t, c, 4*half/callers) })
	}
	wg.Wait()
	if g.failures.Load() == 0 {
		t.Error("no call failed: the kill hit nothing")
	}
	for _, st := range g.stores[:last] {
		g.check(t, st)
	}
	if _, err := g.stores[0].Revoke(t.Context(), store.Revocation{Token: g.tokens[0].ID, Recursive: true, Now: 5}); err != nil {
		t.Fatal(err)
	}
	assert.ErrorIs(t, spend(t.Context(), g.stores[1], g.tokens[0]), store.ErrRevoked, "Spend on another node after the revocation")
	t.Logf("%d calls failed and were repeated", g.failures.Load())
}

// galeraUses are the uses that the callers make on the nodes of a cluster.
type galeraUses struct {
	stores          []*sqlstore.Store // one on each node
	tokens          []store.Presented
	limit           int
	granted         []atomic.Int64 // of each token
	failures, total atomic.Int64
	half            int64
	reached         func() // called when half of the budgets has been asked for
}

// call uses all tokens. It begins on a node of its own, and moves to the next one if that
// node does not answer.
func (g *galeraUses) call(t *testing.T, caller, uses int) {
	home := caller % len(g.stores)
	for i := range uses {
		at := (caller + i) % len(g.tokens)
		u := newUse()
		var err error
		for {
			if _, err = g.stores[home].Spend(t.Context(), g.tokens[at], u); err == nil || store.IsDefinite(err) {
				break
			}
			if g.failures.Add(1) > 10_000 {
				t.Errorf("repeated too often: %v", err)
				return
			}
			home = (home + 1) % len(g.stores)
			<-time.After(10 * time.Millisecond) // the cluster may be noticing the loss
		}
		if _, exhausted := errors.AsType[*store.ExhaustedError](err); err != nil && !exhausted {
			t.Errorf("Spend: %v", err)
		}
		if err == nil {
			g.granted[at].Add(1)
		}
		if g.total.Add(1) == g.half {
			g.reached()
		}
	}
}

// check compares the granted uses with what a node has recorded.
func (g *galeraUses) check(t *testing.T, st store.Store) {
	t.Helper()
	for i, p := range g.tokens {
		info, err := st.Token(t.Context(), p.ID)
		require.NoError(t, err)
		events, _, err := st.Events(t.Context(), []store.TokenID{p.ID}, store.Page{Limit: 2 * g.limit})
		require.NoError(t, err)
		if n := int(g.granted[i].Load()); n != g.limit || info.Counters[0].ATUsed != int64(g.limit) || len(events) != g.limit {
			t.Errorf("token %d: %d uses granted, %d counted, %d in the history; the limit is %d", i, n, info.Counters[0].ATUsed, len(events), g.limit)
		}
	}
}

// pid returns the process of a node on this machine.
func (s site) pid(t *testing.T) int {
	t.Helper()
	var file string
	db := s.connect(t)
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT @@pid_file").Scan(&file))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	return pid
}

func kill(t *testing.T, pid int) {
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	assert.NoError(t, err)
}
