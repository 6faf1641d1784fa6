package durable

import (
	"errors"
	"io/fs"
	"os"
	"path"
)

// WriteBelow is like [Write], but for a file in a folder below the directory. It creates
// missing folders for their owner alone (mode 0700). The name is a path as package fs
// defines it. It never leads out of the directory, not through symbolic links either.
func WriteBelow(dir *os.Root, name string, data []byte) error {
	if !fs.ValidPath(name) || name == "." {
		return &fs.PathError{Op: "write", Path: name, Err: fs.ErrInvalid}
	}
	if err := makeFolder(dir, path.Dir(name)); err != nil {
		return err
	}
	folder, err := dir.OpenRoot(path.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(Write(folder, path.Base(name), data), folder.Close())
}

// makeFolder creates a folder and makes its name survive a crash. An existing folder may
// be the work of a process that was killed before it could do so.
func makeFolder(dir *os.Root, name string) error {
	if name == "." {
		return nil
	}
	if err := makeFolder(dir, path.Dir(name)); err != nil {
		return err
	}
	if err := dir.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(dir, path.Dir(name))
}

func syncFolder(dir *os.Root, name string) error {
	folder, err := dir.OpenRoot(name)
	if err != nil {
		return err
	}
	return errors.Join(syncRoot(folder), folder.Close())
}

// RemoveBelow is like [Remove], but for a file in a folder below the directory. It stays
// within the directory as [WriteBelow] does. A missing file or folder is no error.
func RemoveBelow(dir *os.Root, name string) error {
	if !fs.ValidPath(name) || name == "." {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrInvalid}
	}
	if err := ignoreMissing(dir.Remove(name)); err != nil {
		return err
	}
	return ignoreMissing(syncFolder(dir, path.Dir(name)))
}
