package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/mytoken-go/sdk/internal/durable"
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

const (
	// maxTokenFile bounds the token file, in bytes.
	maxTokenFile = 64 << 10
	// lockPoll is how often a waiting process tries to get the lock.
	lockPoll = time.Millisecond
)

// NewFileStore returns a store for the file at path. The file need not exist yet, but its
// directory must. FileStore follows a symbolic link.
func NewFileStore(path string) *FileStore { return &FileStore{path: path} }

// target returns the file that symbolic links lead to.
func (s *FileStore) target() string {
	if real, err := filepath.EvalSymlinks(s.path); err == nil {
		return real
	}
	return s.path
}

// Load reads the token. On systems with Unix permissions, it refuses a file to which
// anybody but its owner has access.
func (s *FileStore) Load(context.Context) (mytoken.Secret, error) {
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return mytoken.Secret{}, fmt.Errorf("%w: %w", ErrNoToken, err)
	} else if err != nil {
		return mytoken.Secret{}, fmt.Errorf("client: token file: %w", err)
	}
	defer f.Close()
	if err := checkPrivate(f); err != nil {
		return mytoken.Secret{}, fmt.Errorf("client: token file %s: %w", s.path, err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
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

func checkPrivate(f *os.File) error {
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("this is not a regular file")
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("other users have access to it (mode %04o): run chmod 600", info.Mode().Perm())
	}
	return nil
}

// Save replaces the file in one step. Only the file's owner has access to it.
func (s *FileStore) Save(_ context.Context, token mytoken.Secret) error {
	path := s.target()
	s.sweep.Do(func() { durable.Sweep(path, time.Now()) })
	if err := durable.Write(path, []byte(token.Reveal()+"\n")); err != nil {
		return fmt.Errorf("client: token file: %w", err)
	}
	return nil
}

// Lock locks the second file.
func (s *FileStore) Lock(ctx context.Context) (unlock func(), err error) {
	lock := flock.New(s.target()+".lock", flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("client: lock of the token file: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil
}
