package main

import (
	"strings"
	"testing"
)

// proves P1: what the issuer did not sign, or does not admit here, does not
// reach the handler.
func TestDemonstration(t *testing.T) {
	var out strings.Builder
	if err := demonstrate(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	want := []string{"200  Hello alice", "401", "403", "403", "401"}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), &out)
	}
	for n, line := range lines {
		if !strings.Contains(line, want[n]) {
			t.Errorf("line %d lacks %q: %s", n, want[n], line)
		}
	}
}
