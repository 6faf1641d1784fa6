// Package outage tells an operator in two lines of the log that something went away and
// that it is back, however many requests failed meanwhile.
package outage

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mytoken-go/sdk/internal/errtext"
)

// begunPerMinute bounds how many outages a log mentions in a minute. Something that comes
// and goes would flood the log otherwise.
const begunPerMinute = 3

// Log tells of the outages of one thing, as this process sees them. It is safe for
// concurrent use.
type Log struct {
	logger *slog.Logger
	clock  func() time.Time
	what   string

	down atomic.Bool // so that a success costs nothing in good times

	mu       sync.Mutex
	since    time.Time // when the outage began
	failures int       // during it
	last     error     // the latest of them
	writing  bool      // something failed that writes
	told     bool      // the log mentions this outage
	minute   time.Time // when the minute began
	begun    int       // outages that the log mentions in that minute
}

// New returns a log of the outages of a thing, which the lines name.
func New(logger *slog.Logger, clock func() time.Time, what string) *Log {
	return &Log{logger: logger, clock: clock, what: what}
}

// Failed says that something failed because the thing is away, and whether it would have
// written. The first failure of an outage writes a line of the level Error with the
// cause. Any other one is counted, and writes a line of the level Debug.
func (l *Log) Failed(ctx context.Context, cause error, writing bool) {
	l.mu.Lock()
	now := l.clock()
	if !l.down.Load() {
		l.since, l.failures, l.told, l.writing = now, 0, false, false
		l.down.Store(true)
	}
	l.failures++
	l.last = cause
	l.writing = l.writing || writing
	level := slog.LevelDebug
	if !l.told && l.admit(now) {
		l.told, level = true, slog.LevelError
	}
	l.mu.Unlock()
	if !l.logger.Enabled(ctx, level) {
		return
	}
	l.logger.LogAttrs(ctx, level, "mytoken", slog.String("kind", l.what+"_unavailable"), slog.String("error", errtext.ForLog(cause)))
}

// admit reports whether the log may mention another outage. The caller holds l.mu.
func (l *Log) admit(now time.Time) bool {
	if age := now.Sub(l.minute); age < 0 || age >= time.Minute {
		l.minute, l.begun = now, 0
	}
	l.begun++
	return l.begun <= begunPerMinute
}

// Worked says that the thing works, and whether something was written. After an outage
// that the log mentions, it writes a line of the level Info that says how long the outage
// was and how much failed. If writing has failed, the outage lasts until writing works: a
// database that is full or read-only still answers reads.
func (l *Log) Worked(ctx context.Context, wrote bool) {
	if !l.down.Load() {
		return
	}
	l.mu.Lock()
	if l.writing && !wrote {
		l.mu.Unlock()
		return
	}
	over, told := l.down.Load(), l.told
	l.down.Store(false)
	lasted, failures, last := l.clock().Sub(l.since), l.failures, l.last
	l.mu.Unlock()
	if !over || !told {
		return
	}
	l.logger.LogAttrs(ctx, slog.LevelInfo, "mytoken", slog.String("kind", l.what+"_available"),
		slog.Duration("lasted", lasted), slog.Int("failures", failures), slog.String("last_error", errtext.ForLog(last)))
}
