package forecast_test

import (
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
)

// When may a token be used?
func Example() {
	start := time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)
	list, err := restriction.Phases(start, restriction.First(time.Hour), restriction.Between(24*time.Hour, 36*time.Hour))
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := forecast.New(forecast.Token{Restrictions: list}, start, time.Time{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, w := range f.Windows {
		fmt.Println(w.From.Format(time.DateTime), "open clauses:", w.Clauses)
	}
	// Output:
	// 2030-03-01 08:00:00 open clauses: [0]
	// 2030-03-01 09:00:01 open clauses: []
	// 2030-03-02 08:00:00 open clauses: [1]
}

// What may a token do, and when?
func ExampleForecast_Describe() {
	start := time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC)
	list, err := restriction.Phases(start,
		restriction.First(time.Hour).Scopes("compute.submit").AccessTokens(3),
		restriction.Between(24*time.Hour, 36*time.Hour).Scopes("storage.write").Hosts("192.0.2.0/24"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := forecast.New(forecast.Token{Restrictions: list, Used: []restriction.Usage{{AT: 1}, {}}}, start, time.Time{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(f.Describe(forecast.Style{Start: start}))
	// Output:
	// What the token admits, +0h to +36h.
	// Clause 0: from +0h to +1h; scopes compute.submit; 2 access tokens left.
	// Clause 1: from +24h to +36h; scopes storage.write; hosts 192.0.2.0/24.
	// Nothing is admitted between +1h and +24h.
}
