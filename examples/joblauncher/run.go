package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

// runAll runs the steps of all jobs, in the order in which they are due.
func (l *launcher) runAll(ctx context.Context) error {
	for {
		rows, err := l.table.jobs(ctx)
		if err != nil {
			return err
		}
		var next *row
		for _, r := range rows {
			if r.State == running && (next == nil || r.Due.Before(next.Due)) {
				next = r
			}
		}
		if next == nil {
			return nil
		}
		if err := l.runNext(ctx, next); err != nil {
			return fmt.Errorf("job %s: %w", next.ID, err)
		}
	}
}

// runNext runs the next step of a job, or what is left of it.
func (l *launcher) runNext(ctx context.Context, r *row) error {
	j := jobNamed(r.ID)
	if j == nil {
		return errors.New("is not known any more")
	}
	if r.Step == len(j.Steps) {
		return l.finish(ctx, r)
	}
	if err := l.clock.advance(ctx, r.Due); err != nil {
		return err
	}
	s := &j.Steps[r.Step]
	d := &duties{launcher: l, row: r, step: s}
	if err := l.runStep(ctx, j, d); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.later.IsZero():
		r.Due = d.later
	case r.Done < len(s.Do):
		return fmt.Errorf("step %d ended after %q", r.Step+1, s.Do[:r.Done])
	default:
		if r.Step, r.Done = r.Step+1, 0; r.Step < len(j.Steps) {
			r.Due = r.Submitted.Add(j.Steps[r.Step].Start)
		}
	}
	return l.table.update(ctx, r)
}

// runStep starts the process of a step, with what it needs to get at its access tokens,
// and waits for its end.
func (l *launcher) runStep(ctx context.Context, j *job, d *duties) error {
	desk, closeDesk, err := d.open()
	if err != nil {
		return err
	}
	defer closeDesk()
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	phase := &j.Plan.Phases[d.step.Phase]
	request := client.AccessTokenRequest{Scopes: phase.Scopes, Audiences: phase.Audiences, Comment: phase.Name}
	holder := l.client.NewHolder(l.table.tokens(j.ID))

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, d.left()...)
	cmd.Env = append(os.Environ(), configVariable+"=", // where the launcher keeps its keys is none of a job's business
		roleVariable+"="+roleJob, deskVariable+"="+desk, storageVariable+"="+l.Storage)
	cmd.Stderr = &stderr
	leash, err := cmd.StdinPipe() // it closes with this process, and the job ends too
	if err != nil {
		return err
	}
	defer leash.Close()
	switch j.Pass {
	case passFile:
		err = l.runWithFile(ctx, cancel, cmd, holder, request)
	case passEnvironment:
		err = runWithToken(ctx, cmd, holder, request)
	case passMytoken:
		err = l.runWithMytoken(ctx, cmd, j)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, &stderr)
	}
	return nil
}

// runWithFile keeps a file with an access token fresh as long as the process runs. If
// there is no token to be had any more, it ends the process.
func (l *launcher) runWithFile(ctx context.Context, cancel context.CancelCauseFunc, cmd *exec.Cmd, holder *client.Holder, request client.AccessTokenRequest) error {
	keeper, err := client.NewKeeper(client.KeepConfig{
		Holder: holder, AccessTokenRequest: request, Path: filepath.Join(l.Dir, "access-token"), Changed: func(s client.KeepState) {
			l.clock.keeper(s)
			if s.Phase == client.KeepDown {
				cancel(s.Err)
			}
		},
	})
	if err != nil {
		return err
	}
	return errors.Join(keeper.RunCommand(ctx, cmd), context.Cause(ctx))
}

// runWithToken passes one access token in the environment.
func runWithToken(ctx context.Context, cmd *exec.Cmd, holder *client.Holder, request client.AccessTokenRequest) error {
	token, err := holder.AccessToken(ctx, request)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, bearer.EnvToken+"="+token.Token.Reveal())
	return cmd.Run()
}

// runWithMytoken passes the mytoken of the job in the environment.
func (l *launcher) runWithMytoken(ctx context.Context, cmd *exec.Cmd, j *job) error {
	token, err := l.table.get(ctx, j.ID)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, mytokenVariable+"="+token.Reveal(), issuerVariable+"="+l.Issuer)
	return cmd.Run()
}

// finish notes what the job has used, revokes its token and forgets it.
func (l *launcher) finish(ctx context.Context, r *row) error {
	holder := l.client.NewHolder(l.table.tokens(r.ID))
	info, err := holder.Introspect(ctx)
	if err == nil {
		r.Used = info.ForecastToken().Used
		err = l.table.update(ctx, r)
	} else if client.IsCode(err, client.CodeInvalidToken) {
		err = nil // a launcher that was killed has revoked it already
	}
	if err != nil {
		return err
	}
	if err := holder.Revoke(ctx, true); err != nil {
		return err
	}
	if err := l.table.end(ctx, r.ID); err != nil {
		return err
	}
	return l.say(ctx, r.ID, "has ended, and its mytoken with it")
}
