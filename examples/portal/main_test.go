package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	_ "github.com/mytoken-go/sdk/internal/ownfile/ownfiletest" // sets the umask
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// TestUpInOneCommand: the program works without flags, lets nobody else read its files,
// and leaves nothing behind.
func TestUpInOneCommand(t *testing.T) {
	dir := t.TempDir()
	p := start(t, []string{"TMPDIR=" + dir})
	token, secrets := p.login()
	secrets = append(secrets, p.access(token))
	if status, got := p.api("tokeninfo", object{"action": "introspect", "mytoken": token}); status != http.StatusOK || got["valid"] != true {
		t.Errorf("%d %v", status, got)
	}
	if status, page, err := send(t.Context(), p.client(), http.MethodGet, p.URL, "", "", "Accept", "text/html"); err != nil || status != http.StatusOK || !strings.Contains(page, "a provider for tests") {
		t.Errorf("%d %v %s", status, err, page)
	}
	kept := 0
	for _, name := range private(t, dir) {
		if base := filepath.Base(name); base == "server.key" || base == "signing-key.pem" {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			secrets = append(secrets, strings.TrimSpace(string(text)))
			kept++
		}
	}
	if kept != 2 {
		t.Errorf("%d keys", kept)
	}
	p.stop()
	p.quiet(append(secrets, optest.DefaultClientSecret)...)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestGivenDirectory: the program uses and keeps what the flags name, also with the
// provider for tests.
func TestGivenDirectory(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		start(t, nil, "-data", dir).stop()
		for _, name := range []string{"server.key", "signing-key.pem", "portal.db"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestStartMessage: the first line is the address to open. The commands are one flag away,
// and work as they are printed.
func TestStartMessage(t *testing.T) {
	short := start(t, nil)
	text := short.out.String()
	assert.True(t, strings.HasPrefix(text, "Open http://127.0.0.1:"), text)
	assert.Contains(t, text, "log in as alice or as anybody else")
	assert.Contains(t, text, "start the program with -walk")
	for _, absent := range []string{"With curl", "call ", "socket", "from this machine alone"} {
		assert.NotContains(t, text, absent)
	}
	assert.Less(t, strings.Count(text, "\n"), 20)
	short.stop()

	p := start(t, nil, "-walk")
	p.out.wait(t, `call "http://`+p.health)
	for _, want := range []string{`instance: "` + p.URL + `"`, `portal: "` + p.provider + `"`, "mytoken MT --oidc"} {
		assert.Contains(t, p.out.String(), want)
	}
	for _, tool := range []string{"sh", "curl", "sed", "tee", "mktemp"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: the commands of the start message were not run: %v", err)
		}
	}
	_, script, ok := strings.Cut(p.out.String(), "With curl:\n")
	if !ok {
		t.Fatalf("%s", p.out)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "sh", "-eu")
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "no_proxy=127.0.0.1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(script), &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	for _, want := range []string{`"consent_uri":`, `"authorization_uri":`, "can fetch its token now", `"mytoken":"ey`, `"access_token":"ey`, `"valid":true`, `"healthy":true`} {
		assert.Contains(t, stdout.String(), want)
	}
	if got := strings.Count(p.errs.String(), "route=/api/v0/token/revoke status=204"); got != 1 {
		t.Errorf("%d revocations\n%s", got, p.errs)
	}
	p.stop()
}

// TestCheck: the program walks through the service by itself, and says so.
func TestCheck(t *testing.T) {
	var stdout, stderr bytes.Buffer
	cmd := command(t, []string{"PORTAL_CHECK=true"})
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	if n := strings.Count(stdout.String(), "ok "); n != 9 || strings.Count(stdout.String(), "\n") != n {
		t.Errorf("%s", &stdout)
	}
}

// TestLines: a developer can read the whole service before lunch.
func TestLines(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	lines := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		lines += bytes.Count(text, []byte("\n"))
	}
	if lines == 0 || lines >= 250 {
		t.Errorf("%d lines", lines)
	}
}
