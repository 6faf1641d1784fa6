package durable

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Mounted reports whether something is mounted at a name in the directory. Such a file
// cannot be replaced or removed. Mounted returns false if the system does not tell.
func Mounted(dir *os.Root, name string) bool {
	inside, outside := mount(dir.OpenFile(name, os.O_RDONLY|noWait, 0)), mount(dir.Open("."))
	return inside != "" && outside != "" && inside != outside
}

// mount returns the id of the mount that a file was opened through (proc_pid_fdinfo(5)),
// or the empty string.
func mount(f *os.File, err error) string {
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", f.Fd()))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if id, found := strings.CutPrefix(line, "mnt_id:"); found {
			return strings.TrimSpace(id)
		}
	}
	return ""
}

// reserve takes space on the disk for so many more bytes. It does not change the content
// or the size of the file. It returns an error if there is no space.
func reserve(f *os.File, size int) error {
	const keepSize = 1 // FALLOC_FL_KEEP_SIZE of fallocate(2)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	err = syscall.Fallocate(int(f.Fd()), keepSize, info.Size(), int64(size))
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return &os.PathError{Op: "reserve space in", Path: f.Name(), Err: err}
	}
	return nil // this file system may not be able to
}
