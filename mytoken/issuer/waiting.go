package issuer

import (
	"container/list"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// waitingLogins counts the logins that this process started and that still wait, up to
// Limits.PendingLogins. Another one counts those that ended without a token, as long as the
// store keeps why. It is safe for concurrent use.
type waitingLogins struct {
	most int

	mu    sync.Mutex
	order list.List // of *waitingLogin, the first to expire in front
	byRef map[store.TicketRef]*list.Element
}

type waitingLogin struct {
	ref     store.TicketRef // where the login is stored
	expires time.Time
}

func newWaitingLogins(most int) *waitingLogins {
	return &waitingLogins{most: most, byRef: make(map[store.TicketRef]*list.Element)}
}

// enter counts a login. If too many wait, it returns a [*BusyError]. All logins of an
// issuer live equally long, so that the newest is the last to expire.
func (w *waitingLogins) enter(ref store.TicketRef, expires, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for first := w.order.Front(); first != nil; first = w.order.Front() {
		l := first.Value.(*waitingLogin)
		if !now.After(l.expires) {
			break
		}
		w.order.Remove(first)
		delete(w.byRef, l.ref)
	}
	if len(w.byRef) >= w.most {
		return &BusyError{RetryAfter: w.order.Front().Value.(*waitingLogin).expires.Sub(now)}
	}
	w.byRef[ref] = w.order.PushBack(&waitingLogin{ref, expires})
	return nil
}

// move says that a login is stored elsewhere now.
func (w *waitingLogins) move(from, to store.TicketRef) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.byRef[from]; ok {
		delete(w.byRef, from)
		w.byRef[to], e.Value.(*waitingLogin).ref = e, to
	}
}

// leave says that a login waits no longer.
func (w *waitingLogins) leave(ref store.TicketRef) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := w.byRef[ref]; ok {
		w.order.Remove(e)
		delete(w.byRef, ref)
	}
}
