package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/examples/internal/database"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// everyNth kills at each n-th point.
func everyNth(n int) killer {
	count := 0
	return func(point) bool {
		count++
		return count%n == 0
	}
}

// nthOf kills once, at the n-th point whose name begins like this.
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

// run is the program with the launcher's files in a folder of the test. It returns
// how often the launcher was killed, and what was printed.
func run(t *testing.T, kill killer) (s *supervisor, kills int, output string) {
	t.Helper()
	var out bytes.Buffer
	var mu sync.Mutex
	s, err := newSupervisor(t.Context(), t.TempDir(), &out, func(p point) bool {
		mu.Lock()
		defer mu.Unlock()
		if !kill(p) {
			return false
		}
		kills++
		return true
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.site.close()) })
	require.NoError(t, s.run(t.Context()), "%s", &out)
	return s, kills, out.String()
}

// The launcher is killed wherever it waits for an answer, whose effect it does not know
// then: no job loses its token, all results are there, and nothing is left behind.
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
		"when a job has ended":                  {nthOf(1, "report: has ended, and its mytoken with it"), 1},
		"when it has told a timeline":           {nthOf(1, "report: storage.read"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, kills, output := run(t, c.kill)
			require.GreaterOrEqual(t, kills, c.kills, "killed too seldom:\n%s", output)
			require.Equal(t, kills, strings.Count(output, "is killed with SIGKILL"))
			requireComplete(t, s, output)
		})
	}
}

// The same at every point that there is, of which this takes some.
//
// proves P7, P8
func TestKilledEverywhere(t *testing.T) {
	points := 0
	_, _, _ = run(t, func(point) bool { points++; return false })
	require.Greater(t, points, 50)
	for n := 1; n <= points; n += 3 {
		t.Run(fmt.Sprintf("point %d of %d", n, points), func(t *testing.T) {
			s, kills, output := run(t, nthOf(n, ""))
			require.Equal(t, 1, kills)
			requireComplete(t, s, output)
		})
	}
}

// requireComplete: each job has done all of its work, and its token is dead.
func requireComplete(t *testing.T, s *supervisor, output string) {
	t.Helper()
	for _, object := range []string{"constants", "input", "part-1", "part-2", "part-3", "part-4", "summary"} {
		require.Contains(t, s.site.storage.inventory(), user+"/"+object)
	}
	for _, id := range []string{"analysis", "calibration", "report"} {
		require.Equal(t, 1, strings.Count(output, fmt.Sprintf("The mytoken of %q", id)), output)
	}
	require.Contains(t, output[strings.LastIndex(output, "The storage service"):], "The mytoken of \"report\"", "it ends in timelines")

	tree, err := s.site.service.Issuer.Subtree(t.Context(), issuer.InfoRequest{
		Token: s.site.token, Client: issuer.Client{Address: netip.MustParseAddr("127.0.0.1")},
	})
	require.NoError(t, err)
	for _, child := range tree.Roots[0].Children {
		require.True(t, child.Revoked, "%s lives", child.Name)
	}
	require.Zero(t, s.site.service.Provider.Reuses())

	files, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	for _, file := range files {
		require.True(t, strings.HasPrefix(file.Name(), "launcher."), "%s is left", file.Name())
	}
	require.Empty(t, tokensIn(t, s.dir))
}

// tokensIn returns the sealed tokens of a table that nobody has open.
func tokensIn(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	db, _, err := database.Open(filepath.Join(dir, tableFile), "")
	require.NoError(t, err)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT name, sealed FROM tokens")
	require.NoError(t, err)
	defer rows.Close()
	sealed := make(map[string][]byte)
	for rows.Next() {
		var name string
		var data []byte
		require.NoError(t, rows.Scan(&name, &data))
		sealed[name] = data
	}
	require.NoError(t, rows.Err())
	return sealed
}

// When the user takes her token back, the job that runs ends with the reason as soon as
// it needs another access token.
func TestRevokedOnTheWay(t *testing.T) {
	var out bytes.Buffer
	var s *supervisor
	s, err := newSupervisor(t.Context(), t.TempDir(), &out, func(p point) bool {
		if p == stored("part-2") {
			if _, err := s.site.service.Issuer.Revoke(t.Context(), issuer.RevokeRequest{Token: s.site.token, Recursive: true}); err != nil {
				t.Error(err)
			}
		}
		return false
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.site.close()) }()
	err = s.run(t.Context())
	require.ErrorContains(t, err, "job analysis")
	require.ErrorContains(t, err, "invalid_token")
	require.NotContains(t, s.site.storage.inventory(), "part-3")
	_, err = s.checkDump()
	require.NoError(t, err)
}
