// Package storetest is the conformance suite for implementations of [store.Store]. It
// also has tools for testing programs that use a store.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Harness{Open: func(t testing.TB, nodes int) storetest.Backend {
//			s := memstore.New()
//			return storetest.Backend{Nodes: slices.Repeat([]store.Store{s}, nodes), Dump: s.Dump}
//		}})
//	}
//
// [Run] checks every promise of package store. It always runs the whole suite.
// [MustCatch] checks the suite itself: it takes a store with a known [Bug] and fails
// unless the suite finds that bug. [Faulty] makes steps fail before or after they take
// effect. [FindSecrets] searches a dump of a database for secrets.
//
// Import this package only in tests. Comments such as "proves P3" name the promise, of
// those listed in PROMISES.md, that a case proves.
package storetest

import (
	"context"
	"testing"

	"github.com/mytoken-go/sdk/store"
)

// Harness tells the suite how to open the stores that it tests.
type Harness struct {
	// Open returns a new, empty store with that many nodes. If the store needs closing,
	// Open registers that with t.Cleanup. The suite calls Open several times, never
	// concurrently. t need not be a *testing.T. Required.
	Open func(t testing.TB, nodes int) Backend
	// Rounds is how often the suite repeats the cases about concurrency. 0 means 10. The
	// suite then makes about 15,000 calls on about 35 stores.
	Rounds int
	// MaxDepth is the most ancestors that the store allows a token. 0 means
	// [store.MaxDepth].
	MaxDepth int
}

// Backend is one store, seen from several nodes.
type Backend struct {
	// Nodes are handles to the store, as many as the argument of Open says. Handles with
	// connection pools of their own find more bugs than copies of one handle. Handles in
	// different processes find even more.
	Nodes []store.Store
	// Dump returns everything that the store holds, as a thief of the database would find
	// it: the rows, but no backups and no logs. Required.
	Dump func(context.Context) ([]byte, error)
}

// nodes is how many handles the cases use.
const nodes = 4

// Run runs the whole suite, each case as a subtest of t.
func Run(t *testing.T, h Harness) {
	common := h.open(t)
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			b := common
			if c.store == alone {
				b = h.open(t)
			}
			c.run(newEnv(t, h, b))
		})
	}
}

func (h Harness) open(t testing.TB) Backend {
	t.Helper()
	b := h.Open(t, nodes)
	if len(b.Nodes) != nodes {
		t.Fatalf("storetest: Harness.Open returned %d handles, want %d", len(b.Nodes), nodes)
	}
	if b.Dump == nil {
		t.Fatalf("storetest: Harness.Open returned no Dump")
	}
	return b
}
