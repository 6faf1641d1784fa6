// Package errand does work that must not end with its request, such as giving back a use.
//
// A request waits for such work while it has time for an answer. Then the work goes on in
// the background, and [Errands.Close] waits for it.
package errand

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/errtext"
	"github.com/mytoken-go/sdk/internal/rescue"
)

// ErrLate says that the work goes on without its request, so that nobody knows yet how it
// ends. It wraps [context.DeadlineExceeded].
var ErrLate = fmt.Errorf("issuer: the request has no time left to wait for a step, which goes on: %w", context.DeadlineExceeded)

const (
	// Longest is how long the work of an errand may take.
	Longest = time.Minute
	// mostLate is how many errands may go on without their requests. Further requests wait
	// for their errands.
	mostLate = 1000
	// linesPerMinute is how many errands the log mentions that ended late.
	linesPerMinute = 10
)

// Errands is work that outlives its requests. It is safe for concurrent use.
type Errands struct {
	logger *slog.Logger
	level  func(error) slog.Level
	slots  chan struct{} // one is taken for each errand that goes on without its request
	halt   context.Context
	stop   context.CancelFunc

	mu      sync.Mutex
	running int
	idle    chan struct{} // closed when nothing runs; nil while nobody waits for that
	minute  time.Time     // when the present minute of the log began
	lines   int           // in it
}

// New returns errands that report to the logger. An error of work that ends late has the
// given level, and so has nil.
func New(logger *slog.Logger, level func(error) slog.Level) *Errands {
	e := &Errands{logger: logger, level: level, slots: make(chan struct{}, mostLate)}
	e.halt, e.stop = context.WithCancel(context.Background())
	return e
}

// Call does the work and returns its result. The context of the work has the values of
// ctx, and ends after [Longest], or when Close stops waiting.
//
// If the deadline of ctx or the patience ends first, Call returns [ErrLate]. The end of
// ctx alone does not end the wait: nobody waits for an answer then. A panic of the work
// becomes a [*rescue.Panic].
func Call[T any](ctx context.Context, e *Errands, what string, patience time.Duration, work func(context.Context) (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	e.start()
	go func() {
		defer e.end()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Longest)
		defer cancel()
		defer context.AfterFunc(e.halt, cancel)()
		v, err := rescue.Call(func() (T, error) { return work(ctx) })
		rescue.Log(ctx, e.logger, what, err)
		done <- result{v, err}
	}()
	if end, bounded := ctx.Deadline(); bounded {
		patience = min(patience, time.Until(end))
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.v, r.err
	case <-timer.C:
	}
	select {
	case r := <-done:
		return r.v, r.err
	case e.slots <- struct{}{}:
	}
	began := time.Now()
	go func() { // it ends soon after the work, for which Close waits
		r := <-done
		<-e.slots
		attrs := []any{"kind", "finished_late", "step", what, "late", time.Since(began).Round(time.Millisecond).String()}
		if r.err != nil {
			attrs = append(attrs, "error", errtext.ForLog(r.err))
		}
		e.logger.Log(context.WithoutCancel(ctx), e.levelOf(r.err), "mytoken", attrs...)
	}()
	var none T
	return none, ErrLate
}

// levelOf returns the level of a line about work that ended late. If the log has many such
// lines already, the level is Debug.
func (e *Errands) levelOf(err error) slog.Level {
	level := e.level(err)
	if level <= slog.LevelDebug {
		return level
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := time.Now(); now.Sub(e.minute) >= time.Minute {
		e.minute, e.lines = now, 0
	}
	if e.lines == linesPerMinute {
		return slog.LevelDebug
	}
	e.lines++
	return level
}

// Do is [Call] for work without a result.
func (e *Errands) Do(ctx context.Context, what string, patience time.Duration, work func(context.Context)) error {
	_, err := Call(ctx, e, what, patience, func(ctx context.Context) (struct{}, error) {
		work(ctx)
		return struct{}{}, nil
	})
	return err
}

// Begin starts work that no request waits for, and that may be left undone. It does
// nothing if too many errands go on without their requests. A panic of the work goes to
// the log.
func (e *Errands) Begin(ctx context.Context, what string, work func(context.Context)) {
	select {
	case e.slots <- struct{}{}:
	default:
		return
	}
	e.start()
	go func() {
		defer e.end()
		defer func() { <-e.slots }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Longest)
		defer cancel()
		defer context.AfterFunc(e.halt, cancel)()
		rescue.Log(ctx, e.logger, what, rescue.Do(func() { work(ctx) }))
	}()
}

func (e *Errands) start() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running++
}

func (e *Errands) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running--
	if e.running == 0 && e.idle != nil {
		close(e.idle)
		e.idle = nil
	}
}

// Close waits until nothing runs. If the context ends first, Close ends the context of
// what runs, and returns the error of its own.
func (e *Errands) Close(ctx context.Context) error {
	e.mu.Lock()
	if e.running == 0 {
		e.mu.Unlock()
		return nil
	}
	if e.idle == nil {
		e.idle = make(chan struct{})
	}
	idle := e.idle
	e.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		e.stop()
		return ctx.Err()
	}
}
