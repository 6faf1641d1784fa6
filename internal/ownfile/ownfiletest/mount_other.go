//go:build !linux

package ownfiletest

import "testing"

// Mount skips the test: only Linux mounts one file over another.
func Mount(t testing.TB, _, _ string, _ uintptr) {
	t.Helper()
	t.Skip("SKIPPED: this system cannot mount one file over another")
}

// ReadOnly is a flag of Mount.
const ReadOnly = 1
