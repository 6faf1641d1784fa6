package ownfiletest

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Group is the group of a pod, of which the stranger is a member.
const Group = 23456

// As calls do as the stranger, who is a member of Group. Only root can become another
// user: As skips the test for others.
func As(t testing.TB, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	must(t, syscall.Setregid(-1, Group))
	must(t, syscall.Setreuid(-1, Stranger))
	defer func() {
		must(t, errors.Join(syscall.Setreuid(-1, 0), syscall.Setregid(-1, 0)))
	}()
	do()
}

// Become makes this process one of the stranger for good.
func Become() error {
	return errors.Join(syscall.Setgroups([]int{Group}), syscall.Setgid(Stranger), syscall.Setuid(Stranger))
}

// Folder returns a directory of root that everybody can enter.
func Folder(t testing.TB) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can hand credentials to other users")
	}
	dir, err := os.MkdirTemp("", "credentials")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	return dir
}

// Kubernetes writes a secret as a volume of Kubernetes has it: the name is a link to a
// file in "..data", which is a link to a directory with a time in its name. The group of
// the pod can read the file. Another call with another time replaces the secret as
// Kubernetes does, in one step.
func Kubernetes(t testing.TB, dir, name, secret, time string, mode os.FileMode) (path string) {
	t.Helper()
	data, link, path := filepath.Join(dir, "..data"), filepath.Join(dir, "..data_tmp"), filepath.Join(dir, name)
	former, _ := os.Readlink(data)
	must(t, os.Chown(dir, 0, Group))
	must(t, os.Chmod(dir, 0o777|os.ModeSticky|os.ModeSetgid))
	version := filepath.Join(dir, "..2026_"+time)
	must(t, os.Mkdir(version, 0o755))
	file := filepath.Join(version, name)
	must(t, os.WriteFile(file, []byte(secret), 0o600))
	must(t, os.Chown(file, 0, Group))
	must(t, os.Chmod(file, mode))
	must(t, os.Symlink(filepath.Base(version), link))
	must(t, os.Rename(link, data))
	if former != "" {
		must(t, os.RemoveAll(filepath.Join(dir, former)))
		return path
	}
	must(t, os.Symlink(filepath.Join("..data", name), path))
	return path
}

// Systemd writes a secret as LoadCredential= does: root owns the file and the directory,
// and access control lists let the stranger read them. It skips the test on file systems
// without such lists.
func Systemd(t testing.TB, dir, name, secret string) (path string) {
	t.Helper()
	path = filepath.Join(dir, name)
	must(t, os.WriteFile(path, []byte(secret), 0o600))
	allow(t, path, 4)
	allow(t, dir, 5)
	return path
}

// allow sets an access control list (acl(5)): the permissions are for the owner and for
// the stranger, and nobody else has any.
func allow(t testing.TB, path string, permissions uint16) {
	t.Helper()
	const nobody = 0xffffffff
	list := binary.LittleEndian.AppendUint32(nil, 2) // version
	for _, entry := range []struct {
		tag, permissions uint16
		id               uint32
	}{{1, permissions, nobody}, {2, permissions, Stranger}, {4, 0, nobody}, {0x10, permissions, nobody}, {0x20, 0, nobody}} {
		list = binary.LittleEndian.AppendUint16(list, entry.tag)
		list = binary.LittleEndian.AppendUint16(list, entry.permissions)
		list = binary.LittleEndian.AppendUint32(list, entry.id)
	}
	if err := syscall.Setxattr(path, "system.posix_acl_access", list, 0); err != nil {
		t.Skipf("SKIPPED: this file system has no access control lists: %v", err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
