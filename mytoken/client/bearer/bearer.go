// Package bearer finds and writes files with bearer tokens by the rules of the WLCG
// Bearer Token Discovery 1.0, by which programs that know nothing of each other agree
// where an access token is:
//
//  1. the value of BEARER_TOKEN,
//  2. the file that BEARER_TOKEN_FILE names,
//  3. the file bt_u<uid> in XDG_RUNTIME_DIR,
//  4. the file bt_u<uid> in the temporary directory: TMPDIR, or /tmp.
//
// The uid is the effective one of the process. In the temporary directory anybody can
// create files, so there a file of that name is read and replaced only if it belongs to
// the user.
//
// All functions may be called concurrently, also by several processes on one file: of
// two that write it, the last one wins, and readers see one or the other.
package bearer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mytoken-go/sdk/internal/durable"
	"github.com/mytoken-go/sdk/internal/redact"
)

// Secret holds a token. It is the same type as Secret of packages mytoken and client,
// whose NewSecret makes one.
type Secret = redact.Secret

// The environment variables of the rules.
const (
	EnvToken      = "BEARER_TOKEN"
	EnvFile       = "BEARER_TOKEN_FILE"
	EnvRuntimeDir = "XDG_RUNTIME_DIR"
)

// Errors of this package; others are those of the file system.
var (
	// ErrNotFound: there is no token in any of the places.
	ErrNotFound = errors.New("bearer: no token found")
	// ErrMalformed: what is there is no token (RFC 6750 section 2.1). The places
	// after it are not looked at.
	ErrMalformed = errors.New("bearer: not a bearer token")
	// ErrNoUID: the system has no user ids, so files have no names by the rules.
	// Set BEARER_TOKEN_FILE.
	ErrNoUID = errors.New("bearer: the system has no user ids")
)

// UnsafeError is about a file that others than the user control.
type UnsafeError struct {
	Path   string
	Reason string
}

func (e *UnsafeError) Error() string { return "bearer: " + e.Path + ": " + e.Reason }

// Token is a token that was found.
type Token struct {
	Token Secret
	// Path is the file that it is from; empty: from BEARER_TOKEN.
	Path string
}

// Discover reads the token that programs in this environment are to use. An empty value
// or file, and a file that is not there, lead to the next place.
func Discover() (Token, error) {
	if token, err := parse(os.Getenv(EnvToken)); err != nil || !token.IsEmpty() {
		return Token{Token: token}, err
	}
	for _, p := range places() {
		token, err := p.read()
		if errors.Is(err, fs.ErrNotExist) || err == nil && token.IsEmpty() {
			continue
		}
		if err != nil {
			return Token{}, fmt.Errorf("bearer: %s: %w", p.path, err)
		}
		return Token{Token: token, Path: p.path}, nil
	}
	return Token{}, ErrNotFound
}

// Path is where programs in this environment look for a file with a token first. It is
// the file to write.
func Path() (string, error) {
	all := places()
	if len(all) == 0 {
		return "", ErrNoUID
	}
	return all[0].path, nil
}

// place is a file that may hold the token.
type place struct {
	path string
	// named says that the user named the file: whatever it is, she wants it read.
	named bool
	// shared says that the directory is everybody's.
	shared bool
}

func places() []place {
	var all []place
	if path := os.Getenv(EnvFile); path != "" {
		all = append(all, place{path: path, named: true})
	}
	uid := os.Geteuid()
	if uid < 0 {
		return all
	}
	name := "bt_u" + strconv.Itoa(uid)
	if dir := os.Getenv(EnvRuntimeDir); dir != "" {
		all = append(all, place{path: filepath.Join(dir, name)})
	}
	return append(all, place{path: filepath.Join(os.TempDir(), name), shared: true})
}

func (p place) read() (Secret, error) {
	f, err := p.open()
	if err != nil {
		return Secret{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Secret{}, err
	}
	return parse(string(text))
}

func (p place) open() (*os.File, error) {
	if p.named {
		return os.Open(p.path)
	}
	f, err := openNoWait(p.path, !p.shared)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = checkOwn(p.path, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// checkOwn refuses a file that others may have written.
func checkOwn(path string, info fs.FileInfo) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return &UnsafeError{path, "a symbolic link"}
	case !info.Mode().IsRegular():
		return &UnsafeError{path, "not a regular file"}
	case !isOwn(info):
		return &UnsafeError{path, "belongs to another user"}
	case info.Mode().Perm()&0o022 != 0 && hasPermissions:
		return &UnsafeError{path, "others may write to it"}
	}
	return nil
}

// whitespace is that of isspace in C99, which the rules name.
const whitespace = " \f\n\r\t\v"

// parse reads a token. What is empty is none.
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

// isToken checks the syntax b64token of RFC 6750 section 2.1.
func isToken(text string) bool {
	text = strings.TrimRight(text, "=")
	return text != "" && len(text) <= maxFile && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~+/", r)
	})
}

// CheckWritable refuses a path where a token must not be written: where others than the
// user control the file or may replace it. The error is an [*UnsafeError] or of the file
// system.
func CheckWritable(path string) error {
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	if hasPermissions && dir.Mode().Perm()&0o002 != 0 && dir.Mode()&fs.ModeSticky == 0 {
		return &UnsafeError{path, "others may replace files in its directory"}
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().IsRegular() && isOwn(info):
		return nil // whatever its permissions are, it will be replaced
	}
	return checkOwn(path, info)
}

// Write replaces the file by one that holds the token and that its owner alone may read.
// Whoever opens it gets the old token or the new one; when it fails, the old one. It refuses what [CheckWritable]
// refuses, and what is no token with [ErrMalformed].
func Write(path string, token Secret) error {
	if !isToken(token.Reveal()) {
		return ErrMalformed
	}
	if err := CheckWritable(path); err != nil {
		return err
	}
	return durable.Replace(path, []byte(token.Reveal()+"\n"))
}

// Read reads a file as [Discover] reads those in the temporary directory: it must be the
// user's own, and no symbolic link. An empty file gives the empty secret.
func Read(path string) (Secret, error) { return place{path: path, shared: true}.read() }

// Remove removes the file if it still holds the token; otherwise it is somebody else's by
// now, and Remove does nothing.
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
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Sweep removes what writers of the file that were killed left behind.
func Sweep(path string) { durable.Sweep(path, time.Now()) }
