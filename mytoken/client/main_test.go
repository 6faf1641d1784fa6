package client_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken/client"
)

// Some tests need other processes. They run this binary with a role in its environment.
const (
	envRole   = "MYTOKEN_CLIENT_TEST_ROLE"
	envIssuer = "MYTOKEN_CLIENT_TEST_ISSUER"
	envPath   = "MYTOKEN_CLIENT_TEST_PATH"
	envCount  = "MYTOKEN_CLIENT_TEST_COUNT"
)

var roles = map[string]func() error{"user": beUser, "keeper": beKeeper, "job": beJob, "waiter": beWaiter, "locker": beLocker, "failure": beFailure}

func TestMain(m *testing.M) {
	role, ok := roles[os.Getenv(envRole)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// other returns a process in a role. It is killed when the context ends.
func other(ctx context.Context, role string, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(append(os.Environ(), envRole+"="+role), env...)
	return cmd
}

// process is another process that runs.
type process struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  chan error
}

// startOther starts another process in a role.
func startOther(t *testing.T, role string, env ...string) *process {
	t.Helper()
	p := &process{cmd: other(t.Context(), role, env...), ended: make(chan error, 1)}
	p.cmd.Stderr = &p.stderr
	require.NoError(t, p.cmd.Start())
	go func() { p.ended <- p.cmd.Wait() }()
	return p
}

// kill kills the process and waits for its end.
func (p *process) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Kill())
	require.Error(t, <-p.ended)
}

// beUser uses a rotating token in a file that other processes use too.
func beUser() error {
	count, err := strconv.Atoi(os.Getenv(envCount))
	if err != nil {
		return err
	}
	c, err := client.New(client.Config{Issuer: os.Getenv(envIssuer)})
	if err != nil {
		return err
	}
	h := c.NewHolder(client.NewFileStore(os.Getenv(envPath)))
	for i := range count {
		if _, err := h.AccessToken(context.Background(), client.AccessTokenRequest{}); err != nil {
			return fmt.Errorf("request %d: %w", i, err)
		}
	}
	return nil
}

// beKeeper keeps a file. Its time runs so fast that it replaces the file all the time.
func beKeeper() error {
	clock := new(racingClock)
	c, err := client.New(client.Config{Issuer: os.Getenv(envIssuer), Clock: clock, HTTPClient: &http.Client{Transport: clock}})
	if err != nil {
		return err
	}
	h := c.NewHolder(client.NewMemoryStore(aToken))
	return client.Keep(context.Background(), client.KeepConfig{Holder: h, Path: os.Getenv(envPath)})
}

// racingClock jumps ahead by each wait, unless a request is under way.
type racingClock struct {
	ahead  atomic.Int64
	asking atomic.Int32
}

func (c *racingClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *racingClock) After(d time.Duration) <-chan time.Time {
	if c.asking.Load() > 0 {
		return time.After(d)
	}
	c.ahead.Add(int64(d))
	return time.After(10 * time.Microsecond)
}

// RoundTrip reads the whole answer, so that the clock knows when the request is over.
func (c *racingClock) RoundTrip(r *http.Request) (*http.Response, error) {
	c.asking.Add(1)
	defer c.asking.Add(-1)
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, err
}

// wholeToken makes a token that no part of it resembles. It is so long that writing it
// takes a while.
func wholeToken(n int) string {
	body := strings.Repeat(fmt.Sprintf("%08d-", n), 50000)
	sum := sha256.Sum256([]byte(body))
	return body + "." + hex.EncodeToString(sum[:])
}

// isWhole reports whether wholeToken made the token.
func isWhole(token string) bool {
	body, sum, ok := strings.Cut(token, ".")
	want := sha256.Sum256([]byte(body))
	return ok && sum == hex.EncodeToString(want[:])
}

// beJob is a program that knows nothing of mytokens. It prints its access token.
func beJob() error {
	path := os.Getenv("BEARER_TOKEN_FILE")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if os.Getenv("BEARER_TOKEN") != "" {
		return errors.New("BEARER_TOKEN is set too")
	}
	_, err = os.Stdout.Write(text)
	return err
}

// beWaiter waits until its input ends.
func beWaiter() error {
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// beFailure fails.
func beFailure() error { return errors.New("this is what it is for") }

// beLocker takes the lock of a token file, says so, and keeps it until its input ends.
func beLocker() error {
	unlock, err := client.NewFileStore(os.Getenv(envPath)).Lock(context.Background())
	if err != nil {
		return err
	}
	defer unlock()
	fmt.Println("locked")
	return beWaiter()
}
