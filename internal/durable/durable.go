// Package durable replaces files in one step: whoever opens the file gets the old
// content or the new one, also after a crash.
package durable

import (
	"errors"
	"os"
	"path/filepath"
	"time"
)

// leftoverAge is how old a temporary file is before it counts as left behind: they
// live for milliseconds.
const leftoverAge = time.Minute

func pattern(path string) string { return "." + filepath.Base(path) + ".*.tmp" }

// Write is [Replace], and the new content is still there after a crash that follows. When
// it fails, the file is as before, unless the error is about its directory: then it may be
// the new one.
func Write(path string, data []byte) error {
	if err := Replace(path, data); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// Replace replaces the file by one with this content that only its owner may read and
// write. A symbolic link is replaced, not followed. When it fails, the file is as before.
// On Windows, it fails while somebody has the file open.
func Replace(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), pattern(path)) // with permissions 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreMissing(os.Remove(f.Name())))
		}
	}()
	if err := fill(f, data); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func fill(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Sweep removes what writers of the file left behind when they were killed. Others'
// files are left alone.
func Sweep(path string, now time.Time) {
	names, err := filepath.Glob(filepath.Join(escape(filepath.Dir(path)), escape("."+filepath.Base(path)+".")+"*"+escape(".tmp")))
	if err != nil {
		return
	}
	for _, name := range names {
		info, err := os.Lstat(name)
		if err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > leftoverAge {
			_ = os.Remove(name) // what belongs to others cannot be removed
		}
	}
}
