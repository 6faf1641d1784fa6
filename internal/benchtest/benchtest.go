// Package benchtest compares work with its floor: the least that anybody would have to do
// for the same result. Both are measured in the same run and in turns, so that they see
// the same machine. Their ratio holds on other machines, too.
package benchtest

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slices is how often a comparison changes between the floor and the work.
const slices = 10

// Do does one piece of work. caller counts the callers from 0, and n counts the pieces of
// one comparison from 0. No two calls with the same caller overlap.
type Do func(caller, n int) error

// Sides are the two sides of a comparison.
type Sides struct {
	// Callers is how many goroutines work at the same time, on either side.
	Callers int
	Floor   Do
	Work    Do
}

// Compare does b.N pieces on either side. It reports these metrics:
//
//   - ns/op and rate/s are those of the work. rate names what a piece is, in the plural.
//   - x-floor is the time of the work divided by that of the floor.
//
// Each caller does one piece on either side before anything is measured: connections are
// open and statements are prepared. Compare fails the benchmark if a piece fails.
func Compare(b *testing.B, rate string, s Sides) {
	b.Helper()
	for _, do := range []Do{s.Floor, s.Work} {
		warm(b, s.Callers, do)
	}
	var floor, work time.Duration
	b.ResetTimer()
	for slice := range slices {
		from, to := b.N*slice/slices, b.N*(slice+1)/slices
		floor += Time(b, s.Callers, from, to, s.Floor)
		work += Time(b, s.Callers, from, to, s.Work)
	}
	b.StopTimer()
	b.ReportMetric(float64(work.Nanoseconds())/float64(b.N), "ns/op")
	b.ReportMetric(float64(b.N)/work.Seconds(), rate+"/s")
	b.ReportMetric(work.Seconds()/floor.Seconds(), "x-floor")
}

// warm lets each caller do one piece.
func warm(b *testing.B, callers int, do Do) {
	b.Helper()
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			if err := do(caller, caller); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
}

// Time lets callers do all pieces from one number up to another, each piece once. It
// returns how long that took. A caller stops at its first error.
func Time(b *testing.B, callers, from, to int, do Do) time.Duration {
	b.Helper()
	var next atomic.Int64
	next.Store(int64(from))
	var all sync.WaitGroup
	start := time.Now()
	for caller := range callers {
		all.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= to {
					return
				}
				if err := do(caller, n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(start)
}

// NewClient returns an HTTP client for floors. It keeps as many connections to a server
// open as there are callers. Its connections are closed at the end of the benchmark.
func NewClient(b *testing.B, callers int) *http.Client {
	b.Helper()
	transport := &http.Transport{MaxIdleConns: callers, MaxIdleConnsPerHost: callers, DisableCompression: true}
	b.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
