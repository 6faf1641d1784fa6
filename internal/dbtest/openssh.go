package dbtest

import (
	"os/exec"
	"testing"
)

// OpenSSH returns the paths of ssh and ssh-keygen. It calls [Missing] if there is
// one missing.
func OpenSSH(t testing.TB) (client, keygen string) {
	t.Helper()
	client, err := exec.LookPath("ssh")
	if err == nil {
		keygen, err = exec.LookPath("ssh-keygen")
	}
	if err != nil {
		Missing(t, "OpenSSH", "PATH", err)
	}
	return client, keygen
}
