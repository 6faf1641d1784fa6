// Joblauncher runs compute jobs. Each job gets a mytoken of its own, derived from the
// user's. It lasts for the phases of the job, however long they may take, and allows
// nothing else.
//
//	go run ./examples/joblauncher
//
// Everything is real except the time. The launcher and its jobs are separate processes.
// The OpenID provider, the mytoken service and the storage service speak HTTP. The
// launcher is killed with SIGKILL halfway and started again. It moves the clock, and its
// jobs ask it for the time.
//
// Read jobs.go for what the jobs need, launcher.go and run.go for how they are submitted
// and run, work.go for what a job does with its token, and table.go for how the launcher
// keeps tokens. The rest is the world around: supervisor.go starts and kills the launcher,
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

// roleVariable says what this process is: the launcher, a job or, if it is empty, the
// program that the user started.
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
