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

// testCase is one named part of the suite.
type testCase struct {
	name string
	run  func(*env)
	// alone asks for a store that no other case uses.
	alone bool
}

// nodes is how many handles the cases work with.
const nodes = 4

// Run runs the whole suite.
func Run(t *testing.T, h Harness) {
	shared := h.open(t)
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			b := shared
			if c.alone {
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

// cases returns the suite, in order.
func cases() []testCase {
	var all []testCase
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"create", createCases},
		{"child", childCases},
		{"value", valueCases},
		{"presented", presentedCases},
		{"spend", spendCases},
		{"budget", budgetCases},
		{"refund", refundCases},
		{"rotate", rotateCases},
		{"revoke", revokeCases},
		{"refresh", refreshCases},
		{"grant", grantCases},
		{"ticket", ticketCases},
		{"ticket change", ticketChangeCases},
		{"ticket race", ticketRaceCases},
		{"record", recordCases},
		{"sealed", sealedCases},
		{"leak", leakCases},
		{"sweep", sweepCases},
		{"repeat", repeatCases},
		{"mixed", mixedCases},
	} {
		for _, c := range group.cases {
			c.name = group.name + "/" + c.name
			all = append(all, c)
		}
	}
	return all
}
