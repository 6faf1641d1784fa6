// Package fresh says how old something is that a program keeps, by two clocks.
//
// The wall clock can be set back: something kept would look fresh for the length of the
// jump. The monotonic clock stops while a machine sleeps: something kept overnight would
// look as old as in the evening. So neither is believed alone. An instant of [time.Now]
// has a reading of both. It keeps them as long as nobody strips one, as Round, UTC and
// encodings do.
package fresh

import "time"

// Age returns how much time has passed since an instant: what the clock says by which
// more has passed. ok is false if now is before the instant by either clock. Then a clock
// was set back, and nobody knows the age.
//
// Instants without a monotonic reading compare by the wall clock alone. It then shows
// only jumps to before the instant.
func Age(since, now time.Time) (age time.Duration, ok bool) {
	wall, monotonic := now.Round(0).Sub(since.Round(0)), now.Sub(since)
	return max(wall, monotonic), min(wall, monotonic) >= 0
}

// Within reports whether less than d has passed since an instant, by both clocks. It
// returns false if now is before the instant by either clock.
func Within(since time.Time, d time.Duration, now time.Time) bool {
	age, ok := Age(since, now)
	return ok && age < d
}
