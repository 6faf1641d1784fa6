package rules

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/mytoken-go/sdk/store"
)

// ExpiredTicketsKept is how long a store keeps an expired ticket, to tell that it
// expired.
const ExpiredTicketsKept = 24 * time.Hour

// Position is the place of an event in a history. Histories run from the newest event to
// the oldest; events of one instant run in the reverse order of their recording.
type Position struct {
	Time   store.Micros
	Serial int64 // in order of recording
}

// newest comes before every event.
var newest = Position{Time: 1<<63 - 1, Serial: 1<<63 - 1}

// Compare is negative if p comes before o in a history.
func (p Position) Compare(o Position) int {
	return cmp.Or(cmp.Compare(o.Time, p.Time), cmp.Compare(o.Serial, p.Serial))
}

// Cursor returns the position as a cursor for [store.Page].
func (p Position) Cursor() string { return fmt.Sprintf("%d.%d", p.Time, p.Serial) }

// ParsePosition reads a cursor of [Position.Cursor]. An empty one is the start of the
// history. It returns the error of [ForeignCursor] for anything else.
func ParsePosition(cursor string) (Position, error) {
	if cursor == "" {
		return newest, nil
	}
	var p Position
	if _, err := fmt.Sscanf(cursor, "%d.%d", &p.Time, &p.Serial); err != nil {
		return Position{}, ForeignCursor(cursor)
	}
	return p, nil
}

// SerialCursor returns the cursor of a page that ends with a serial number.
func SerialCursor(serial int64) string { return strconv.FormatInt(serial, 10) }

// ParseSerial reads a cursor of [SerialCursor]. An empty one is 0. It returns the error
// of [ForeignCursor] for anything else.
func ParseSerial(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || n < 0 {
		return 0, ForeignCursor(cursor)
	}
	return n, nil
}

// ForeignCursor returns a [*store.ArgumentError] about a cursor that comes from
// elsewhere.
func ForeignCursor(cursor string) error {
	return argument(fmt.Sprintf("cursor %q was not returned by this method", cursor))
}
