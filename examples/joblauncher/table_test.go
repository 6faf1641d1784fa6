package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
)

// TestTable checks that the table keeps what it was given after it was opened again. A
// token disappears with its job.
func TestTable(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	table, err := openTable(ctx, dir)
	require.NoError(t, err)
	r := &row{
		ID: "j", State: running, MomID: "m", Submitted: begin, Due: begin.Add(time.Minute),
	}
	require.NoError(t, table.submit(ctx, r, mytoken.NewSecret("first")))
	require.Error(t, table.submit(ctx, r, mytoken.NewSecret("again")), "a job is submitted once")
	r.Step, r.Done = 1, 2
	require.NoError(t, table.update(ctx, r))

	tokens := table.token("j")
	unlock, err := tokens.Lock(ctx)
	require.NoError(t, err)
	require.NoError(t, tokens.Save(ctx, mytoken.NewSecret("second")))
	unlock()
	require.NoError(t, table.Close())

	table, err = openTable(ctx, dir)
	require.NoError(t, err)
	defer table.Close()
	all, err := table.jobs(ctx)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, r, all[0])
	token, err := table.token("j").Load(ctx)
	require.NoError(t, err)
	require.Equal(t, "second", token.Reveal())

	require.NoError(t, table.end(ctx, r))
	_, err = table.token("j").Load(ctx)
	require.ErrorIs(t, err, client.ErrNoToken)
}

// TestTableIsOneLaunchers checks that only one launcher at a time works with a table. Two
// would use each other's rotated tokens.
func TestTableIsOneLaunchers(t *testing.T) {
	dir := t.TempDir()
	table, err := openTable(t.Context(), dir)
	require.NoError(t, err)
	_, err = openTable(t.Context(), dir)
	require.ErrorContains(t, err, "locked")
	require.NoError(t, table.Close())
	table, err = openTable(t.Context(), dir)
	require.NoError(t, err)
	require.NoError(t, table.Close())
}

// TestJobs checks that each step is within its phase.
func TestJobs(t *testing.T) {
	for _, j := range jobs() {
		require.NoError(t, j.Plan.Validate(), j.ID)
		require.NotEqual(t, userToken, j.ID)
		list, err := j.Plan.Clauses(begin)
		require.NoError(t, err, j.ID)
		require.Len(t, list, len(j.Plan.Phases), j.ID)
		for _, s := range j.Steps {
			phase := j.Plan.Phases[s.Phase]
			require.LessOrEqual(t, s.Start, phase.Latest+phase.Queue, "%s: %s", j.ID, strings.Join(s.Do, ", "))
		}
	}
}
