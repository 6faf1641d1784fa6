// Package ownfile opens files and directories so that no other user decides what a
// program reads, or gets what it writes.
//
// These are the rules. On systems without Unix permissions only those about kinds apply.
//
//   - A file with a secret is a regular file and no symbolic link. It belongs to the
//     user, and nobody else has access to it. It has no other name: whoever may create
//     files in a directory can link any file of the same disk into it.
//   - A credential is a secret that a platform hands to a program for reading: systemd
//     with LoadCredential=, Kubernetes with a volume of a secret. Besides a file with a
//     secret, it may be a regular file of root that only root can write and that not
//     everybody can read. Its group may read it: systemd gives the user access with an
//     access control list, which looks like group access, and Kubernetes with a group of
//     the pod. Symbolic links of root may lead to it, within directories in which only
//     root or the user may replace files. Kubernetes makes such links.
//   - A lock is a file with the properties of a file with a secret.
//   - A file that a write replaces is a regular file of the user. Its mode and its other
//     names do not matter, because they go away.
//   - A directory to write to belongs to the user or to root. Nobody else may replace
//     files in it: it is writable for its owner alone, or it is sticky, as /tmp is. The
//     path to it may hold symbolic links.
//   - A file that is written in place has the properties of a file with a secret.
//   - A file that the user has named and that the program only reads may be a symbolic
//     link and may belong to anybody. Everybody may read it, and nobody but its owner and
//     root may write it. It is a regular file.
//
// The user is the effective one of the process. A group with the number of the user is
// the user's own, as on systems that make such a group for each user, and may do what the
// user may. This is not so for root, whose group has other members in containers.
//
// Every check looks at the opened file or directory, or at a name in the opened
// directory, so that replacing a path afterwards changes nothing. Opening a pipe does not
// wait for its other end.
package ownfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// UnsafeError says that other users control a file or directory, or may control it.
type UnsafeError struct {
	Path   string
	Reason string // what is wrong, and what to do
}

func (e *UnsafeError) Error() string { return e.Path + " is not safe: " + e.Reason }

// Read returns the content of a file with a secret. If the content has more than most
// bytes, Read returns the first most+1. Errors are [*UnsafeError] and those of the file
// system.
func Read(path string, most int64) ([]byte, error) {
	f, err := openNoFollow(path)
	if err != nil {
		return nil, err
	}
	return read(f, path, most, single)
}

// ReadClosed is like [Read], but if only the user can reach files in the directory, the
// mode of the file does not matter.
func ReadClosed(path string, most int64) ([]byte, error) {
	f, err := openNoFollow(path)
	if err != nil {
		return nil, err
	}
	rule := single
	if dir, err := os.Stat(filepath.Dir(path)); err == nil && directory(dir) == "" && others(dir)&0o011 == 0 {
		rule = func(info fs.FileInfo) string { return cmp.Or(regular(info), foreign(info), otherNames(info)) }
	}
	return read(f, path, most, rule)
}

// ReadNamed is like [Read], but for a file that the user has named and that the program
// only reads.
func ReadNamed(path string, most int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noWait, 0)
	if err != nil {
		return nil, err
	}
	return read(f, path, most, func(info fs.FileInfo) string { return cmp.Or(regular(info), writable(info)) })
}

// read checks an open file, reads it and closes it.
func read(f *os.File, path string, most int64, rule func(fs.FileInfo) string) ([]byte, error) {
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		err = unsafe(path, rule(info))
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, most+1))
}

// Dir is an open directory to write to. Its methods stay in that directory, whatever
// becomes of its name.
type Dir struct {
	*os.Root
	path string
	// Shared says that other users may create files in the directory.
	Shared bool
}

// OpenDir opens a directory to write to. Close it afterwards. Errors are [*UnsafeError]
// and those of the file system.
func OpenDir(path string) (*Dir, error) {
	// With the dot, opening a pipe fails at once.
	root, err := os.OpenRoot(filepath.Clean(path) + string(filepath.Separator) + ".")
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".")
	if err == nil {
		err = unsafe(path, directory(info))
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &Dir{root, path, others(info)&0o022 != 0}, nil
}

// ReadCredential is like the function [ReadCredential], but follows no symbolic links. It
// accepts other names if only the user can have made them.
func (d *Dir) ReadCredential(name string, most int64) ([]byte, error) {
	rule := func(info fs.FileInfo) string { return credential(info, d.secret(info)) }
	checked, err := d.check(name, rule) // the directory may follow a symbolic link
	if err != nil {
		return nil, err
	}
	f, err := d.OpenFile(name, os.O_RDONLY|noWait, 0)
	if err != nil {
		return nil, err
	}
	return read(f, filepath.Join(d.path, name), most, func(info fs.FileInfo) string {
		if !os.SameFile(info, checked) {
			return "it was replaced meanwhile"
		}
		return rule(info)
	})
}

// Plain returns a path that leads to the same file, without ".." and without a slash at
// its end. So its directory and its name can be told apart: in "link/../file", only the
// system knows the directory.
func Plain(path string) string {
	dir, name := filepath.Split(path)
	if strings.Contains(dir, "..") {
		if at, err := os.Getwd(); err == nil && !filepath.IsAbs(dir) {
			dir = at + string(filepath.Separator) + dir // may have come through a link
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real
		}
	}
	return filepath.Join(dir, name)
}

// CheckOwnDir returns an error if the path is not a directory that belongs to the user.
func CheckOwnDir(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return &UnsafeError{path, "it is not a directory"}
	}
	return unsafe(path, foreign(info))
}

// In opens the directory of a file, and calls do with it and the name of the file, if
// nobody else can replace the file there.
func In(path string, do func(dir *Dir, name string) error) error {
	path = Plain(path)
	dir, err := OpenDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	name := filepath.Base(path)
	if err := dir.Replaceable(name); err != nil {
		return err
	}
	return do(dir, name)
}

// Replaceable returns an error if the file exists and a write must not replace it.
func (d *Dir) Replaceable(name string) error {
	_, err := d.check(name, func(info fs.FileInfo) string { return cmp.Or(regular(info), foreign(info)) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Lock makes the lock of that name if it is missing, and checks it. Afterwards the name
// is safe to lock. Compare the result with the file that was locked ([os.SameFile]).
func (d *Dir) Lock(name string) (fs.FileInfo, error) {
	f, err := d.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return d.check(name, single)
}

// LockItself checks a file that serves as its own lock. See [Dir.Lock].
func (d *Dir) LockItself(name string) (fs.FileInfo, error) { return d.check(name, d.secret) }

// InPlace returns a function that returns an error if the file with that name, which is
// open, must not be written in place.
func (d *Dir) InPlace(name string) func(fs.FileInfo) error {
	return func(info fs.FileInfo) error { return unsafe(filepath.Join(d.path, name), d.secret(info)) }
}

func (d *Dir) check(name string, rule func(fs.FileInfo) string) (fs.FileInfo, error) {
	info, err := d.Lstat(name)
	if err == nil {
		err = unsafe(filepath.Join(d.path, name), rule(info))
	}
	return info, err
}

func (d *Dir) secret(info fs.FileInfo) string {
	if d.Shared {
		return single(info)
	}
	return secret(info)
}

// unsafe makes an error of a reason. There is none without a reason.
func unsafe(path, reason string) error {
	if reason == "" {
		return nil
	}
	return &UnsafeError{path, reason}
}

// The rules return what is wrong with a file, or the empty string.

func regular(info fs.FileInfo) string {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return isSymlink
	case !info.Mode().IsRegular():
		return "it is not a regular file"
	}
	return ""
}

const isSymlink = "it is a symbolic link: use the path of the file itself, or copy that file"

func foreign(info fs.FileInfo) string {
	switch uid, _, _ := ownership(info); uid {
	case os.Geteuid():
		return ""
	case 0:
		return "it belongs to root: copy it to a file of your own, or run the program as root"
	default:
		return fmt.Sprintf("it belongs to another user (uid %d): make it your own, or run the program as that user", uid)
	}
}

func otherNames(info fs.FileInfo) string {
	if _, _, names := ownership(info); names > 1 { // 0: it was replaced after it was opened
		return "it has another name (hard link): copy it"
	}
	return ""
}

func secret(info fs.FileInfo) string {
	reason := cmp.Or(regular(info), foreign(info))
	if reason == "" && others(info) != 0 {
		reason = fmt.Sprintf("other users have access to it (mode %04o): run chmod 600", info.Mode().Perm())
	}
	return reason
}

// others returns what people other than the owner, the user and root may do.
func others(info fs.FileInfo) fs.FileMode {
	_, gid, _ := ownership(info)
	switch {
	case !hasPermissions:
		return 0
	case gid == os.Geteuid() && gid != 0:
		return info.Mode().Perm() & 0o007
	}
	return info.Mode().Perm() & 0o077
}

func single(info fs.FileInfo) string { return cmp.Or(secret(info), otherNames(info)) }

func directory(info fs.FileInfo) string {
	uid, _, _ := ownership(info)
	mode := info.Mode()
	switch {
	case uid != os.Geteuid() && uid != 0:
		return fmt.Sprintf("the directory belongs to another user (uid %d): use one of your own", uid)
	case others(info)&0o022 != 0 && mode&fs.ModeSticky == 0:
		return fmt.Sprintf("other users may replace files in the directory (mode %04o): run chmod go-w, or use a directory inside of it", mode.Perm())
	}
	return ""
}
