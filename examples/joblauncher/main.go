// Joblauncher runs compute jobs. Each job gets a mytoken of its own, derived from the
// user's. The token lasts for the phases of the job, however long they may take, and
// allows nothing else.
//
//	go run ./examples/joblauncher
//
// Everything is real except the time. The launcher and its jobs are separate processes.
// The OpenID provider, the mytoken service and the storage service speak HTTP. The
// launcher is killed with SIGKILL halfway and started again. It moves the clock, and its
// jobs ask it for the time.
//
// Begin with these files:
//
//   - jobs.go says what the jobs need.
//   - launcher.go submits jobs, and run.go runs them.
//   - work.go is what a job does with its token.
//   - table.go is how the launcher keeps tokens.
//
// The other files are the surroundings. supervisor.go starts and kills the launcher.
// site.go and storage.go are the services.
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

// roleVariable is the environment variable with the role of this process: the launcher or
// a job. It is empty in the process that the user started.
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
		return launch(ctx, parent(), os.Args[1:])
	case roleJob:
		return work(ctx, parent(), os.Args[1:])
	default:
		return fmt.Errorf("%s is %q, want launcher or job", roleVariable, role)
	}
}
