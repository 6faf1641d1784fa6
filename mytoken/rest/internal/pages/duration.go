package pages

import (
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/plain"
)

// durationUnits are the units of durations in words, the longest first.
var durationUnits = []struct {
	name string
	size time.Duration
}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}}

// lifetimeWords says exactly how long something lasts, such as "1 hour 30 minutes". It
// leaves out parts of seconds.
func lifetimeWords(d time.Duration) string {
	var parts []string
	for _, unit := range durationUnits {
		if n := d / unit.size; n > 0 {
			parts = append(parts, plain.Count(int64(n), unit.name))
			d -= n * unit.size
		}
	}
	if len(parts) == 0 {
		return "0 seconds"
	}
	return strings.Join(parts, " ")
}

// aboutWords is lifetimeWords for a duration whose end stands beside it. It rounds to
// hours from two days on, to minutes from two minutes on, and else to seconds.
func aboutWords(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		d = d.Round(time.Hour)
	case d >= 2*time.Minute:
		d = d.Round(time.Minute)
	}
	return lifetimeWords(d)
}

// until returns how long it is from now until a second.
func until(now time.Time, second int64) time.Duration { return time.Unix(second, 0).Sub(now) }
