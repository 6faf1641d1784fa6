// Package memstore keeps the state of an issuer in memory. It is for tests, and for
// single-process tools whose tokens may be lost when the process ends.
//
//	s := memstore.New()
//
// It implements the whole contract of [store.Store], except that nothing survives the
// process. One mutex guards everything, so each step is atomic and linearizable. A store
// copies the slices that it is given and those that it returns. To simulate several nodes
// in a test, let them share one *Store.
//
// Lists take time proportional to the number of tokens of the owner or the grant. Revoke
// also looks at every ticket. Links looks at every link, and so does ChangeItems if it
// deletes items; a link that clears others looks at every token. DeleteOwner looks at every
// grant, ticket, remembered use and link. Sweep, Sealed and Dump look at everything.
package memstore

import (
	"bytes"
	"context"
	"sync"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// Store implements [store.Store]. It is safe for concurrent use. Call [New] to make one;
// the zero value is not usable.
type Store struct {
	mu sync.Mutex

	tokens     map[store.TokenID]*token
	grants     map[store.GrantID]*grant
	tickets    map[store.TicketRef]*rules.Ticket
	uses       map[store.UseID]*use
	processes  rules.Processes
	belongings map[store.OwnerID]*belongings
	itemOwners map[store.ItemID]store.OwnerID
	links      map[linkKey]link
	byOwner    map[store.OwnerID][]*token // in order of creation
	byGrant    map[store.GrantID][]*token // in order of creation
	serial     int64                      // of the newest token or event
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{
		tokens:     make(map[store.TokenID]*token),
		grants:     make(map[store.GrantID]*grant),
		tickets:    make(map[store.TicketRef]*rules.Ticket),
		uses:       make(map[store.UseID]*use),
		processes:  make(rules.Processes),
		belongings: make(map[store.OwnerID]*belongings),
		itemOwners: make(map[store.ItemID]store.OwnerID),
		links:      make(map[linkKey]link),
		byOwner:    make(map[store.OwnerID][]*token),
		byGrant:    make(map[store.GrantID][]*token),
	}
}

// lock begins a step. If the context has ended, lock returns its error and locks nothing.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	return nil
}

func (s *Store) nextSerial() int64 {
	s.serial++
	return s.serial
}

func clone(b store.Sealed) store.Sealed { return bytes.Clone(b) }
