package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTable builds the program, runs it as a user would, and compares the whole table.
//
// proves P1, P3, P10: every line is an attempt against the real issuer. The program
// itself fails unless the provider saw exactly one refresh for each admitted line.
func TestTable(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "quickstart")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	text, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, "build: %s", text)
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), "%s%s", &stdout, &stderr)
	want, err := os.ReadFile(filepath.Join("testdata", "table.txt"))
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), stdout.String())
}
