package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

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
		rows = slices.DeleteFunc(rows, func(r *row) bool { return r.State != running })
		if len(rows) == 0 {
			return nil
		}
		next := slices.MinFunc(rows, func(a, b *row) int { return a.Due.Compare(b.Due) })
		if err := l.runNext(ctx, next); err != nil {
			return fmt.Errorf("job %s: %w", next.ID, err)
		}
	}
}

// runNext runs the next step of a job, or the rest of it.
func (l *launcher) runNext(ctx context.Context, r *row) error {
	all := jobs()
	j := &all[slices.IndexFunc(all, func(j job) bool { return j.ID == r.ID })]
	if r.Step == len(j.Steps) {
		return l.finish(ctx, r)
	}
	if err := l.clock.advance(r.Due); err != nil {
		return err
	}
	run := &stepRun{launcher: l, job: j, step: &j.Steps[r.Step], row: r}
	if err := run.run(ctx); err != nil {
		return err
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	switch {
	case !run.later.IsZero():
		r.Due = run.later
	case r.Done < len(run.step.Do):
		return fmt.Errorf("step %d ended after %q", r.Step+1, run.step.Do[:r.Done])
	default:
		if r.Step, r.Done = r.Step+1, 0; r.Step < len(j.Steps) {
			r.Due = r.Submitted.Add(j.Steps[r.Step].Start)
		}
	}
	return l.table.update(ctx, r)
}

// stepRun is the process of a step while it runs.
type stepRun struct {
	*launcher
	job  *job
	step *step

	mu    sync.Mutex
	row   *row
	later time.Time // when to start the step again
}

// run starts the process, gives it what it needs to get access tokens, and waits for its
// end.
func (s *stepRun) run(ctx context.Context) error {
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, s.step.Do[s.row.Done:]...)
	cmd.Env = append(os.Environ(), roleVariable+"="+roleJob, storageVariable+"="+s.storage)
	cmd.Stderr = &stderr
	hangUp, err := serve(cmd, func(q question) (answer, error) { return s.respond(ctx, q) })
	if err != nil {
		return err
	}
	defer hangUp()
	phase := &s.job.Plan.Phases[s.step.Phase]
	request := client.AccessTokenRequest{Scopes: phase.Scopes, Audiences: phase.Audiences, Comment: phase.Name}
	holder := s.client.NewHolder(s.table.token(s.job.ID))
	if s.job.Pass == passFile {
		err = s.runWithFile(ctx, cancel, cmd, holder, request)
	} else if err = s.passToken(ctx, cmd, holder, request); err == nil {
		err = cmd.Run()
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, &stderr)
	}
	return nil
}

// passToken puts one access token, or the mytoken of the job, in the environment.
func (s *stepRun) passToken(ctx context.Context, cmd *exec.Cmd, holder *client.Holder, request client.AccessTokenRequest) error {
	if s.job.Pass == passEnvironment {
		token, err := holder.AccessToken(ctx, request)
		if err != nil {
			return err
		}
		cmd.Env = append(cmd.Env, bearer.EnvToken+"="+token.Token.Reveal())
		return nil
	}
	token, err := s.table.token(s.job.ID).Load(ctx)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, mytokenVariable+"="+token.Reveal(), issuerVariable+"="+s.issuer)
	return nil
}

// respond answers a question of the process. It stores progress before it tells the user.
func (s *stepRun) respond(ctx context.Context, q question) (a answer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case q.Compute > 0:
		err = s.clock.advance(s.clock.Now().Add(q.Compute))
	case q.Done != "":
		s.row.Done++
		if err = s.table.update(ctx, s.row); err == nil {
			err = s.say(s.row.ID, q.Done)
		}
	case q.Refused != "":
		s.later = q.Later
		err = s.say(s.row.ID, strings.TrimSpace(q.Refused))
	}
	return answer{Now: s.clock.Now()}, err
}

// runWithFile keeps a file with an access token fresh while the process runs. It ends the
// process if the keeper can get no more tokens.
func (s *stepRun) runWithFile(ctx context.Context, cancel context.CancelCauseFunc, cmd *exec.Cmd, holder *client.Holder, request client.AccessTokenRequest) error {
	keeper, err := client.NewKeeper(client.KeepConfig{
		Holder: holder, AccessTokenRequest: request, Path: filepath.Join(s.dir, "access-token"), Changed: func(state client.KeepState) {
			s.clock.keeper(state)
			if state.Phase == client.KeepDown {
				cancel(state.Err)
			}
		},
	})
	if err != nil {
		return err
	}
	return errors.Join(keeper.RunCommand(ctx, cmd), context.Cause(ctx))
}

// finish revokes the token of a job and forgets it. An earlier process may have revoked
// the token already, which is no error.
func (l *launcher) finish(ctx context.Context, r *row) error {
	if err := l.client.NewHolder(l.table.token(r.ID)).Revoke(ctx, true); err != nil {
		return err
	}
	if err := l.table.end(ctx, r); err != nil {
		return err
	}
	return l.say(r.ID, "has ended, and its mytoken is revoked")
}
