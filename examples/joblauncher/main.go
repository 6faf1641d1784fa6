// Joblauncher runs compute jobs, each with a mytoken of its own that is derived from
// the user's: enough for the phases of the job, as long as they may take, and for
// nothing else.
//
//	go run ./examples/joblauncher
//
// Everything is real but the time: the launcher and its jobs are processes of their
// own, the OpenID provider, the mytoken service and the storage service speak HTTP,
// and the launcher is killed with SIGKILL on the way and started again. The clock is
// the launcher's to move; its jobs ask it for the time.
//
// Read plans.go for what the jobs need, launcher.go for how they are submitted and
// run, and table.go for how their tokens are kept.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runRole(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "joblauncher:", err)
		os.Exit(1)
	}
}

// roleVariable says what this process is: the one that was started by hand, which is
// everything but the launcher; the launcher; or a job.
const roleVariable = "JOBLAUNCHER_ROLE"

const (
	roleLauncher = "launcher"
	roleJob      = "job"
)

func runRole(ctx context.Context) error {
	switch role := os.Getenv(roleVariable); role {
	case "":
		return demonstrate(ctx, os.Stdout, killOnce(stored("part-2")))
	case roleLauncher:
		return launch(ctx)
	case roleJob:
		return work(ctx, os.Args[1:])
	default:
		return fmt.Errorf("%s=%q", roleVariable, role)
	}
}
