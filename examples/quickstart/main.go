// Quickstart runs a compute job in phases. A user logs in at an OpenID provider and gets
// a mytoken whose rights follow the phases of the job. The job gets a narrower token of
// its own. A table shows what is admitted, what is refused, why, and when to come back.
//
//	go run ./examples/quickstart
//
// The provider runs in this process, and the program moves the clock. Everything else is
// what a real service does: HTTP, signatures, counters.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/mytokentest"
	"github.com/mytoken-go/sdk/restriction"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	clock := mytokentest.NewClock(time.Date(2030, time.March, 1, 8, 0, 0, 0, time.UTC))
	start := clock.Now()
	provider, err := startProvider(clock)
	if err != nil {
		return err
	}
	defer provider.Close()
	portal, err := startPortal(provider, clock)
	if err != nil {
		return err
	}
	defer portal.Close(ctx)

	// The rights of the user's token change with the time since the start of the job.
	phases, err := restriction.Phases(start,
		restriction.First(1*time.Hour).Scopes("compute.submit"),
		restriction.First(2*time.Hour).Scopes("storage"),
		// nothing for a day
		restriction.Between(24*time.Hour, 36*time.Hour).Scopes("storage"), // store output
	)
	if err != nil {
		return err
	}
	user, err := portal.Login(ctx, mytoken.Properties{
		Name:         "four-phase job",
		Capabilities: capability.Set{capability.AT, capability.CreateMytoken},
		Restrictions: phases,
	})
	if err != nil {
		return err
	}

	t := newTable(out, start, clock, portal.issuer)
	t.at(30*time.Minute, "portal", portalAddress, user.Token, "submit the job", "compute.submit")
	t.at(90*time.Minute, "portal", portalAddress, user.Token, "submit the job", "compute.submit")
	t.at(90*time.Minute, "portal", portalAddress, user.Token, "access data", "storage")
	t.at(3*time.Hour, "portal", portalAddress, user.Token, "access data", "storage")
	t.at(24*time.Hour, "portal", portalAddress, user.Token, "access data", "storage")

	// The job gets a token of its own, for one address and three uses.
	job, err := portal.Derive(ctx, user.Token, "job", restriction.Clause{
		NotBefore: start.Add(24 * time.Hour).Unix(), Expires: start.Add(36 * time.Hour).Unix(),
		Scopes: []string{"storage"}, Hosts: []string{jobAddress}, UsagesAT: restriction.Usages(3),
	})
	if err != nil {
		return err
	}
	t.at(25*time.Hour, "job", strangerAddress, job.Token, "store output, from elsewhere", "storage")
	for use := 1; use <= 4; use++ {
		t.at(25*time.Hour+time.Duration(use)*time.Minute, "job", jobAddress, job.Token, fmt.Sprintf("store output, use %d", use), "storage")
	}

	// The portal revokes the token of another job before it expires.
	other, err := portal.Derive(ctx, user.Token, "other job", restriction.Clause{
		NotBefore: start.Add(24 * time.Hour).Unix(), Expires: start.Add(36 * time.Hour).Unix(),
		Scopes: []string{"storage"}, Hosts: []string{jobAddress},
	})
	if err != nil {
		return err
	}
	t.at(26*time.Hour, "other job", jobAddress, other.Token, "store output", "storage")
	if err := portal.Revoke(ctx, other.Token); err != nil {
		return err
	}
	t.at(26*time.Hour, "other job", jobAddress, other.Token, "store output, after revocation", "storage")
	t.at(36*time.Hour+time.Second, "portal", portalAddress, user.Token, "access data", "storage")
	return t.finish(provider)
}
