package sdk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"go/format"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/capability"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
	"github.com/mytoken-go/sdk/restriction"
)

// readmePrograms returns the complete programs of the README by name. The name is the
// first word of the program.
func readmePrograms(t *testing.T) map[string]string {
	t.Helper()
	programs := make(map[string]string)
	for _, block := range readmeBlocks(t, "go") {
		if strings.Contains(block, "\npackage main\n") {
			name, _, _ := strings.Cut(strings.TrimPrefix(block, "// "), " ")
			programs[strings.ToLower(name)] = block
		}
	}
	return programs
}

// readmeBlocks returns the fenced blocks of a language in the README.
func readmeBlocks(t *testing.T, language string) []string {
	t.Helper()
	var blocks []string
	for _, block := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(readFile(t, "README.md"), -1) {
		blocks = append(blocks, block[1])
	}
	return blocks
}

// TestReadmeProgramsAreShort keeps the programs of the README short enough to be read.
func TestReadmeProgramsAreShort(t *testing.T) {
	programs := readmePrograms(t)
	require.Len(t, programs, 3)
	for name, most := range map[string]int{"issue": 45, "verify": 30, "hold": 35} {
		program, found := programs[name]
		require.True(t, found, "the README has no program %q", name)
		assert.LessOrEqual(t, strings.Count(program, "\n"), most, "lines of %q", name)
		formatted, err := format.Source([]byte(program))
		require.NoError(t, err, name)
		assert.Equal(t, string(formatted), program, "gofmt changes %q", name)
	}
	_, get, found := strings.Cut(programs["hold"], "\nfunc get(")
	require.True(t, found)
	assert.LessOrEqual(t, strings.Count("func get("+get, "\n"), 10, "lines of the function that holds a mytoken")
}

// TestReadmeProgramsRun does what the README tells a newcomer to do. It writes the three
// programs into a module of their own, builds them and runs them together. It changes
// nothing but the ports, so that tests can run side by side.
func TestReadmeProgramsRun(t *testing.T) {
	dir, ports := t.TempDir(), newPorts(t, "127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082")
	writeNewModule(t, dir)
	for name, program := range readmePrograms(t) {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, "main.go"), []byte(ports.Replace(program)), 0o600))
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/bin/", "./issue", "./verify", "./hold")
	build.Dir, build.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	portal := "http://" + ports.Replace("127.0.0.1:8080")
	service := "http://" + ports.Replace("127.0.0.1:8081")
	startProgram(t, filepath.Join(dir, "bin", "issue"), portal)
	startProgram(t, filepath.Join(dir, "bin", "verify"), service)

	// The user logs in, and the mytoken goes into the file of the job.
	c, err := client.New(client.Config{Issuer: portal})
	require.NoError(t, err)
	user := logIn(t, c, mytoken.Properties{Capabilities: capability.Set{capability.AT, capability.CreateMytoken}})
	file := client.NewFileStore(filepath.Join(dir, "token"))
	require.NoError(t, file.Save(t.Context(), user))

	status, answer := submitJob(t, service, user)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "a job of alice\n", answer)
	said, err := hold(t, dir)
	require.NoError(t, err, said)
	assert.JSONEq(t, `{"sub":"alice"}`, said)

	// A narrower token that is not good for computing. The answer names what refused.
	reader, err := c.Derive(t.Context(), user, client.DeriveRequest{Properties: mytoken.Properties{
		Restrictions: restriction.List{{Scopes: []string{"storage.read"}}},
	}})
	require.NoError(t, err)
	status, answer = submitJob(t, service, reader.Token)
	assert.Equal(t, http.StatusForbidden, status)
	assert.Contains(t, answer, `: scope"`)

	// A revoked token gets nothing more.
	require.NoError(t, c.Revoke(t.Context(), user, true))
	said, err = hold(t, dir)
	require.Error(t, err, said)
	assert.Contains(t, said, "invalid_token")
}

// newPorts returns a replacer of addresses by free ones. Systems give none of these ports to
// a program that asks for any port, so other tests do not take them in the meantime.
func newPorts(t *testing.T, addresses ...string) *strings.Replacer {
	t.Helper()
	var pairs []string
	for _, address := range addresses {
		var listener net.Listener
		for tries := 0; listener == nil; tries++ {
			var err error
			listener, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(20000+rand.IntN(10000)))
			require.True(t, err == nil || tries < 100, "no port is free: %v", err)
		}
		defer listener.Close() // after the last one has a port of its own
		pairs = append(pairs, address, listener.Addr().String())
	}
	return strings.NewReplacer(pairs...)
}

// writeNewModule makes a module that requires this one, as it is on disk. Its other
// requirements are those of this module, so that the build needs no network.
func writeNewModule(t *testing.T, dir string) {
	t.Helper()
	here, err := os.Getwd()
	require.NoError(t, err)
	mod := strings.Replace(readFile(t, "go.mod"), "module "+module+"\n", "module example.org/first\n", 1)
	mod += "\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + filepath.ToSlash(here) + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), []byte(readFile(t, "go.sum")), 0o600))
}

// startProgram starts a server and waits until it answers. The server ends with the test.
func startProgram(t *testing.T, path, url string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(path)
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop := sync.OnceFunc(func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() {
		stop()
		<-ended
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if answer, err := http.Get(url); err == nil {
			answer.Body.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			require.Fail(t, "the program has ended", "%s: %v\n%s", path, err, &said)
		case <-tick.C:
		}
	}
}

// logIn gets a mytoken as a user with a browser does, who agrees to everything.
func logIn(t *testing.T, c *client.Client, props mytoken.Properties) mytoken.Secret {
	t.Helper()
	login, err := c.StartLogin(t.Context(), client.LoginRequest{Application: "first", Properties: props})
	require.NoError(t, err)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar}
	agreed, err := browser.Post(login.ConsentURI, "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	defer agreed.Body.Close()
	var next struct {
		URL string `json:"authorization_uri"`
	}
	require.NoError(t, json.NewDecoder(agreed.Body).Decode(&next))
	back, err := browser.Get(next.URL)
	require.NoError(t, err)
	back.Body.Close()
	require.Equal(t, http.StatusOK, back.StatusCode)
	issued, err := login.Poll(t.Context())
	require.NoError(t, err)
	return issued.Token
}

// submitJob presents a mytoken to the service that verifies.
func submitJob(t *testing.T, url string, token mytoken.Secret) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	answer, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}

// hold runs the program that holds a mytoken, and returns what it printed.
func hold(t *testing.T, dir string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "bin", "hold"))
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}
