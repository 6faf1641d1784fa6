package issuer_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
)

// metrics counts notices by kind, and whether something failed.
type metrics struct {
	mu     sync.Mutex
	counts map[string]int
}

// Observe counts a notice. Requests and refreshes call it concurrently, and wait for it.
func (m *metrics) Observe(_ context.Context, n issuer.Notice) {
	name := string(n.Kind)
	if n.Err != nil {
		name += "_failed"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[name]++
}

// String returns the counts in the text format of Prometheus.
func (m *metrics) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var lines []string
	for name, count := range m.counts {
		lines = append(lines, fmt.Sprintf("mytoken_notices_total{kind=%q} %d\n", name, count))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// How do I get metrics?
func ExampleNotice() {
	ctx := context.Background()
	m := &metrics{counts: map[string]int{}}
	service, err := mytokentest.Start(mytokentest.Options{Config: func(c *issuer.Config) { c.Observer = m.Observe }})
	if err != nil {
		panic(err)
	}
	defer service.Close()

	issued, err := service.Login(ctx, "alice", mytoken.Properties{})
	if err != nil {
		panic(err)
	}
	for range 3 {
		if _, err := service.Issuer.AccessToken(ctx, issuer.AccessTokenRequest{Token: issued.Token}); err != nil {
			panic(err)
		}
	}
	if _, err := service.Issuer.Revoke(ctx, issuer.RevokeRequest{Token: issued.Token}); err != nil {
		panic(err)
	}
	fmt.Print(m)
	// Output:
	// mytoken_notices_total{kind="access_token"} 3
	// mytoken_notices_total{kind="issued"} 1
	// mytoken_notices_total{kind="revoked"} 1
	// mytoken_notices_total{kind="revoked_at_provider"} 1
}
