package durable

import (
	"fmt"
	"os"
	"strings"
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
