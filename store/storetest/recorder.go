package storetest

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
)

// recorder is a test that may fail without consequences. It passes all other calls on to
// the real test.
type recorder struct {
	testing.TB
	name string

	mu       sync.Mutex
	failures []string
	failed   bool
	cleanups []func()
}

// record runs f as a test of its own. It returns the messages of f and whether f failed.
// A panic is a failure too.
func record(t testing.TB, name string, f func(testing.TB)) (failures []string, failed bool) {
	r := &recorder{TB: t, name: name}
	done := make(chan struct{})
	go func() { // FailNow ends the goroutine
		defer close(done)
		defer r.cleanup()
		defer func() {
			if p := recover(); p != nil {
				r.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		f(r)
	}()
	<-done
	return r.failures, r.failed
}

func (r *recorder) cleanup() {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
}

func (r *recorder) complain(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
	if text != "" {
		r.failures = append(r.failures, text)
	}
}

func (r *recorder) Name() string { return r.name }

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Helper() {}

func (r *recorder) Log(...any) {}

func (r *recorder) Logf(string, ...any) {}

func (r *recorder) Error(args ...any) { r.complain(fmt.Sprintln(args...)) }

func (r *recorder) Errorf(format string, args ...any) { r.complain(fmt.Sprintf(format, args...)) }

func (r *recorder) Fail() { r.complain("") }

func (r *recorder) FailNow() {
	r.complain("")
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) {
	r.Error(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
