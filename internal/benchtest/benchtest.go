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
	// Parts are measured too, each on its own. They are what the work contains and
	// somebody else does, such as the client that sends the requests.
	Parts []Part
}

// Part is a part of the work.
type Part struct {
	Name string
	Do   Do
}

// Compare does b.N pieces on either side. It reports these metrics:
//
//   - ns/op and rate/s are those of the work. rate names what a piece is, in the plural.
//   - x-floor is the time of the work divided by that of the floor.
//   - NAME-ns/op is that of a part.
//
// Each caller does one piece of everything before anything is measured: connections are
// open and statements are prepared. Compare fails the benchmark if a piece fails.
func Compare(b *testing.B, rate string, s Sides) {
	b.Helper()
	all := append([]Part{{"floor", s.Floor}, {"work", s.Work}}, s.Parts...)
	for _, part := range all {
		warm(b, s.Callers, part.Do)
	}
	took := make([]time.Duration, len(all))
	b.ResetTimer()
	for slice := range slices {
		from, to := b.N*slice/slices, b.N*(slice+1)/slices
		for i, part := range all {
			took[i] += Time(b, s.Callers, from, to, part.Do)
		}
	}
	b.StopTimer()
	floor, work := took[0], took[1]
	for i, part := range s.Parts {
		b.ReportMetric(float64(took[2+i].Nanoseconds())/float64(b.N), part.Name+"-ns/op")
	}
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
