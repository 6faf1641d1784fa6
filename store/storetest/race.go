package storetest

import (
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/mytoken-go/sdk/store"
)

// callers is how many calls most races make at once.
const callers = 2 * nodes

// several calls next n times and returns the results.
func several[T any](n int, next func() T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = next()
	}
	return all
}

// uses returns n uses for access tokens. Each leaves an event if it has a name.
func (e *env) uses(n int, name string, candidates ...int) []store.Use {
	return several(n, func() store.Use {
		if name == "" {
			return e.use(store.UseAT, candidates...)
		}
		return e.noted(name, store.UseAT, candidates...)
	})
}

// atOnce makes n calls at once, each on one node, and returns their errors. A call only
// calls the store: it must not draw ids or check anything.
func (e *env) atOnce(n int, call func(i int, s store.Store) error) []error {
	e.Helper()
	var (
		wg     sync.WaitGroup
		errs   = make([]error, n)
		start  = make(chan struct{})
		panics = make(chan string, n)
	)
	for i := range n {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics <- fmt.Sprintf("%v\n%s", p, debug.Stack())
				}
			}()
			<-start
			errs[i] = call(i, e.nodes[i%len(e.nodes)])
		})
	}
	close(start)
	wg.Wait()
	close(panics)
	for p := range panics {
		e.Fatalf("a concurrent call panicked: %s", p)
	}
	return errs
}
