package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/mytoken-go/sdk/store"
)

// ErrFault is an error for injected faults. [store.IsDefinite] does not know it, so a
// caller must assume that the step may or may not have taken effect.
var ErrFault = errors.New("storetest: injected fault")

// Call is one point at which a step can be made to fail.
type Call struct {
	Method string // of store.Store
	N      int    // number of the call among those of this method, from 1
	// Before says that the inner store has not been called yet. Otherwise it has, and
	// returned Err.
	Before bool
	Err    error
}

// Before returns the point before the nth call of the method takes effect. n counts from
// 1.
func Before(method string, n int) Call { return Call{Method: method, N: n, Before: true} }

// After returns the point after the nth call of the method has taken effect. n counts
// from 1.
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

// FailAt returns a callback for [NewFaulty]. It makes one step fail with err at that
// point.
func FailAt(point Call, err error) func(Call) error {
	return func(c Call) error {
		if c.at(point) {
			return err
		}
		return nil
	}
}

// FailFrom returns a callback for [NewFaulty]. It makes every step fail with err from
// that point on, as if the store, or the process that uses it, were gone.
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

// Faulty is a [store.Store] that wraps another one and makes its steps fail on demand. A
// step that fails before it takes effect never reaches the store. A step that fails after
// it took effect loses only the answer. Faulty counts the calls.
//
//	// Learn what the issuer does. Then check that it survives the failure of each step.
//	f := storetest.NewFaulty(memstore.New(), nil)
//	run(f)
//	for _, point := range f.Trace() {
//		run(storetest.NewFaulty(memstore.New(), storetest.FailAt(point, storetest.ErrFault)))
//	}
//
// Faulty is safe for concurrent use. The callback must be safe as well.
type Faulty struct {
	forwarder

	mu    sync.Mutex
	fault func(Call) error
	calls map[string]int
	trace []Call
}

var _ store.Store = (*Faulty)(nil)

// NewFaulty wraps a store. It calls fault before and after each step. If fault returns an
// error, the caller gets that error and no result. If fault is nil, no step fails.
func NewFaulty(inner store.Store, fault func(Call) error) *Faulty {
	f := new(Faulty)
	f.forwarder.around = func(method string, do func(store.Store) error) error { return f.step(inner, method, do) }
	f.Reset(fault)
	return f
}

// Reset replaces the callback and forgets the counts and the trace.
func (f *Faulty) Reset(fault func(Call) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.calls, f.trace = fault, make(map[string]int), nil
}

// Calls returns how many calls of a method have begun.
func (f *Faulty) Calls(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}

// Trace returns the points that the calls have passed so far, in order. With [FailAt]
// each of them can be made to fail.
func (f *Faulty) Trace() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.trace)
}

// Methods returns the names of all methods of [store.Store].
func Methods() []string {
	return []string{
		"CreateRoot", "CreateChild", "Lookup", "Spend", "Refund", "Rotate", "Revoke",
		"BeginRefresh", "CommitRefresh", "EndRefresh", "Grant", "ReplaceGrant",
		"Beat", "Settle", "Doubts", "Processes",
		"ChangeTickets", "ResolveTicket", "TakeTicket",
		"Items", "ChangeItems", "Links",
		"Token", "List", "Count", "Subtree", "Events", "Sweep", "Sealed", "Reseal", "DeleteOwner",
	}
}

// step makes one call.
func (f *Faulty) step(inner store.Store, method string, do func(store.Store) error) error {
	n := f.begin(method)
	if err := f.pass(Before(method, n)); err != nil {
		return err
	}
	err := do(inner)
	if lost := f.pass(Call{Method: method, N: n, Err: err}); lost != nil {
		return lost
	}
	return err
}

func (f *Faulty) begin(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[method]++
	return f.calls[method]
}

// pass records the point and calls the callback, without holding the lock.
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
