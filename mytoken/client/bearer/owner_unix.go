//go:build unix

package bearer

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

const hasPermissions = true

// isOwn reports whether a file belongs to the user, or to root, who can write any file.
func isOwn(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (int(stat.Uid) == os.Geteuid() || stat.Uid == 0)
}

// openNoWait opens a file. It does not wait for the other end of a pipe, and refuses a
// symbolic link unless follow is set.
func openNoWait(path string, follow bool) (*os.File, error) {
	flags := os.O_RDONLY | syscall.O_NONBLOCK
	if !follow {
		flags |= syscall.O_NOFOLLOW
	}
	f, err := os.OpenFile(path, flags, 0)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK) {
		return nil, &UnsafeError{path, "it is a symbolic link"}
	}
	return f, err
}
