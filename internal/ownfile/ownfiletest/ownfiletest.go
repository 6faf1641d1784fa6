// Package ownfiletest helps to test how files of other users are refused. Importing it
// sets the umask to 022 on Unix, because such tests make directories that only their
// owner may change.
package ownfiletest

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/mytoken-go/sdk/internal/ownfile"
)

// Stranger is the id of another user.
const Stranger = 12345

// GiveAway makes a file, or a symbolic link itself, belong to another user. Only root can
// do so: GiveAway skips the test for others.
func GiveAway(t testing.TB, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	if err := os.Lchown(path, Stranger, Stranger); err != nil {
		t.Fatal(err)
	}
}

// RequireUnsafe fails the test unless the error is an [*ownfile.UnsafeError] whose text
// holds the reason.
func RequireUnsafe(t testing.TB, err error, reason string) {
	t.Helper()
	if !errors.As(err, new(*ownfile.UnsafeError)) || !strings.Contains(err.Error(), reason) {
		t.Fatalf("got %v; want an UnsafeError with %q", err, reason)
	}
}
