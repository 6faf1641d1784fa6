package main

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// everyNth kills at every n-th point.
func everyNth(n int) killer {
	count := 0
	return func(point) bool {
		count++
		return count%n == 0
	}
}

// nthOf kills once, at the n-th point whose name has a prefix.
func nthOf(n int, name string) killer {
	count := 0
	return func(p point) bool {
		if !strings.HasPrefix(string(p), name) {
			return false
		}
		count++
		return count == n
	}
}

// run runs the program to its end.
func run(t *testing.T, kill killer) *program {
	t.Helper()
	p := newProgram(t, kill)
	require.NoError(t, p.run(t.Context()), "%s", &p.out)
	return p
}

// TestKilledAnywhere kills the launcher while it waits for an answer, so that it does not
// know the effect of its question. No job loses its token, all results are there, and
// nothing is left behind.
//
// proves P7, P8
func TestKilledAnywhere(t *testing.T) {
	const tokens, access, info, revoke = "answer: POST /api/v0/token/my", "answer: POST /api/v0/token/access", "answer: POST /api/v0/tokeninfo", "answer: POST /api/v0/token/revoke"
	for name, c := range map[string]struct {
		kill  killer
		kills int // at least
	}{
		"never":                                 {func(point) bool { return false }, 0},
		"often":                                 {everyNth(11), 5},
		"often, elsewhere":                      {everyNth(13), 4},
		"before it knows the user's token":      {nthOf(1, tokens), 1},
		"before it knows a job's token":         {nthOf(3, tokens), 1},
		"before it keeps a rotated token":       {nthOf(1, access), 1},
		"before it keeps a token rotated twice": {nthOf(4, access), 1},
		"while it looks ahead":                  {nthOf(2, info), 1},
		"when it has revoked the first token":   {nthOf(1, revoke), 1},
		"when it has submitted a job":           {nthOf(1, "report: is submitted"), 1},
		"when a job has computed":               {nthOf(2, "report: computed for 50m"), 1},
		"when a job was refused":                {nthOf(1, "report: cannot write summary"), 1},
		"when a job has ended":                  {nthOf(1, "report: has ended, and its mytoken is revoked"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := run(t, c.kill)
			require.GreaterOrEqual(t, p.kills, c.kills, "killed too seldom:\n%s", &p.out)
			require.Equal(t, p.kills, strings.Count(p.out.String(), "is killed with SIGKILL"))
			requireComplete(t, p)
		})
	}
}

// TestKilledEverywhere does the same at every third point of a run.
//
// proves P7, P8
func TestKilledEverywhere(t *testing.T) {
	points := 0
	run(t, func(point) bool { points++; return false })
	require.Greater(t, points, 50)
	for n := 1; n <= points; n += 3 {
		t.Run(fmt.Sprintf("point %d of %d", n, points), func(t *testing.T) {
			p := run(t, nthOf(n, ""))
			require.Equal(t, 1, p.kills)
			requireComplete(t, p)
		})
	}
}

// requireComplete checks that each job has done all of its work and that its token is
// revoked.
func requireComplete(t *testing.T, p *program) {
	t.Helper()
	output, s := p.out.String(), p.supervisor
	for _, object := range []string{"constants", "input", "part-1", "part-2", "part-3", "part-4", "summary"} {
		require.Contains(t, s.site.storage.inventory(), user+"/"+object)
	}
	for _, id := range []string{"analysis", "calibration", "report"} {
		require.Equal(t, 1, strings.Count(output, fmt.Sprintf("The mytoken of %q", id)), output)
	}

	tree, err := s.site.service.Issuer.Subtree(t.Context(), issuer.InfoRequest{
		Token: s.site.token, Client: issuer.Client{Address: netip.MustParseAddr("127.0.0.1")},
	})
	require.NoError(t, err)
	for _, child := range tree.Roots[0].Children {
		require.True(t, child.Revoked, "%s is alive", child.Name)
	}
	require.Zero(t, s.site.service.Provider.Reuses())

	files, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	for _, file := range files {
		require.True(t, strings.HasPrefix(file.Name(), "launcher."), "%s is left", file.Name())
	}
	require.Empty(t, tokensIn(t, s.dir))
}

// TestRevokedOnTheWay revokes the user's token while a job runs. When the job needs
// another access token, it ends and says why.
func TestRevokedOnTheWay(t *testing.T) {
	var p *program
	p = newProgram(t, func(at point) bool {
		if at == stored("part-2") {
			_, err := p.site.service.Issuer.Revoke(t.Context(), issuer.RevokeRequest{Token: p.site.token, Recursive: true})
			assert.NoError(t, err)
		}
		return false
	})
	err := p.run(t.Context())
	require.ErrorContains(t, err, "job analysis")
	require.ErrorContains(t, err, "invalid_token")
	require.NotContains(t, p.site.storage.inventory(), "part-3")
	require.NoError(t, p.ended())
}
