package rules

import (
	"encoding/hex"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// Processes are processes that are known, by their ids.
type Processes map[store.ProcessID]store.ProcessInfo

// gone reports whether a process is dead: it is settled, or its heartbeat has lapsed. A
// process that is not known may live.
func (all Processes) gone(id store.ProcessID, now store.Micros) bool {
	p, ok := all[id]
	return ok && (p.Settled != 0 || now > p.Until)
}

// recovered reports whether nothing will arrive from a process any more.
func (all Processes) recovered(id store.ProcessID, now store.Micros) bool {
	p := all[id]
	return p.Settled != 0 || p.Volatile && now > p.Until
}

// Beat returns a process after a heartbeat. known is the process as the store has it, or
// zero. Beat returns [store.ErrConflict] if the process was settled, and
// [store.ErrExists] if another one has its id.
func Beat(known store.ProcessInfo, p store.Process, until store.Micros) (store.ProcessInfo, error) {
	switch {
	case known.Settled != 0:
		return known, store.ErrConflict
	case !known.ID.IsZero() && known.Process != p:
		return known, store.ErrExists
	}
	return store.ProcessInfo{Process: p, Until: max(known.Until, until)}, nil
}

// Settle returns a process after it was settled. known is the process as the store has
// it, or zero.
func Settle(known store.ProcessInfo, id store.ProcessID, now store.Micros) store.ProcessInfo {
	known.ID = id
	if known.Settled == 0 {
		known.Settled = now
	}
	return known
}

// ProcessesKept is how long a store keeps a process that has ended.
const ProcessesKept = 30 * 24 * time.Hour

// Ended returns when a process was settled, or until when its heartbeat lasts.
func Ended(p store.ProcessInfo) store.Micros {
	if p.Settled != 0 {
		return p.Settled
	}
	return p.Until
}

// ProcessCursor returns the cursor of a page that ends with a process.
func ProcessCursor(id store.ProcessID) string { return hex.EncodeToString(id[:]) }

// ParseProcess reads a cursor of [ProcessCursor]. An empty one is the zero id, which comes
// before all others. ParseProcess returns the error of [ForeignCursor] for anything else.
func ParseProcess(cursor string) (id store.ProcessID, err error) {
	b, err := hex.DecodeString(cursor)
	if err != nil || len(b) != len(id) && cursor != "" {
		return id, ForeignCursor(cursor)
	}
	copy(id[:], b)
	return id, nil
}
