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

// FileStore keeps a mytoken in a file, as text. Processes on one machine may share
// the file: they lock a file next to it, with ".lock" at the end of its name, which
// stays. On a network file system, that works as far as its locks do. Use
// [NewFileStore].
type FileStore struct {
	path  string
	sweep sync.Once
}

const (
	// maxTokenFile bounds a file with a token, in bytes.
	maxTokenFile = 64 << 10
	// lockPoll is how often a process that waits for the lock looks again.
	lockPoll = time.Millisecond
)

// NewFileStore returns a store for the file. It need not exist yet; its directory
// must. A symbolic link is followed.
func NewFileStore(path string) *FileStore { return &FileStore{path: path} }

// target is the file behind symbolic links.
func (s *FileStore) target() string {
	if real, err := filepath.EvalSymlinks(s.path); err == nil {
		return real
	}
	return s.path
}

// Load reads the token. A file that others than its owner may read or write is
// refused, where the system has such permissions.
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
		return mytoken.Secret{}, fmt.Errorf("client: the file %s holds no token", s.path)
	}
	return mytoken.NewSecret(token), nil
}

// isNotTokenRune: JWTs and short tokens are made of visible ASCII characters.
func isNotTokenRune(r rune) bool { return r <= ' ' || r > '~' }

func checkPrivate(f *os.File) error {
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("not a regular file")
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("permissions %04o: others than the owner have access; make them 0600", info.Mode().Perm())
	}
	return nil
}

// Save replaces the file in one step, with permissions for the owner alone.
func (s *FileStore) Save(_ context.Context, token mytoken.Secret) error {
	path := s.target()
	s.sweep.Do(func() { durable.Sweep(path, time.Now()) })
	if err := durable.Write(path, []byte(token.Reveal()+"\n")); err != nil {
		return fmt.Errorf("client: token file: %w", err)
	}
	return nil
}

// Lock locks the file next to the token's.
func (s *FileStore) Lock(ctx context.Context) (unlock func(), err error) {
	lock := flock.New(s.target()+".lock", flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("client: lock of the token file: %w", err)
	}
	return func() { _ = lock.Unlock() }, nil
}
