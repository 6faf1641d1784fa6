//go:build !windows

package durable

import (
	"errors"
	"os"
	"slices"
	"syscall"
)

// noWait makes opening a pipe not wait for its other end.
const noWait = syscall.O_NONBLOCK

// Refused reports whether an error of [Write] or [Remove] says that the directory does not
// give the name to another file, although the file may be writable: the name is a mount
// point, or the directory is read-only.
func Refused(err error) bool {
	errno, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains([]syscall.Errno{syscall.EBUSY, syscall.EXDEV, syscall.EPERM, syscall.EACCES, syscall.EROFS}, errno)
}

// immutable reports whether the error of opening a file for writing says that nobody may
// replace the file either (chattr +i).
func immutable(err error) bool { return errors.Is(err, syscall.EPERM) }

// syncDir makes the names in a directory survive a crash.
func syncDir(dir string) error { return syncOpen(os.Open(dir)) }

// syncRoot does the same for an open directory.
func syncRoot(dir *os.Root) error { return syncOpen(dir.Open(".")) }

func syncOpen(d *os.File, err error) error {
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
