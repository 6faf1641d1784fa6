package maxmind

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// largest bounds a database, in bytes. The largest ones of MaxMind have a fifth of it.
const largest = 2<<30 - 1

var (
	errKind    = errors.New("it is not a regular file: give the path of a file whose name ends in .mmdb")
	errLarge   = errors.New("it is too large for a database with countries")
	errChanged = errors.New("the file changed while it was read: write updates under another name and rename them, or reload again")
)

// load opens a file and checks the database in it.
func load(path string, mapped bool) (*database, error) {
	info, err := os.Stat(path) // opening a pipe would wait for its other end
	if err != nil {
		return nil, err
	}
	if err := usable(info); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := usable(info); err != nil {
		return nil, err
	}
	if mapped && canMap {
		return loadMapped(f, info)
	}
	data, err := read(f, info)
	if err != nil {
		return nil, err
	}
	reader, err := check(data)
	return &database{reader: reader}, err
}

func usable(info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return errKind
	case info.Size() > largest:
		return errLarge
	case info.Size() == 0:
		return errPart
	}
	return nil
}

func loadMapped(f *os.File, info fs.FileInfo) (*database, error) {
	data, unmap, err := mapFile(f, int(info.Size()))
	if err != nil {
		return nil, fmt.Errorf("mapping it into memory: %w", err)
	}
	reader, err := check(data)
	if err != nil {
		return nil, errors.Join(err, unmap())
	}
	return &database{reader, unmap}, nil
}

// read returns the content of a file, and an error if the file changes meanwhile.
func read(f *os.File, before fs.FileInfo) ([]byte, error) {
	data := make([]byte, before.Size())
	if _, err := io.ReadFull(f, data); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errChanged
	} else if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return nil, errChanged
	}
	return data, nil
}
