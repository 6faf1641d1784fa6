package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/mytoken-go/sdk/store"
)

// ErrFault is an error for injected faults: nothing that package store
// documents, so a caller must take it for an outcome that is unknown.
var ErrFault = errors.New("storetest: injected fault")

// Call is one point at which a step can be made to fail.
type Call struct {
	Method string // of store.Store
	N      int    // how many calls of this method have begun, this one included
	// Before says that the step has not happened yet. Otherwise it has been
	// made, with the outcome Err.
	Before bool
	Err    error
}

// Before is the point before the nth call of the method takes effect.
func Before(method string, n int) Call { return Call{Method: method, N: n, Before: true} }

// After is the point after the nth call of the method took effect.
func After(method string, n int) Call { return Call{Method: method, N: n} }

// String names the point, for subtests.
func (c Call) String() string {
	when := "after"
	if c.Before {
		when = "before"
	}
	return fmt.Sprintf("%s %s %d", when, c.Method, c.N)
}

// at reports whether two calls are the same point.
func (c Call) at(p Call) bool { return c.Method == p.Method && c.N == p.N && c.Before == p.Before }

// FailAt makes the step fail with err at one point, once.
func FailAt(point Call, err error) func(Call) error {
	return func(c Call) error {
		if c.at(point) {
			return err
		}
		return nil
	}
}

// FailFrom makes every step fail with err from that point on: the store, or
// the process that speaks to it, is gone.
func FailFrom(point Call, err error) func(Call) error {
	var (
		mu   sync.Mutex
		gone bool
	)
	return func(c Call) error {
		mu.Lock()
		defer mu.Unlock()
		if gone = gone || c.at(point); gone {
			return err
		}
		return nil
	}
}

// Faulty wraps a store and makes its steps fail on demand, before they take
// effect (the store is not called at all) or after (it was, and the answer is
// lost). It counts the calls.
//
//	// What does the issuer do, and does it survive if any of it fails?
//	f := storetest.NewFaulty(memstore.New(), nil)
//	run(f)
//	for _, point := range f.Trace() {
//		run(storetest.NewFaulty(memstore.New(), storetest.FailAt(point, storetest.ErrFault)))
//	}
//
// It is safe for concurrent use; the callback must be so as well.
type Faulty struct {
	inner store.Store

	mu    sync.Mutex
	fault func(Call) error
	calls map[string]int
	trace []Call
}

var _ store.Store = (*Faulty)(nil)

// NewFaulty wraps a store. fault is asked before and after each step; if it
// returns an error, the caller gets that one and no result. A nil fault never
// fails.
func NewFaulty(inner store.Store, fault func(Call) error) *Faulty {
	f := &Faulty{inner: inner}
	f.Reset(fault)
	return f
}

// Reset replaces the callback, and forgets what was counted and traced.
func (f *Faulty) Reset(fault func(Call) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.calls, f.trace = fault, make(map[string]int), nil
}

// Calls tells how many calls of a method have begun.
func (f *Faulty) Calls(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}

// Trace returns the points that were passed, in order.
func (f *Faulty) Trace() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.trace)
}

// Methods returns the names of all methods of store.Store.
func Methods() []string {
	return []string{
		"CreateRoot",
		"CreateChild",
		"Lookup",
		"Spend",
		"Refund",
		"Rotate",
		"Revoke",
		"BeginRefresh",
		"CommitRefresh",
		"EndRefresh",
		"Grant",
		"ReplaceGrant",
		"ChangeTickets",
		"ResolveTicket",
		"TakeTicket",
		"Token",
		"List",
		"Subtree",
		"Events",
		"Sweep",
		"Sealed",
		"Reseal",
		"DeleteOwner",
	}
}

func (f *Faulty) begin(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[method]++
	return f.calls[method]
}

// pass asks the callback, outside of the lock.
func (f *Faulty) pass(c Call) error {
	f.mu.Lock()
	f.trace = append(f.trace, c)
	fault := f.fault
	f.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(c)
}

// step1 makes one call that has a result.
func step1[T any](f *Faulty, method string, do func() (T, error)) (T, error) {
	var none T
	n := f.begin(method)
	if err := f.pass(Call{Method: method, N: n, Before: true}); err != nil {
		return none, err
	}
	out, err := do()
	if lost := f.pass(Call{Method: method, N: n, Err: err}); lost != nil {
		return none, lost
	}
	return out, err
}

// step0 makes one call that has no result.
func step0(f *Faulty, method string, do func() error) error {
	_, err := step1(f, method, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// page makes one call that returns a page.
func page[T any](f *Faulty, method string, do func() ([]T, string, error)) ([]T, string, error) {
	type result struct {
		entries []T
		next    string
	}
	r, err := step1(f, method, func() (result, error) {
		entries, next, err := do()
		return result{entries, next}, err
	})
	return r.entries, r.next, err
}
