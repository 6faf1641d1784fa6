package timeline_test

import (
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/timeline"
)

// How do I show in a terminal when a token may be used?
func ExampleText() {
	start := time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)
	list, err := restriction.Phases(start,
		restriction.First(2*time.Hour).Scopes("read"),
		restriction.Between(6*time.Hour, 8*time.Hour).Scopes("write"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := forecast.New(forecast.Token{Restrictions: list}, start, time.Time{})
	if err != nil {
		fmt.Println(err)
		return
	}
	const width = 40 // characters
	fmt.Print(timeline.Text(f, width, forecast.Style{Start: start}))
	// Output:
	// read   █████████························
	// write  ························█████████
	//        |       |       |       |       |
	//        +0h     +2h     +4h     +6h   +8h
	//
	// What the token admits, +0h to +8h.
	// Clause 0: from +0h to +2h; scopes read.
	// Clause 1: from +6h to +8h; scopes write.
	// Nothing is admitted between +2h and +6h.
}
