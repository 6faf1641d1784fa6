package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/restriction/plan"
)

// launcher submits jobs and runs them, one step at a time.
type launcher struct {
	config
	client *client.Client
	clock  *clock
	table  *table
	user   *client.Holder
}

// launch is the process of the launcher. However often it is killed, it goes on from
// what is in its table.
func launch(ctx context.Context) error {
	l, err := newLauncher(ctx)
	if err != nil {
		return err
	}
	return errors.Join(l.run(ctx), l.table.Close())
}

func newLauncher(ctx context.Context) (*launcher, error) {
	l := new(launcher)
	if err := json.Unmarshal([]byte(os.Getenv(configVariable)), &l.config); err != nil {
		return nil, fmt.Errorf("%s: %w", configVariable, err)
	}
	var err error
	if l.clock, err = newClock(ctx, l.Desk); err != nil {
		return nil, err
	}
	if l.client, err = client.New(client.Config{Issuer: l.Issuer, Clock: l.clock, Timeout: time.Minute, Attempts: 1}); err != nil {
		return nil, err
	}
	l.table, err = openTable(ctx, l.Dir)
	return l, err
}

func (l *launcher) run(ctx context.Context) error {
	if err := l.logIn(ctx); err != nil {
		return err
	}
	if err := l.revokeOrphans(ctx); err != nil {
		return err
	}
	if err := l.submitAll(ctx); err != nil {
		return err
	}
	if err := l.runAll(ctx); err != nil {
		return err
	}
	if err := l.table.forget(ctx, userToken); err != nil {
		return err
	}
	return l.timelines(ctx)
}

// logIn fetches the user's token with the transfer code that this start got, if there
// is none from an earlier one.
func (l *launcher) logIn(ctx context.Context) error {
	l.user = l.client.NewHolder(l.table.tokens(userToken))
	code, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<10))
	if err != nil {
		return err
	}
	_, err = l.table.get(ctx, userToken)
	if !errors.Is(err, client.ErrNoToken) {
		return err
	}
	token, err := l.client.Redeem(ctx, mytoken.NewSecret(strings.TrimSpace(string(code))))
	if err != nil {
		return err
	}
	return l.table.tokens(userToken).Save(ctx, token.Token)
}

// revokeOrphans revokes tokens that were derived for a job by a launcher that was
// killed before it could keep them.
func (l *launcher) revokeOrphans(ctx context.Context) error {
	tree, err := l.user.Subtree(ctx)
	if err != nil {
		return err
	}
	rows, err := l.table.jobs(ctx)
	if err != nil {
		return err
	}
	for _, child := range tree.Roots[0].Children {
		if child.Revoked || slices.ContainsFunc(rows, func(r *row) bool { return r.MomID == child.ID.String() }) {
			continue
		}
		if err := l.user.RevokeByID(ctx, child.ID, true); err != nil {
			return err
		}
	}
	return nil
}

// submitAll submits the jobs that are not in the table.
func (l *launcher) submitAll(ctx context.Context) error {
	known, err := l.table.jobs(ctx)
	if err != nil {
		return err
	}
	for _, j := range jobs() {
		i := slices.IndexFunc(known, func(r *row) bool { return r.ID == j.ID })
		if i < 0 {
			err = l.submit(ctx, &j)
		} else if known[i].State == running {
			err = l.say(ctx, j.ID, fmt.Sprintf("is known, with its mytoken, and goes on with step %d of %d", known[i].Step+1, len(j.Steps)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// submit looks whether the user's token carries the job whatever happens, and derives
// one that carries the job and nothing else.
func (l *launcher) submit(ctx context.Context, j *job) error {
	now := l.clock.Now()
	info, err := l.user.Introspect(ctx)
	if err != nil {
		return err
	}
	verdict, err := j.Plan.Preflight(info.ForecastToken(), now)
	if err != nil {
		return err
	}
	r := &row{ID: j.ID, State: refused, Submitted: now, Due: now}
	if verdict.Answer == plan.Breaks {
		if err := l.table.submit(ctx, r, mytoken.Secret{}); err != nil {
			return err
		}
		return l.say(ctx, j.ID, "is not submitted\n"+verdict.String())
	}
	list, err := narrowest(j.Plan, now)
	if err != nil {
		return err
	}
	token, err := l.user.Derive(ctx, client.DeriveRequest{Properties: mytoken.Properties{
		Name: "job " + j.ID, Capabilities: capability.Set{capability.AT, capability.TokeninfoIntrospect},
		Restrictions: list, Rotation: rotation(j),
	}})
	if err != nil {
		return err
	}
	r.State, r.MomID, r.Restrictions, r.Due = running, token.ID.String(), token.Restrictions, now.Add(j.Steps[0].Start)
	if err := l.table.submit(ctx, r, token.Token); err != nil {
		return err
	}
	return l.say(ctx, j.ID, fmt.Sprintf("is submitted, with a mytoken of %d clauses\n%s", len(list), verdict))
}

// rotation of the token of a job: with each use, unless the job has a copy.
func rotation(j *job) *mytoken.Rotation {
	if j.Pass == passMytoken {
		return nil
	}
	return &mytoken.Rotation{OnAT: true, AutoRevoke: true}
}

// say reports to the user, and waits until it is printed.
func (l *launcher) say(ctx context.Context, who, text string) error {
	return l.report(ctx, report{Who: who, Text: text})
}

func (l *launcher) report(ctx context.Context, r report) error {
	_, err := ask[struct{}](ctx, l.Desk+"/report", r)
	return err
}
