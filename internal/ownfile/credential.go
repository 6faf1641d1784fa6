package ownfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ReadCredential is like [Read], but for a credential.
func ReadCredential(path string, most int64) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		text, linked, err := readCredential(path, most)
		// Kubernetes updates a secret by replacing a link, and removes the old files then.
		if linked && attempt < 5 && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return text, err
	}
}

func readCredential(path string, most int64) (text []byte, linked bool, err error) {
	f, err := openNoFollow(path)
	if _, link := errors.AsType[*UnsafeError](err); link {
		linked = true
		if path, err = follow(path); err == nil {
			f, err = openNoFollow(path)
		}
	}
	if err != nil {
		return nil, linked, err
	}
	text, err = read(f, path, most, func(info fs.FileInfo) string { return credential(info, single(info)) })
	return text, linked, err
}

// credential returns what is wrong with a credential. reason is what is wrong with it as a
// file with a secret.
func credential(info fs.FileInfo, reason string) string {
	uid, _, names := ownership(info)
	mode := info.Mode().Perm()
	switch {
	case reason == "" || uid != 0 || regular(info) != "" || !hasPermissions:
		return reason
	case os.Geteuid() == 0 && mode&0o200 != 0: // an ordinary file of one's own
		return reason + ", or set defaultMode: 0400 where Kubernetes mounts it"
	}
	switch {
	case writable(info) != "":
		return writable(info)
	case mode&0o007 != 0:
		return fmt.Sprintf("everybody can read it (mode %04o): run chmod o-rwx, or set defaultMode: 0440 where Kubernetes mounts it", mode)
	case names > 1:
		return reason
	}
	return ""
}

// writable returns what is wrong if people other than the owner, the user and root may
// write a file.
func writable(info fs.FileInfo) string {
	if others(info)&0o022 == 0 {
		return ""
	}
	return fmt.Sprintf("other users can write it (mode %04o): run chmod go-w", info.Mode().Perm())
}

// most links that lead to a credential. Kubernetes makes two.
const maxLinks = 4

// follow returns where symbolic links of root lead, below the directory of the path. In
// all directories on the way, only root and the user may replace files.
func follow(path string) (string, error) {
	at, rest := filepath.Dir(path), []string{filepath.Base(path)}
	for links := 0; len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		info, err := os.Lstat(next)
		if err != nil {
			return "", err
		}
		if err := checkDirectory(at); err != nil {
			return "", err
		}
		if rest = rest[1:]; info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		uid, _, _ := ownership(info)
		if links++; uid != 0 || links > maxLinks || !filepath.IsLocal(target) {
			return "", &UnsafeError{next, isSymlink}
		}
		rest = append(strings.Split(filepath.Clean(target), string(filepath.Separator)), rest...)
	}
	return at, nil
}

func checkDirectory(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return unsafe(path, directory(info))
}
