package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/restriction/forecast"
	"github.com/mytoken-go/sdk/restriction/plan"
	"github.com/mytoken-go/sdk/restriction/timeline"
)

// launcher submits jobs and runs them, one step at a time.
type launcher struct {
	issuer, storage, dir string // URLs of the services, and the folder of the launcher's files

	site   *line
	client *client.Client
	clock  *clock
	table  *table
	user   *client.Holder
}

// launch is the process of the launcher. After a kill, it continues from what is in its
// table. args are the URLs of the issuer and of the storage service, and the launcher's
// folder.
func launch(ctx context.Context, site *line, args []string) error {
	l := &launcher{issuer: args[0], storage: args[1], dir: args[2], site: site}
	var err error
	if l.clock, err = newClock(site); err != nil {
		return err
	}
	if l.client, err = client.New(client.Config{Issuer: l.issuer, Clock: l.clock, Timeout: time.Minute, Attempts: 1}); err != nil {
		return err
	}
	if l.table, err = openTable(ctx, l.dir); err != nil {
		return err
	}
	l.user = l.client.NewHolder(l.table.token(userToken))
	for _, do := range []func(context.Context) error{l.logIn, l.revokeOrphans, l.submitAll, l.runAll} {
		if err := do(ctx); err != nil {
			return errors.Join(err, l.table.Close())
		}
	}
	return errors.Join(l.table.forgetUser(ctx), l.table.Close())
}

// logIn fetches the user's token with a transfer code, unless an earlier process did.
func (l *launcher) logIn(ctx context.Context) error {
	if _, err := l.table.token(userToken).Load(ctx); !errors.Is(err, client.ErrNoToken) {
		return err
	}
	a, err := l.site.ask(question{TransferCode: true})
	if err != nil {
		return err
	}
	token, err := l.client.Redeem(ctx, mytoken.NewSecret(a.TransferCode))
	if err != nil {
		return err
	}
	return l.table.token(userToken).Save(ctx, token.Token)
}

// revokeOrphans revokes tokens that an earlier process derived for a job but did not
// store before it was killed.
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
		if slices.ContainsFunc(known, func(r *row) bool { return r.ID == j.ID }) {
			continue // runAll continues it
		}
		if err := l.submit(ctx, &j); err != nil {
			return err
		}
	}
	return nil
}

// submit submits a job, unless the user's token certainly does not carry its plan. It
// derives a token that carries the plan and allows nothing else.
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
		return l.say(j.ID, "is not submitted\n"+verdict.String())
	}
	list, err := j.Plan.Clauses(now)
	if err != nil {
		return err
	}
	token, err := l.user.Derive(ctx, client.DeriveRequest{Properties: mytoken.Properties{
		Name: "job " + j.ID, Capabilities: capability.Set{capability.AT},
		Restrictions: list, Rotation: rotation(j),
	}})
	if err != nil {
		return err
	}
	r.State, r.MomID, r.Due = running, token.ID.String(), now.Add(j.Steps[0].Start)
	if err := l.table.submit(ctx, r, token.Token); err != nil {
		return err
	}
	drawing, err := draw(j.ID, list, now)
	if err != nil {
		return err
	}
	return l.say(j.ID, fmt.Sprintf("is submitted, with a mytoken of %d clauses\n%s\n\n%s", len(list), verdict, drawing))
}

// rotation returns how the token of a job rotates: with each use. The token of a job that
// holds it does not rotate, because the job's copy would become invalid. That works only
// if the user's token does not rotate either: a child rotates at least like its parent.
func rotation(j *job) *mytoken.Rotation {
	if j.Pass == passMytoken {
		return nil
	}
	return &mytoken.Rotation{OnAT: true, AutoRevoke: true}
}

// draw returns a timeline of a list of clauses.
func draw(id string, list restriction.List, start time.Time) (string, error) {
	f, err := forecast.New(forecast.Token{Restrictions: list, Used: make([]restriction.Usage, len(list)), Elsewhere: true}, start, time.Time{})
	if err != nil {
		return "", err
	}
	const width = 76 // characters
	return timeline.Text(f, width, forecast.Style{Start: start, Title: fmt.Sprintf("The mytoken of %q", id)}), nil
}

// say prints something for the user. It returns after that.
func (l *launcher) say(who, text string) error {
	_, err := l.site.ask(question{Who: who, Say: text})
	return err
}
