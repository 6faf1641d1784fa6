package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Dir is a directory of small files. Its methods write, read and remove whole files.
// Several processes and goroutines may share a directory.
type Dir struct{ path string }

// OpenDir opens a directory. It creates the directory if that does not exist yet, for its
// owner alone (mode 0700). It returns an error if the path is a file.
func OpenDir(path string) (Dir, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(path, 0o700); err == nil {
			err = syncDir(filepath.Dir(path))
		}
	} else if err == nil {
		err = os.MkdirAll(path, 0o700) // returns an error if it is a file
	}
	return Dir{path}, err
}

// Write writes a file of the directory, as the function [Write] does.
func (d Dir) Write(name string, data []byte) error {
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return err
	}
	return errors.Join(Write(root, name, data), root.Close())
}

// Remove removes a file of the directory, as the function [Remove] does.
func (d Dir) Remove(name string) error { return Remove(filepath.Join(d.path, name)) }

// Forget removes a file without waiting for the disk. A crash may bring the file back. A
// missing file is no error.
func (d Dir) Forget(name string) error {
	return ignoreMissing(os.Remove(filepath.Join(d.path, name)))
}

// Read returns the content of a file. It returns [fs.ErrNotExist], wrapped, if there is
// no such file any more.
func (d Dir) Read(name string) ([]byte, error) { return os.ReadFile(filepath.Join(d.path, name)) }

// Names returns the names of the finished files that end in suffix, sorted.
func (d Dir) Names(suffix string) ([]string, error) {
	entries, err := os.ReadDir(d.path)
	var names []string
	for _, e := range entries {
		if _, unfinished := target(e.Name()); !unfinished && strings.HasSuffix(e.Name(), suffix) && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// Unfinished is a temporary file of a write that has not finished. Its writer may still
// be at work, or was killed.
type Unfinished struct {
	Name    string    // that the file gets when it is finished
	File    string    // name of the temporary file; pass it to Read
	Changed time.Time // last write
}

// Abandoned reports whether the writer must have been killed.
func (u Unfinished) Abandoned(now time.Time) bool { return now.Sub(u.Changed) > Abandoned }

// Unfinished returns the temporary files of unfinished writes to files whose names end in
// suffix. A killed process may have written such a file completely. So read it, and call
// Finish or Discard once it is [Unfinished.Abandoned]. Call Unfinished before Names, so
// that you do not miss a file that another process finishes in between.
func (d Dir) Unfinished(suffix string) ([]Unfinished, error) {
	entries, err := os.ReadDir(d.path)
	var all []Unfinished
	for _, e := range entries {
		name, ok := target(e.Name())
		if !ok || !strings.HasSuffix(name, suffix) || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil { // an error: its writer has just finished it
			all = append(all, Unfinished{Name: name, File: e.Name(), Changed: info.ModTime()})
		}
	}
	return all, err
}

// Finish takes the remaining steps of a write: it syncs the file, gives it its name and
// syncs the directory. If another process was faster, Finish does nothing.
func (d Dir) Finish(u Unfinished) error {
	path := filepath.Join(d.path, u.File)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(path, filepath.Join(d.path, u.Name))
	}
	if err != nil {
		return ignoreMissing(err)
	}
	return syncDir(d.path)
}

// Discard removes an unfinished file. A missing one is no error.
func (d Dir) Discard(u Unfinished) error { return d.Remove(u.File) }
