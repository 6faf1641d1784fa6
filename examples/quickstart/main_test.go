package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestTable builds the program, runs it as a user would, and compares the
// whole table.
//
// proves P1, P3, P10: every line is an attempt against the real issuer, and
// the program itself fails unless the provider saw exactly one refresh for
// each admitted line.
func TestTable(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "quickstart")
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
	want, err := os.ReadFile(filepath.Join("testdata", "table.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := stdout.String(), strings.ReplaceAll(string(want), "\r\n", "\n"); got != want {
		t.Errorf("the table differs\ngot:\n%s\nwant:\n%s", got, want)
	}
}
