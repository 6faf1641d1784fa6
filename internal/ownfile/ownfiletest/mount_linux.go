package ownfiletest

import (
	"os"
	"syscall"
	"testing"
)

// Mount mounts one file over another, as container platforms do with secrets and volumes
// of a single file. It makes the file at path, unmounts it at the end of the test, and
// skips the test where it may not mount.
func Mount(t testing.TB, file, path string, flags uintptr) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount(file, path, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("SKIPPED: no file can be mounted here (%v); TestRefusedNames of internal/durable tests the same with injected faults", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(path, 0); err != nil {
			t.Error(err)
		}
	})
	if flags != 0 {
		if err := syscall.Mount("", path, "", syscall.MS_REMOUNT|syscall.MS_BIND|flags, ""); err != nil {
			t.Skipf("SKIPPED: no file can be mounted for reading only here: %v", err)
		}
	}
}

// ReadOnly is a flag of Mount.
const ReadOnly = syscall.MS_RDONLY
