// Package waiting counts the logins of a process that are not over.
package waiting

import (
	"container/list"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// Logins counts the logins that this process started and that still wait, up to a limit.
// Another one counts those that ended without a token, as long as the store keeps why. It
// is safe for concurrent use.
type Logins struct {
	most int

	mu    sync.Mutex
	order list.List // of *login, the first to expire in front
	byRef map[store.TicketRef]*list.Element
}

type login struct {
	ref     store.TicketRef // where the login is stored
	expires time.Time
}

// New returns a count of at most so many logins.
func New(most int) *Logins {
	return &Logins{most: most, byRef: make(map[store.TicketRef]*list.Element)}
}

// Enter counts a login. If too many wait, it does not, and returns when there is room
// again. All logins of an issuer live equally long, so that the newest is the last to
// expire.
func (w *Logins) Enter(ref store.TicketRef, expires, now time.Time) (wait time.Duration, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for first := w.order.Front(); first != nil; first = w.order.Front() {
		l := first.Value.(*login)
		if !now.After(l.expires) {
			break
		}
		w.order.Remove(first)
		delete(w.byRef, l.ref)
	}
	if len(w.byRef) >= w.most {
		return w.order.Front().Value.(*login).expires.Sub(now), false
	}
	w.byRef[ref] = w.order.PushBack(&login{ref, expires})
	return 0, true
}

// Move says that a login is stored elsewhere now.
func (w *Logins) Move(from, to store.TicketRef) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.byRef[from]; ok {
		delete(w.byRef, from)
		w.byRef[to], e.Value.(*login).ref = e, to
	}
}

// Leave says that a login waits no longer.
func (w *Logins) Leave(ref store.TicketRef) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.byRef[ref]; ok {
		w.order.Remove(e)
		delete(w.byRef, ref)
	}
}
