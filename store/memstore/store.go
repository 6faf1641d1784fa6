// Package memstore keeps the state of an issuer in memory: for tests, and for
// tools of a single process whose tokens may end with it.
//
//	s := memstore.New()
//
// It implements the whole contract of [store.Store] except that nothing
// survives the process. One mutex guards everything, so each step is atomic
// and linearizable by construction; whatever goes in or comes out is copied.
// Several nodes in one test share one *Store.
//
// Lists cost time proportional to what the owner or the grant has, Revoke and
// DeleteOwner look at every ticket as well, and Sweep, Sealed and Dump at
// everything that is stored.
package memstore

import (
	"bytes"
	"context"
	"sync"

	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/internal/ticket"
)

// Store implements [store.Store]. Its zero value is not usable, see [New].
type Store struct {
	mu sync.Mutex

	tokens  map[store.TokenID]*token
	grants  map[store.GrantID]*grant
	tickets map[store.TicketRef]*ticket.Row
	uses    map[store.UseID]*use
	byOwner map[store.OwnerID][]*token // in order of creation
	byGrant map[store.GrantID][]*token // in order of creation
	serial  uint64                     // of the newest token or event
}

var _ store.Store = (*Store)(nil)

// New returns an empty store. Tokens may have [store.MaxDepth] ancestors.
func New() *Store {
	return &Store{
		tokens:  make(map[store.TokenID]*token),
		grants:  make(map[store.GrantID]*grant),
		tickets: make(map[store.TicketRef]*ticket.Row),
		uses:    make(map[store.UseID]*use),
		byOwner: make(map[store.OwnerID][]*token),
		byGrant: make(map[store.GrantID][]*token),
	}
}

// lock begins a step. A step whose context has ended does not happen.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	return nil
}

func (s *Store) nextSerial() uint64 {
	s.serial++
	return s.serial
}

func clone(b store.Sealed) store.Sealed { return bytes.Clone(b) }

func argument(reason string) error { return &store.ArgumentError{Reason: reason} }
