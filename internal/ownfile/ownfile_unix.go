//go:build unix

package ownfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

const (
	hasPermissions = true
	noWait         = syscall.O_NONBLOCK
	// NoFollow are flags for [os.OpenFile]: fail at a symbolic link, and do not wait for
	// the other end of a pipe.
	NoFollow = noWait | syscall.O_NOFOLLOW
)

// ownership returns the ids of the owner and the group, and how many names the file has.
func ownership(info fs.FileInfo) (uid, gid int, names uint64) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, -1, 0
	}
	return int(stat.Uid), int(stat.Gid), uint64(stat.Nlink)
}

func openNoFollow(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|NoFollow, 0)
	if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK) {
		return nil, &UnsafeError{path, isSymlink}
	}
	return f, err
}
