//go:build !windows

package durable

import (
	"errors"
	"os"
)

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
