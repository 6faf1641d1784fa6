package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
func NewFileStore(path string) *FileStore { return &FileStore{path: path} }

// Load reads the token.
func (s *FileStore) Load(context.Context) (mytoken.Secret, error) {
	text, err := ownfile.Read(s.path, maxTokenFile)
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

// isNotTokenRune reports whether a JWT or a short token cannot contain r. Both consist of
// visible ASCII characters.
func isNotTokenRune(r rune) bool { return r <= ' ' || r > '~' }

// Save replaces the file in one step. Only the file's owner has access to it.
func (s *FileStore) Save(_ context.Context, token mytoken.Secret) error {
	if err := s.save([]byte(token.Reveal() + "\n")); err != nil {
		return fmt.Errorf("client: token file: %w", err)
	}
	return nil
}

func (s *FileStore) save(text []byte) error {
	dir, err := ownfile.OpenDir(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	defer dir.Close()
	name := filepath.Base(s.path)
	if err := dir.Replaceable(name); err != nil {
		return err
	}
	s.sweep.Do(func() { durable.Sweep(s.path, time.Now()) })
	return durable.Write(dir.Root, name, text)
}

// Lock locks the second file. The system wakes the caller when the lock is free.
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
	path := s.path + ".lock"
	checked, err := dir.Lock(filepath.Base(path))
	if err != nil {
		return nil, err
	}
	return lockFile(ctx, path, checked)
}
