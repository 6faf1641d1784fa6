// Package memstore keeps the state of an issuer in memory. It is for tests, and for tools
// of a single process whose tokens may end with it.
//
//	s := memstore.New()
//
// It implements the whole contract of [store.Store], except that nothing survives the
// process. One mutex guards everything, so each step is atomic and linearizable. A store
// copies whatever goes in or comes out. In a test, several nodes share one *Store.
//
// Lists take time proportional to what the owner or the grant has. Revoke and DeleteOwner
// also look at every ticket. Sweep, Sealed and Dump look at everything that is stored.
package memstore

import (
	"bytes"
	"context"
	"sync"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/rules"
)

// Store implements [store.Store]. Call [New] to make one; the zero value is not usable.
type Store struct {
	mu sync.Mutex

	tokens  map[store.TokenID]*token
	grants  map[store.GrantID]*grant
	tickets map[store.TicketRef]*rules.Ticket
	uses    map[store.UseID]*use
	byOwner map[store.OwnerID][]*token // in order of creation
	byGrant map[store.GrantID][]*token // in order of creation
	serial  int64                      // of the newest token or event
}

var _ store.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{
		tokens:  make(map[store.TokenID]*token),
		grants:  make(map[store.GrantID]*grant),
		tickets: make(map[store.TicketRef]*rules.Ticket),
		uses:    make(map[store.UseID]*use),
		byOwner: make(map[store.OwnerID][]*token),
		byGrant: make(map[store.GrantID][]*token),
	}
}

// lock begins a step. It returns the error of a context that has ended.
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
