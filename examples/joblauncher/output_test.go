package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden file")

// TestOutput builds the program, runs it as a user would, and compares all that it
// prints.
//
// proves P1, P10: jobs do what their clauses admit and nothing earlier, and a refusal
// says when to try again.
func TestOutput(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "joblauncher")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	text, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "%s", text)
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "%s%s", &stdout, &stderr)
	require.Empty(t, stderr.String())
	golden := filepath.Join("testdata", "output.txt")
	if *update {
		require.NoError(t, os.WriteFile(golden, stdout.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), stdout.String(), "go test -run TestOutput -update writes the golden file")
}
