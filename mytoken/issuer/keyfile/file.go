package keyfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/durable"
	"github.com/mytoken-go/sdk/internal/ownfile"
)

// name is the name of the files of one kind of keys, in two parts.
type name struct{ prefix, ending string }

// with returns the name of a file. The middle ends with a dot, or is empty for the active
// key.
func (n name) with(middle string) string { return n.prefix + middle + n.ending }

// others reports whether a file has a key of this kind that is not active.
func (n name) others(file string) bool {
	return file != n.with("") && strings.HasPrefix(file, n.prefix) && strings.HasSuffix(file, "."+n.ending)
}

// file is the content of a file.
type file struct {
	path string
	text []byte
}

func (f file) equal(other file) bool { return f.path == other.path && bytes.Equal(f.text, other.text) }

// maxFile bounds a key file, in bytes.
const maxFile = 64 << 10

// maxReads is how often read reads the files while somebody changes them.
const maxReads = 6

// errChanging reports keys that somebody changes all the time.
var errChanging = errors.New("the keys changed again and again while they were read: try again")

// read returns the files of one kind of keys, the active key first. It reads them until it
// finds the same ones twice. Otherwise it could miss a key that got another name meanwhile.
func read(dir string, n name, create bool, fresh func() ([]byte, error)) ([]file, error) {
	var last []file
	for attempt := 1; ; attempt++ {
		files, err := readOnce(dir, n, create, fresh)
		switch {
		case err == nil && slices.EqualFunc(files, last, file.equal):
			return files, nil
		case attempt < maxReads:
			last = files
		case err == nil:
			return nil, inFile(dir, errChanging)
		default:
			return nil, err
		}
	}
}

// readOnce makes the active key if that may be done and there is no key of this kind.
func readOnce(dir string, n name, create bool, fresh func() ([]byte, error)) ([]file, error) {
	others, err := listed(dir, n)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, n.with(""))
	text, err := load(path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && len(others) > 0:
		return nil, fmt.Errorf("keyfile: %s is missing, but %s is there: give the key that shall be active this name: %w", path, others[0], err)
	case missing && !create:
		return nil, fmt.Errorf("keyfile: %s is missing: bring the key of the other machines there, or make one with Open: %w", path, err)
	case missing:
		text, err = made(path, fresh)
	}
	if err != nil {
		return nil, inFile(path, err)
	}
	files := []file{{path, text}}
	for _, path := range others {
		switch text, err = load(path); {
		case errors.Is(err, fs.ErrNotExist): // it was renamed or removed meanwhile
		case err != nil:
			return nil, inFile(path, err)
		default:
			files = append(files, file{path, text})
		}
	}
	return files, nil
}

// listed returns the paths of keys of one kind that are not active.
func listed(dir string, n name) (paths []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("keyfile: the directory with the keys cannot be read: %w", err)
	}
	for _, e := range entries {
		if n.others(e.Name()) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}

// one returns the key in one file, and makes the file if it is missing.
func one[T any](path string, fresh func() ([]byte, error), parse func([]byte) (T, error)) (key T, err error) {
	text, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = made(path, fresh)
	}
	if err == nil {
		key, err = parse(text)
	}
	if err != nil {
		return key, inFile(path, err)
	}
	return key, nil
}

// load returns the content of a file. It returns an error if other users can read the file,
// or may replace it. Symbolic links are followed only where a platform has made them.
func load(path string) ([]byte, error) {
	path = ownfile.Plain(path)
	dir, err := ownfile.OpenDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	text, err := dir.ReadCredential(filepath.Base(path), maxFile)
	if _, unsafe := errors.AsType[*ownfile.UnsafeError](err); unsafe {
		if info, bad := dir.Lstat(filepath.Base(path)); bad == nil && info.Mode()&fs.ModeSymlink != 0 {
			text, err = ownfile.ReadCredential(path, maxFile)
		}
	}
	if err == nil && len(text) > maxFile {
		return nil, fmt.Errorf("it is longer than %d bytes: this is no key", maxFile)
	}
	return text, err
}

// made makes a file that is missing, and returns its content. If another process was
// faster, it returns what that has written.
func made(path string, fresh func() ([]byte, error)) ([]byte, error) {
	path = ownfile.Plain(path)
	dir, err := ownfile.OpenDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	text, err := fresh()
	if err != nil {
		return nil, err
	}
	switch err = durable.Create(dir.Root, filepath.Base(path), text); {
	case errors.Is(err, fs.ErrExist):
		return load(path)
	case err != nil:
		return nil, fmt.Errorf("it is missing and cannot be made: %w", err)
	}
	durable.Sweep(path, time.Now())
	return text, nil
}

func inFile(path string, err error) error { return fmt.Errorf("keyfile: %s: %w", path, err) }
