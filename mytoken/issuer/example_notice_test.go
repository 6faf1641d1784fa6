package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
)

// How do I count what happens, for a metric? With an observer: kind and reason are from
// fixed sets, so each pair can be a label.
func ExampleNotice() {
	var mu sync.Mutex
	counters := make(map[string]int) // as a library for metrics would keep them
	service, err := mytokentest.Start(mytokentest.Options{Config: func(c *issuer.Config) {
		c.Logger = slog.New(slog.DiscardHandler)
		c.Observer = func(_ context.Context, n issuer.Notice) {
			mu.Lock()
			defer mu.Unlock()
			counters[fmt.Sprintf("mytoken_events_total{kind=%q,reason=%q}", n.Kind, n.Reason)]++
		}
		c.Policy = func(_ context.Context, s *issuer.Issuance) error {
			if s.Subject == "mallory" {
				return errors.New("mallory may not use this service")
			}
			return nil
		}
	}})
	if err != nil {
		panic(err)
	}
	defer service.Close()
	ctx := context.Background()
	if _, err := service.Login(ctx, "alice", mytoken.Properties{}); err != nil {
		panic(err)
	}
	_, _ = service.Login(ctx, "mallory", mytoken.Properties{})
	_, _ = service.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: mytoken.NewSecret("a guess")})

	mu.Lock()
	defer mu.Unlock()
	for _, series := range slices.Sorted(maps.Keys(counters)) {
		fmt.Println(series, counters[series])
	}
	// Output:
	// mytoken_events_total{kind="issued",reason="login"} 1
	// mytoken_events_total{kind="policy_refused",reason="login"} 1
	// mytoken_events_total{kind="rejected",reason="malformed"} 1
	// mytoken_events_total{kind="revoked_at_provider",reason=""} 1
}
