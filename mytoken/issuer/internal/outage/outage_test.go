package outage_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/mytoken-go/sdk/mytoken/issuer/internal/outage"
)

// setup returns a log with a clock that the test moves, and what it has written.
func setup() (l *outage.Log, clock *time.Time, lines func() []string) {
	var (
		mu  sync.Mutex
		out bytes.Buffer
	)
	now := time.Unix(1_000_000, 0)
	logger := slog.New(slog.NewTextHandler(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(p)
	}), nil))
	l = outage.New(logger, func() time.Time { return now }, "store")
	return l, &now, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// TestOutageIsTwoLines: the first failure and the first success are told, with the length
// and the number of failures. Others say nothing.
func TestOutageIsTwoLines(t *testing.T) {
	l, now, lines := setup()
	l.Worked(t.Context(), true)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { l.Failed(t.Context(), errors.New("connection refused"), false) })
	}
	all.Wait()
	*now = now.Add(90 * time.Second)
	l.Failed(t.Context(), errors.New("the database is starting"), false)
	for range 10 {
		all.Go(func() { l.Worked(t.Context(), true) })
	}
	all.Wait()
	got := lines()
	if assert.Len(t, got, 2, "%s", got) {
		assert.Regexp(t, `level=ERROR .*kind=store_unavailable error="connection refused"`, got[0])
		assert.Regexp(t, `level=INFO .*kind=store_available lasted=1m30s failures=101 last_error="the database is starting"`, got[1])
	}
}

// TestReadsDoNotEndAnOutageOfWrites: a database that is full or read-only answers reads
// all the time. That is one outage.
func TestReadsDoNotEndAnOutageOfWrites(t *testing.T) {
	l, now, lines := setup()
	for range 100 {
		l.Failed(t.Context(), errors.New("read-only"), true)
		l.Worked(t.Context(), false)
		l.Failed(t.Context(), errors.New("no connection"), false)
		l.Worked(t.Context(), false)
		*now = now.Add(time.Minute)
	}
	l.Worked(t.Context(), true)
	got := lines()
	if assert.Len(t, got, 2, "%s", got) {
		assert.Contains(t, got[1], "lasted=1h40m0s failures=200")
	}
	l.Failed(t.Context(), errors.New("no connection"), false)
	l.Worked(t.Context(), false)
	assert.Len(t, lines(), 4, "reads end an outage of reads")
}

// TestFlappingDoesNotFlood: something that comes and goes gets a few lines in a minute.
// An outage that goes on is told when the minute is over.
func TestFlappingDoesNotFlood(t *testing.T) {
	l, now, lines := setup()
	for n := range 1000 {
		l.Failed(t.Context(), fmt.Errorf("failure %d", n), true)
		l.Worked(t.Context(), true)
	}
	assert.Len(t, lines(), 6)
	l.Failed(t.Context(), errors.New("silent"), true)
	*now = now.Add(time.Minute)
	l.Failed(t.Context(), errors.New("still away"), true)
	l.Worked(t.Context(), true)
	got := lines()
	assert.Len(t, got, 8, "%s", got)
	assert.Contains(t, got[6], "still away")
	assert.Contains(t, got[7], "lasted=1m0s failures=2")
}
