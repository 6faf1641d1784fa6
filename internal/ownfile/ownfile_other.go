//go:build !unix

package ownfile

import (
	"io/fs"
	"os"
)

const (
	hasPermissions = false
	noWait         = 0
	// NoFollow are flags for [os.OpenFile]. This system has none.
	NoFollow = 0
)

// ownership returns the id that [os.Geteuid] returns, and one name: this system has no
// owners, and its temporary directory belongs to the user.
func ownership(fs.FileInfo) (uid, gid int, names uint64) { return os.Geteuid(), -1, 1 }

func openNoFollow(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		err = &UnsafeError{path, isSymlink}
	}
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}
