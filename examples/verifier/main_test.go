package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A request reaches the handler only with a token that the issuer signed and whose
// restrictions admit it.
//
// proves P1
func TestDemonstration(t *testing.T) {
	var out strings.Builder
	require.NoError(t, demonstrate(t.Context(), &out))
	want := []string{"200  Hello alice", "401", "403", "403", "401"}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, len(want))
	for n, line := range lines {
		assert.Contains(t, line, want[n])
	}
}
