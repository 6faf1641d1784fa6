package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/durable"
	"github.com/mytoken-go/sdk/internal/ownfile"
	"github.com/mytoken-go/sdk/mytoken"
)

// FileStore keeps a mytoken in a text file. Processes on one machine may share the file.
// They lock a second file beside it, whose name ends in ".lock". FileStore never removes
// that file. On a network file system, sharing is only as reliable as its locks. Use
// [NewFileStore].
//
// Save replaces the file. Some files cannot be replaced: container platforms mount one
// alone, or the directory is read-only. Save then writes the file in place, and the file
// is its own lock. While that takes place, the file also holds a copy of the new token, so
// that a crash loses nothing. For that instant it has more than one line.
type FileStore struct {
	path  string
	sweep sync.Once
}

// maxTokenFile bounds the token file, in bytes.
const maxTokenFile = 64 << 10

// NewFileStore returns a store for the file at path. The file need not exist yet, but its
// directory must. The file belongs to the user, is no symbolic link, and nobody else has
// access to it. Nobody else may replace files in the directory. Where other users may
// control the file or its lock, methods return a [*bearer.UnsafeError].
//
// Load also reads a credential that systemd or Kubernetes hands to the program: a file of
// root that only root can write and not everybody can read, also through symbolic links of
// root. Nothing can be saved there, so the token must not rotate; see
// [FileStore.CheckSave].
func NewFileStore(path string) *FileStore { return &FileStore{path: ownfile.Plain(path)} }

// Load reads the token.
func (s *FileStore) Load(context.Context) (mytoken.Secret, error) {
	text, err := s.read()
	if errors.Is(err, fs.ErrNotExist) {
		return mytoken.Secret{}, fmt.Errorf("%w: %w", ErrNoToken, err)
	} else if err != nil {
		return mytoken.Secret{}, fmt.Errorf("client: token file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	switch {
	case token == "":
		return mytoken.Secret{}, fmt.Errorf("%w: the file %s is empty", ErrNoToken, s.path)
	case len(text) > maxTokenFile || strings.ContainsFunc(token, isNotTokenRune):
		return mytoken.Secret{}, fmt.Errorf("client: token file %s: the content is not a mytoken", s.path)
	}
	return mytoken.NewSecret(token), nil
}

// read reads the file until it finds the same content twice: another process may be
// writing it in place.
func (s *FileStore) read() ([]byte, error) {
	const most = 4 * maxTokenFile // in place, a file may hold two tokens and a record
	text, err := ownfile.ReadCredential(s.path, most)
	for range 10 {
		if err != nil {
			return nil, err
		}
		before := text
		if text, err = ownfile.ReadCredential(s.path, most); err == nil && bytes.Equal(before, text) {
			break
		}
	}
	return durable.Newest(text), err
}

// isNotTokenRune reports whether a JWT or a short token cannot contain r. Both consist of
// visible ASCII characters.
func isNotTokenRune(r rune) bool { return r <= ' ' || r > '~' }

// Save replaces the file in one step, or writes it in place. Only the file's owner has
// access to it.
func (s *FileStore) Save(_ context.Context, token mytoken.Secret) error {
	if err := s.save([]byte(token.Reveal() + "\n")); err != nil {
		return fmt.Errorf("client: token file: %w", err)
	}
	return nil
}

func (s *FileStore) save(text []byte) error {
	return ownfile.In(s.path, func(dir *ownfile.Dir, name string) error {
		s.sweep.Do(func() { durable.Sweep(s.path, time.Now()) })
		return durable.Update(dir.Root, name, text, dir.InPlace(name))
	})
}

// CheckSave returns an error if Save would certainly fail, and says what to do. It does
// what Save does, without changing the file. It implements [SaveChecker].
func (s *FileStore) CheckSave(context.Context) error {
	err := ownfile.In(s.path, func(dir *ownfile.Dir, name string) error {
		return durable.Updatable(dir.Root, name, dir.InPlace(name))
	})
	if err != nil {
		return fmt.Errorf("client: the token file %s cannot be written: %w", s.path, err)
	}
	return nil
}

// Lock locks the second file, or the file itself if Save writes it in place. The system
// wakes the caller when the lock is free.
func (s *FileStore) Lock(ctx context.Context) (unlock func(), err error) {
	unlock, err = s.lock(ctx)
	if err != nil {
		return nil, fmt.Errorf("client: lock of the token file: %w", err)
	}
	return unlock, nil
}

func (s *FileStore) lock(ctx context.Context) (unlock func(), err error) {
	dir, err := ownfile.OpenDir(filepath.Dir(s.path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	for {
		path, checked, err := s.lockPath(dir)
		if err != nil {
			return nil, err
		}
		if unlock, err = lockFile(ctx, path, checked); err != nil {
			return nil, err
		}
		if now, err := dir.Lstat(filepath.Base(path)); err == nil && os.SameFile(now, checked) {
			return unlock, nil
		}
		unlock() // it was removed during the wait, and others use a new one
	}
}

// lockPath returns the lock. A lock beside a mounted file would be for this container
// alone, and a read-only directory takes none.
func (s *FileStore) lockPath(dir *ownfile.Dir) (path string, checked fs.FileInfo, err error) {
	name, path := filepath.Base(s.path), s.path+".lock"
	mounted := durable.Mounted(dir.Root, name)
	if !mounted {
		checked, err = dir.Lock(filepath.Base(path))
	}
	if !mounted && !durable.Refused(err) {
		return path, checked, err
	}
	if checked, itself := dir.LockItself(name); itself == nil || err == nil {
		return s.path, checked, itself
	}
	return path, nil, err
}
