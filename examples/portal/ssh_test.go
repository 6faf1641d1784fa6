package main

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// TestSSH: a user registers a key and gets access tokens with ssh, before and after a
// restart, until the key's token is revoked.
func TestSSH(t *testing.T) {
	program, keygen := dbtest.OpenSSH(t)
	op, data, dir := startProvider(t, optest.Options{}), filepath.Join(t.TempDir(), "data"), t.TempDir()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(free.Addr().String())
	require.NoError(t, err)
	require.NoError(t, free.Close())
	args := []string{"-data", data, "-ssh", "127.0.0.1:" + port}
	first := earnest(t, op, nil, args...)
	token, secrets := first.login()

	file := filepath.Join(dir, "key")
	text, err := exec.CommandContext(t.Context(), keygen, "-q", "-t", "ed25519", "-N", "", "-f", file).CombinedOutput()
	require.NoError(t, err, "%s", text)
	line, err := os.ReadFile(file + ".pub")
	require.NoError(t, err)
	request := object{"grant_type": "mytoken", "mytoken": token, "ssh_key": string(line), "name": "laptop"}
	status, got := first.api("settings/grants/ssh", request)
	require.Equal(t, http.StatusForbidden, status, "%v", got)
	status, _ = first.api("settings/grants", object{"grant_type": "ssh", "mytoken": token})
	require.Equal(t, http.StatusCreated, status)
	key, more := first.register("settings/grants/ssh", request)
	user, config := key["ssh_user"].(string), key["ssh_host_config"].(string)
	require.Contains(t, config, "Host mytoken-laptop\n\tHostName 127.0.0.2\n\tPort "+port+"\n")
	known := filepath.Join(dir, "known")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config"), []byte(config+"\tIdentityFile "+file+"\n\tUserKnownHostsFile "+known+"\n"), 0o600))
	ssh := func(command string) (string, error) {
		out, err := exec.CommandContext(t.Context(), program, "-F", filepath.Join(dir, "config"), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
			"-o", "HostName=127.0.0.1", "-o", "StrictHostKeyChecking=accept-new", "mytoken-laptop", command).Output()
		return strings.TrimSuffix(string(out), "\n"), err
	}
	access, err := ssh("AT")
	require.NoError(t, err, "%s", first.errs)
	require.NotEmpty(t, access)
	secrets = append(append(secrets, more...), access, user)

	// The client has seen the key that discovery lists.
	status, document, err := send(t.Context(), first.client(), http.MethodGet, first.URL+"/.well-known/mytoken-configuration", "", "")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	listed, err := exec.CommandContext(t.Context(), keygen, "-l", "-f", known).Output()
	require.NoError(t, err)
	assert.Contains(t, document, `"ssh_keys":[{"type":"ssh-ed25519","fingerprint":"`+strings.Fields(string(listed))[1]+`"}]`)
	first.stop()

	second := earnest(t, op, nil, args...)
	access, err = ssh("AT")
	require.NoError(t, err, "the host key and the user's key are known: %s", second.errs)
	require.NotEmpty(t, access)
	line2, err := ssh("revoke")
	require.NoError(t, err)
	require.Equal(t, "OK", line2)
	_, err = ssh("AT")
	require.Error(t, err)
	private(t, data)
	second.stop()
	for _, p := range []*portal{first, second} {
		p.quiet(append(secrets, access)...)
	}
}
