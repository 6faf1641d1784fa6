// Package bearer finds and writes files with bearer tokens by the rules of WLCG Bearer
// Token Discovery 1.0. By these rules, independent programs find the same access token. A
// program looks at these places, in this order:
//
//  1. the value of BEARER_TOKEN,
//  2. the file that BEARER_TOKEN_FILE names,
//  3. the file bt_u<uid> in XDG_RUNTIME_DIR,
//  4. the file /tmp/bt_u<uid>, whatever TMPDIR says.
//
// The uid is the effective one of the process. XDG_RUNTIME_DIR does not count unless it is
// the absolute path of a directory of the user (XDG Base Directory Specification): after
// su or sudo, it often names that of somebody else.
//
// Anybody can create files in /tmp. So this package reads a file of such a name only if it
// belongs to the user alone: a regular file of the user, without a second name (hard
// link), to which nobody else has access. Its mode does not matter if XDG_RUNTIME_DIR is
// closed to others, as it should be: some programs write there with the usual umask. The
// file that BEARER_TOKEN_FILE names may be a symbolic link and may belong to anybody,
// because the user chose it. It must be a regular file that only its owner can write.
//
// All functions may be called concurrently, also by several processes on one file. If two
// processes write it, the last one wins. Readers see the one content or the other, and no
// mix. This does not hold where a file can only be written in place, because a container
// platform has mounted it alone or the directory is read-only: a reader at that very
// instant may see a mix, which no server accepts.
package bearer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/durable"
	"github.com/mytoken-go/sdk/internal/ownfile"
	"github.com/mytoken-go/sdk/internal/redact"
)

// Secret holds a token. It is the same type as mytoken.Secret, so mytoken.NewSecret makes
// one.
type Secret = redact.Secret

// The environment variables that the rules name.
const (
	EnvToken      = "BEARER_TOKEN"
	EnvFile       = "BEARER_TOKEN_FILE"
	EnvRuntimeDir = "XDG_RUNTIME_DIR"
)

// Errors of this package. Other errors come from the file system.
var (
	// ErrNotFound: none of the places has a token.
	ErrNotFound = errors.New("bearer: no token found: set BEARER_TOKEN or BEARER_TOKEN_FILE")
	// ErrMalformed: the content of a place, or the given secret, is not a token (RFC 6750
	// section 2.1).
	ErrMalformed = errors.New("bearer: not a bearer token")
	// ErrNoUID: the system has no user ids, so the rules give files no names.
	ErrNoUID = errors.New("bearer: the system has no user ids: set BEARER_TOKEN_FILE")
)

// UnsafeError says that other users control a file or directory, or may control it. Path
// names it, and Reason says what is wrong.
type UnsafeError = ownfile.UnsafeError

// Token is a token that was found.
type Token struct {
	Token Secret
	// Path is the file that holds the token; empty if it came from BEARER_TOKEN.
	Path string
}

// Discover reads the token that programs in this environment should use. It passes over
// an empty value, and over a file that is empty, missing or not accessible (EACCES). The
// first place with any other content decides: Discover returns its token, [ErrMalformed],
// an [*UnsafeError], or an error of the file system. If there is no such place, the error
// wraps [ErrNotFound] and says which places are not accessible.
func Discover() (Token, error) {
	if token, err := parse(os.Getenv(EnvToken)); err != nil {
		return Token{}, fmt.Errorf("%w: the value of %s", err, EnvToken)
	} else if !token.IsEmpty() {
		return Token{Token: token}, nil
	}
	all, passed := places()
	for _, p := range all {
		token, err := p.read()
		if errors.Is(err, fs.ErrNotExist) || err == nil && token.IsEmpty() {
			continue
		}
		if errors.Is(err, fs.ErrPermission) {
			passed = errors.Join(passed, err)
			continue
		}
		if err != nil {
			return Token{}, err
		}
		return Token{Token: token, Path: p.path}, nil
	}
	if passed != nil {
		return Token{}, fmt.Errorf("%w; passed over: %w", ErrNotFound, passed)
	}
	return Token{}, ErrNotFound
}

// Path returns the file that programs in this environment look at first. It is the one to
// write. Path returns [ErrNoUID] if the rules name no file.
func Path() (string, error) {
	all, _ := places()
	if len(all) == 0 {
		return "", ErrNoUID
	}
	return all[0].path, nil
}

// place is a file that may hold the token.
type place struct {
	path string
	// open reads the file, with the checks that suit it.
	open func(path string, most int64) ([]byte, error)
}

// lastPlace is the directory of the last place. The rules name it literally.
var lastPlace = "/tmp"

// places returns the files to look at, in order. passed says why XDG_RUNTIME_DIR does not
// count.
func places() (all []place, passed error) {
	if path := os.Getenv(EnvFile); path != "" {
		all = append(all, place{path, ownfile.ReadNamed})
	}
	uid := os.Geteuid()
	if uid < 0 {
		return all, nil
	}
	name := "bt_u" + strconv.Itoa(uid)
	if dir := os.Getenv(EnvRuntimeDir); dir != "" {
		if passed = ownDir(dir); passed == nil {
			all = append(all, place{filepath.Join(dir, name), ownfile.ReadClosed})
		}
	}
	return append(all, place{filepath.Join(lastPlace, name), ownfile.Read}), passed
}

// ownDir returns an error if XDG_RUNTIME_DIR is not a directory of the user.
func ownDir(dir string) error {
	err := ownfile.CheckOwnDir(dir)
	if !filepath.IsAbs(dir) {
		err = fmt.Errorf("%s is not an absolute path", dir)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", EnvRuntimeDir, err)
	}
	return nil
}

func (p place) read() (Secret, error) {
	text, err := p.open(p.path, maxFile)
	if err != nil {
		return Secret{}, fmt.Errorf("bearer: %w", err)
	}
	token, err := parse(string(text))
	if err != nil {
		return Secret{}, fmt.Errorf("%w: the content of %s", err, p.path)
	}
	return token, nil
}

// whitespace is what isspace of C99 accepts, as the rules say.
const whitespace = " \f\n\r\t\v"

// parse reads a token. Whitespace alone gives the empty secret. The only error is
// [ErrMalformed].
func parse(text string) (Secret, error) {
	text = strings.Trim(text, whitespace)
	if text == "" {
		return Secret{}, nil
	}
	if !isToken(text) {
		return Secret{}, ErrMalformed
	}
	return redact.New(text), nil
}

// maxFile bounds a token, in bytes.
const maxFile = 1 << 20

// isToken reports whether the text is a b64token (RFC 6750 section 2.1).
func isToken(text string) bool {
	text = strings.TrimRight(text, "=")
	return text != "" && len(text) <= maxFile && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~+/", r)
	})
}

// CheckWritable returns an error if no token can be written to the path, or if none must
// be, because other users control the file or may replace it. The file is missing, or a
// regular file of the user. Its directory belongs to the user or to root. It is sticky, or
// writable only for its owner and for a group that has the number of the user. If the
// directory takes no new file, nobody else has access to the file, and the user can write
// it. The error is an [*UnsafeError] or comes from the file system.
func CheckWritable(path string) error {
	return inDir(path, func(dir *ownfile.Dir, name string) error {
		return durable.Updatable(dir.Root, name, dir.InPlace(name))
	})
}

// inDir makes the checks of CheckWritable that need no writing, and calls do.
func inDir(path string, do func(dir *ownfile.Dir, name string) error) error {
	if err := ownfile.In(path, do); err != nil {
		return fmt.Errorf("bearer: %w", err)
	}
	return nil
}

// Write replaces the file with one that holds the token. Only its owner can read it.
// Readers get the old token or the new one. If Write returns an error, they get the old
// one. Write writes a file in place that cannot be replaced. Write returns [ErrMalformed]
// if the secret is not a token, and otherwise the errors of [CheckWritable] and of the
// file system.
func Write(path string, token Secret) error {
	if !isToken(token.Reveal()) {
		return ErrMalformed
	}
	return inDir(path, func(dir *ownfile.Dir, name string) error {
		return durable.Renew(dir.Root, name, []byte(token.Reveal()+"\n"), dir.InPlace(name))
	})
}

// Read reads a file with the checks that [Discover] makes in the temporary directory: the
// file must belong to the user alone, and must not be a symbolic link. An empty file
// gives the empty secret. Errors are [ErrMalformed], [*UnsafeError], or come from the
// file system.
func Read(path string) (Secret, error) { return place{path, ownfile.Read}.read() }

// Remove removes the file if it still holds the token, or empties a file that cannot be
// removed. An empty file counts as none. If another program has written or removed the
// file, Remove does nothing and returns nil. Errors come from the file system.
func Remove(path string, token Secret) error {
	held, err := Read(path)
	switch unsafe := (*UnsafeError)(nil); {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrMalformed), errors.As(err, &unsafe):
		return nil
	case err != nil:
		return err
	case !held.Equal(token):
		return nil
	}
	err = os.Remove(path)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case !durable.Refused(err):
		return err
	}
	return inDir(path, func(dir *ownfile.Dir, name string) error {
		return durable.Clear(dir.Root, name, dir.InPlace(name))
	})
}

// Sweep removes temporary files that killed writers of the file left behind.
func Sweep(path string) { durable.Sweep(path, time.Now()) }
