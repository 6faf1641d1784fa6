package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The test binary is also the launcher and its jobs.
func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) != "" {
		if err := runRole(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // in the processes that the tests start: the race detector waits a second at each exit
	os.Exit(m.Run())
}

// TestOutput builds the program, runs it as a user would, and compares all that it
// prints.
//
// proves P1, P7, P10: jobs do what their clauses admit and nothing before, the table
// holds no secret in clear although its process was killed, and a refusal says when to
// come back.
func TestOutput(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "joblauncher")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("run: %v\n%s%s", err, &stdout, &stderr)
	}
	if stderr.Len() > 0 {
		t.Errorf("errors: %s", &stderr)
	}
	want, err := os.ReadFile(filepath.Join("testdata", "output.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := stdout.String(), strings.ReplaceAll(string(want), "\r\n", "\n"); got != want {
		t.Errorf("the output differs\ngot:\n%s\nwant:\n%s", got, want)
	}
}
