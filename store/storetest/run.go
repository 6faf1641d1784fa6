// Package storetest is the conformance suite for implementations of [store.Store], and
// tools for tests of what uses a store.
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
// effect. [FindSecrets] searches a dump for secrets.
//
// Only tests import this package.
package storetest

import (
	"context"
	"testing"

	"github.com/mytoken-go/sdk/store"
)

// Harness tells the suite how to open the stores that it tests.
type Harness struct {
	// Open returns a fresh, empty store. Register with t.Cleanup what must be closed
	// afterwards. The suite calls Open several times, never concurrently. t may be
	// stricter than a *testing.T. Required.
	Open func(t testing.TB, nodes int) Backend
	// Rounds is how often the suite repeats the cases about concurrency. 0 means 10:
	// about 9000 calls and some 20 stores.
	Rounds int
	// MaxDepth is how many ancestors the store allows. 0 means [store.MaxDepth].
	MaxDepth int
}

// Backend is one store, seen from several nodes.
type Backend struct {
	// Nodes are as many handles as Open was asked for. Handles of different connection
	// pools find more bugs than copies of one handle do, and handles of different
	// processes even more.
	Nodes []store.Store
	// Dump returns everything that the store holds, as a thief would find it: rows, but
	// no backups and no logs. Required.
	Dump func(context.Context) ([]byte, error)
}

// nodes is how many handles the cases work with.
const nodes = 4

// Run runs the whole suite.
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
