package sshd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/mytoken-go/sdk/internal/dbtest"
	"github.com/mytoken-go/sdk/internal/paralleltest"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/mytoken/sshd"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// openSSH is OpenSSH's client, with a key that was registered as a user does it.
type openSSH struct {
	*service
	dir         string // of the key, and of the configuration
	program     string
	host        string // as the configuration names it
	fingerprint string
}

// post sends an object and returns the answer, which has one of the statuses.
func (s *service) post(client *http.Client, address string, body any, want ...int) map[string]any {
	s.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(s.t, err)
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, address, bytes.NewReader(text))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Sec-Fetch-Site", "same-origin") // as the script of the consent page
	resp, err := client.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	require.Contains(s.t, want, resp.StatusCode, "%s", address)
	var out map[string]any
	require.NoError(s.t, json.NewDecoder(resp.Body).Decode(&out))
	return out
}

// registerFile makes a key with ssh-keygen, and registers it over HTTP with consent in a
// browser.
func (s *service) registerFile(kind []string, members map[string]any, decision map[string]any) *openSSH {
	s.t.Helper()
	o := &openSSH{service: s, dir: s.t.TempDir(), host: "mytoken"}
	var keygen string
	o.program, keygen = dbtest.OpenSSH(s.t)
	file := filepath.Join(o.dir, "key")
	text, err := exec.CommandContext(s.t.Context(), keygen, append(kind, "-q", "-N", "", "-C", "user@laptop", "-f", file)...).CombinedOutput()
	require.NoError(s.t, err, "%s", text)
	line, err := os.ReadFile(file + ".pub")
	require.NoError(s.t, err)
	listed, err := exec.CommandContext(s.t.Context(), keygen, "-l", "-f", file).CombinedOutput()
	require.NoError(s.t, err)
	o.fingerprint = strings.Fields(string(listed))[1]

	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	browser := &http.Client{Jar: jar}
	const path = "/api/v0/settings/grants/ssh"
	body := map[string]any{"grant_type": "mytoken", "mytoken": s.by.Reveal(), "ssh_key": string(line), "application_name": "tests"}
	for name, value := range members {
		body[name] = value
	}
	started := s.post(http.DefaultClient, s.URL+path, body, 200)
	consent := started["consent_uri"].(string)
	page, err := browser.Get(consent)
	require.NoError(s.t, err)
	var html bytes.Buffer
	_, err = html.ReadFrom(page.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, page.Body.Close())
	require.Contains(s.t, html.String(), strings.ReplaceAll(o.fingerprint, "+", "&#43;"))
	if decision == nil {
		decision = map[string]any{}
	}
	decision["oidc_issuer"] = s.Provider.Issuer()
	back, err := optest.Login(s.t.Context(), s.post(browser, consent, decision, 278)["authorization_uri"].(string), "alice")
	require.NoError(s.t, err)
	end, err := browser.Get(back)
	require.NoError(s.t, err)
	require.NoError(s.t, end.Body.Close())
	require.Equal(s.t, 200, end.StatusCode)
	got := s.post(http.DefaultClient, s.URL+path, map[string]any{"grant_type": "polling_code", "polling_code": started["polling_code"]}, 200)

	if name, named := members["name"]; named {
		o.host += "-" + name.(string)
	}
	config := got["ssh_host_config"].(string) + "\tIdentityFile " + file + "\n\tUserKnownHostsFile " + filepath.Join(o.dir, "known") + "\n"
	require.NoError(s.t, os.WriteFile(filepath.Join(o.dir, "config"), []byte(config), 0o600))
	o.trust()
	return o
}

// trust writes down the host key, as the discovery document lists it.
func (o *openSSH) trust() {
	o.t.Helper()
	host, port, err := net.SplitHostPort(o.address)
	require.NoError(o.t, err)
	known := fmt.Sprintf("[%s]:%s %s", host, port, ssh.MarshalAuthorizedKey(o.service.host.PublicKey()))
	require.NoError(o.t, os.WriteFile(filepath.Join(o.dir, "known"), []byte(known), 0o600))
}

// words is the command line of the client.
func (o *openSSH) words(command ...string) []string {
	_, port, err := net.SplitHostPort(o.address)
	require.NoError(o.t, err)
	return append([]string{
		o.program, "-F", filepath.Join(o.dir, "config"), "-p", port, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", o.host,
	}, command...)
}

// call runs a command.
func (o *openSSH) call(command ...string) (out string, status int) {
	words := o.words(command...)
	cmd := exec.CommandContext(o.t.Context(), words[0], words[1:]...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	text, err := cmd.Output()
	if err != nil {
		o.t.Logf("%v: %v: %s", command, err, &errs)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

func (o *openSSH) works(command ...string) string {
	o.t.Helper()
	out, status := o.call(command...)
	require.Zero(o.t, status, "%v: %s", command, out)
	require.Regexp(o.t, `\A[^\n]+\n\z`, out)
	return strings.TrimSuffix(out, "\n")
}

// restart is what an operator does: another process with the same store, keys and
// address.
func (s *service) restart() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(s.t, s.ssh.Shutdown(ctx))
	iss, err := issuer.New(s.Config)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, iss.Close(context.Background())) })
	s.ssh, err = sshd.New(sshd.Config{Issuer: iss, HostKeys: []ssh.Signer{s.host}})
	require.NoError(s.t, err)
	handler, err := rest.NewHandler(iss, rest.Options{SSH: s.ssh})
	require.NoError(s.t, err)
	l, err := net.Listen("tcp", s.address)
	require.NoError(s.t, err)
	go func() { _ = s.ssh.Serve(l, handler) }()
	s.t.Cleanup(func() { _ = s.ssh.Shutdown(context.Background()) })
}

// inARow is how many connections one client makes, one after the other.
func inARow() int {
	if os.Getenv("MYTOKEN_TEST_REQUIRE_SERVICES") == "1" && !raceDetector {
		return 1000
	}
	return 50
}

// TestOpenSSH uses keys with the client that everybody has.
func TestOpenSSH(t *testing.T) {
	s := start(t)
	o := s.registerFile([]string{"-t", "ed25519"}, map[string]any{"name": "laptop", "capabilities": everything}, nil)

	// As users write it.
	line := "AT=$('" + strings.Join(o.words("AT"), "' '") + "') && printf %s \"$AT\""
	out, err := exec.CommandContext(t.Context(), "sh", "-c", line).Output()
	require.NoError(t, err)
	require.NotEmpty(t, out)
	require.NotContains(t, string(out), "\n")

	// As the command line client sends it.
	assert.NotEmpty(t, o.works(`MT application/json '{"name":"it's a child","grant_type":"ssh"}'`))
	assert.Contains(t, o.works("list-subtokens"), `"name":"it's a child"`)
	assert.Contains(t, o.works("history"), `"user_agent":"SSH-2.0-OpenSSH_`)
	seen := object(t, o.works("introspect"))
	assert.Equal(t, "mytoken for ssh-grant: laptop", seen["token"].(map[string]any)["name"])

	// Errors and refusals.
	got, status := o.call("telepathy")
	assert.Equal(t, 1, status)
	assert.True(t, strings.HasPrefix(got, "Unknown request\n"), got)
	got, status = o.call() // a shell
	assert.Equal(t, 1, status)
	assert.Contains(t, got, "Usage: ")
	words := o.words("introspect")
	text, err := exec.CommandContext(t.Context(), words[0], append([]string{"-A", "-X", "-o", "SetEnv=LC_X=1", "-R", "2222:127.0.0.1:1"}, words[1:]...)...).CombinedOutput()
	require.NoError(t, err, "what is refused does not keep the command from running: %s", text)
	assert.Contains(t, string(text), `"valid":true`)
	_, status = (&openSSH{service: s, dir: o.dir, program: o.program, host: "mytoken-other"}).call("AT")
	assert.Equal(t, 255, status)

	// A restart of the server in between.
	s.restart()
	o.works("AT")

	paralleltest.Do(64, func(int) {
		out, status := o.call("AT")
		assert.Zero(t, status, "%s", out)
	})
	for n := range inARow() {
		if out, status := o.call("introspect"); status != 0 {
			t.Fatalf("%d: %s", n, out)
		}
	}

	assert.Equal(t, "OK", o.works("revoke"))
	out2, status := o.call("AT")
	assert.Equal(t, 255, status, "a revoked key: %s", out2)
	assert.Empty(t, s.keys())
}

// TestOpenSSHKeys: each type of key works, and restrictions and rotations hold for them.
func TestOpenSSHKeys(t *testing.T) {
	s := start(t)
	for _, kind := range [][]string{{"-t", "ecdsa", "-b", "384"}, {"-t", "rsa", "-b", "2048"}} {
		s.registerFile(kind, nil, nil).works("AT")
	}
	here := s.registerFile([]string{"-t", "ed25519"}, map[string]any{"restrictions": []any{map[string]any{"hosts": []string{"127.0.0.1"}, "usages_AT": 2}}}, nil)
	here.works("AT")
	here.works("AT")
	out, status := here.call("AT")
	assert.Equal(t, 1, status)
	assert.True(t, strings.HasPrefix(out, "usage_restricted"), out)
	there := s.registerFile([]string{"-t", "ed25519"}, map[string]any{"restrictions": []any{map[string]any{"hosts": []string{"192.0.2.0/24"}}}}, nil)
	out, status = there.call("AT")
	assert.Equal(t, 1, status)
	assert.True(t, strings.HasPrefix(out, "usage_restricted"), out)

	rotating := s.registerFile([]string{"-t", "ed25519"}, map[string]any{"capabilities": everything},
		map[string]any{"rotation": map[string]any{"on_AT": true, "on_other": true, "auto_revoke": true}})
	for _, command := range []string{"AT", "MT", "list-subtokens", "AT"} {
		assert.NotContains(t, rotating.works(command), "token_update")
		s.Clock.Advance(time.Minute)
	}
	s.restart()
	rotating.works("AT")
	paralleltest.Do(16, func(int) {
		out, status := rotating.call("AT")
		assert.Zero(t, status, "%s", out)
	})
	assert.Equal(t, "OK", rotating.works("revoke"))
	_, status = rotating.call("AT")
	assert.Equal(t, 255, status)
}
