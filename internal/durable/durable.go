// Package durable writes small files that survive a crash. A reader sees the old content
// or the new one, never a mixture or a part.
//
// Every write takes the same steps: write a temporary file beside the target, sync it,
// rename it, sync the directory. If a process is killed in between, it leaves the
// temporary file behind; see [Sweep] and [Dir.Unfinished].
//
// Some files cannot be replaced, because a platform has mounted them one by one, or
// because their directory is read-only. [Update] and [Renew] write such a file in place.
package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// disk holds the steps that tests watch and break.
type disk struct {
	sync     func(*os.File) error
	rename   func(dir *os.Root, from, to string) error
	link     func(dir *os.Root, from, to string) error
	syncDir  func(dir *os.Root) error
	mounted  func(dir *os.Root, name string) bool
	writeAt  func(f *os.File, data []byte, at int64) error
	truncate func(f *os.File, size int64) error
}

var osDisk = disk{
	sync: (*os.File).Sync, rename: (*os.Root).Rename, link: (*os.Root).Link, syncDir: syncRoot,
	mounted: Mounted, writeAt: writeAt, truncate: (*os.File).Truncate,
}

// Write replaces a file of the directory, or creates it, and makes the new content
// survive a crash. Only the file's owner can read it (mode 0600). Write replaces a
// symbolic link and does not follow it. It stays in the open directory, whatever becomes
// of that directory's name.
//
// If Write returns an error, the file is usually as it was before. The exception is an
// error from syncing the directory: then the file has the new content, but a crash may
// bring the old one back.
//
// On Windows, Write fails while another process has the file open.
func Write(dir *os.Root, name string, data []byte) error {
	return osDisk.write(dir, name, data, anyFile)
}

// Replace is like [Write], but does not sync the directory: a crash may bring the old
// content back.
func Replace(dir *os.Root, name string, data []byte) error {
	return osDisk.place(dir, name, data, anyFile, osDisk.rename)
}

// Create is like [Write], but for a file that must not exist yet. If the file exists,
// Create changes nothing and returns [fs.ErrExist], wrapped.
func Create(dir *os.Root, name string, data []byte) error {
	if err := osDisk.place(dir, name, data, anyFile, osDisk.link); err != nil {
		return err
	}
	return osDisk.syncDir(dir)
}

// Remove removes the file and makes that survive a crash. A missing file is no error.
func Remove(path string) error {
	if err := ignoreMissing(os.Remove(path)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func (d disk) write(dir *os.Root, name string, data []byte, own func(fs.FileInfo) error) error {
	if err := d.place(dir, name, data, own, d.rename); err != nil {
		return err
	}
	return d.syncDir(dir)
}

// place fills a temporary file and moves it to name. It leaves no temporary file behind.
// own looks at the file while it is empty.
func (d disk) place(dir *os.Root, name string, data []byte, own func(fs.FileInfo) error, move func(dir *os.Root, from, to string) error) error {
	temp := temporary(name, rand.Text())
	f, err := dir.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = d.fill(f, data, own); err == nil {
		err = move(dir, temp, name)
	}
	return errors.Join(err, ignoreMissing(dir.Remove(temp)))
}

// anyFile accepts every file.
func anyFile(fs.FileInfo) error { return nil }

func (d disk) fill(f *os.File, data []byte, own func(fs.FileInfo) error) error {
	info, err := f.Stat()
	if err == nil {
		if err = own(info); err != nil {
			err = fmt.Errorf("a new file there would not be closed to others, because the file system has its own owners or permissions: use a directory elsewhere: %w", err)
		}
	}
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = d.sync(f)
	}
	return errors.Join(err, f.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// temporary names the temporary file of a target. The name starts with a dot and ends
// with .tmp; random stands between the target's name and that end.
func temporary(name, random string) string { return "." + name + "." + random + ".tmp" }

// target returns the name of the file that a temporary file was to become.
func target(name string) (string, bool) {
	inner, begins := strings.CutPrefix(name, ".")
	inner, ends := strings.CutSuffix(inner, ".tmp")
	dot := strings.LastIndexByte(inner, '.')
	if !begins || !ends || dot <= 0 {
		return "", false
	}
	return inner[:dot], true
}

// Abandoned is the age at which a temporary file counts as left behind by a killed
// process. A living process needs milliseconds to finish one.
const Abandoned = time.Minute

// Sweep removes temporary files that killed writers of the file at path have left behind.
// It leaves everything else alone. It ignores errors, because it may not be allowed to
// remove the files of another user.
func Sweep(path string, now time.Time) {
	dir, name := Dir{filepath.Dir(path)}, filepath.Base(path)
	unfinished, _ := dir.Unfinished(name)
	for _, u := range unfinished {
		if u.Name == name && u.Abandoned(now) {
			_ = dir.Forget(u.File)
		}
	}
}
