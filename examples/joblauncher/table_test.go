package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/restriction"
)

// What the table has kept is there after it was opened anew, and a token goes with its
// job.
func TestTable(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	table, err := openTable(ctx, dir)
	require.NoError(t, err)
	r := &row{
		ID: "j", State: running, MomID: "m", Submitted: begin.Local(), Due: begin.Add(time.Minute).Local(),
		Restrictions: restriction.List{{Scopes: []string{scopeRead}, UsagesAT: restriction.Usages(2)}}, Used: []restriction.Usage{},
	}
	require.NoError(t, table.submit(ctx, r, mytoken.NewSecret("first")))
	require.Error(t, table.submit(ctx, r, mytoken.NewSecret("again")), "a job is submitted once")
	r.Step, r.Done, r.Used = 1, 2, []restriction.Usage{{AT: 1}}
	require.NoError(t, table.update(ctx, r))

	tokens := table.tokens("j")
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
	require.True(t, r.Restrictions.Equal(all[0].Restrictions))
	all[0].Restrictions = r.Restrictions
	require.Equal(t, r, all[0])
	token, err := table.tokens("j").Load(ctx)
	require.NoError(t, err)
	require.Equal(t, "second", token.Reveal())

	require.NoError(t, table.end(ctx, "j"))
	_, err = table.tokens("j").Load(ctx)
	require.ErrorIs(t, err, client.ErrNoToken)
}

// One launcher at a time works with a table: two would spend each other's rotated
// tokens.
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

// Each step needs a phase that exists, and is within it.
func TestJobs(t *testing.T) {
	for _, j := range jobs() {
		require.NoError(t, j.Plan.Validate(), j.ID)
		require.NotEqual(t, userToken, j.ID)
		list, err := narrowest(j.Plan, begin)
		require.NoError(t, err, j.ID)
		require.Len(t, list, len(j.Plan.Phases), j.ID)
		for _, s := range j.Steps {
			phase := j.Plan.Phases[s.Phase]
			require.LessOrEqual(t, s.Start, phase.Latest+phase.Queue, "%s: %s", j.ID, strings.Join(s.Do, ", "))
		}
	}
}
