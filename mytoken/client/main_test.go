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

	"github.com/mytoken-go/sdk/mytoken/client"
)

// Some tests need other processes: this binary, with a role in its environment.
const (
	envRole   = "MYTOKEN_CLIENT_TEST_ROLE"
	envIssuer = "MYTOKEN_CLIENT_TEST_ISSUER"
	envPath   = "MYTOKEN_CLIENT_TEST_PATH"
	envCount  = "MYTOKEN_CLIENT_TEST_COUNT"
)

var roles = map[string]func() error{"user": beUser, "keeper": beKeeper, "job": beJob, "waiter": beWaiter}

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

// other is another process in a role. It is killed when the test ends.
func other(ctx context.Context, role string, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(append(os.Environ(), envRole+"="+role), env...)
	return cmd
}

// beUser uses a rotating token in a file that others use too.
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

// beKeeper keeps a file, with time running so fast that it is always replaced.
func beKeeper() error {
	clock := new(racingClock)
	c, err := client.New(client.Config{Issuer: os.Getenv(envIssuer), Clock: clock, HTTPClient: &http.Client{Transport: clock}})
	if err != nil {
		return err
	}
	h := c.NewHolder(client.NewMemoryStore(aToken))
	return client.Keep(context.Background(), client.KeepConfig{Holder: h, Path: os.Getenv(envPath)})
}

// racingClock is ahead by all that was ever waited for, unless a request was under way.
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

// RoundTrip returns when the answer is there.
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

// wholeToken makes a token of which no part is a whole token, so long that writing it
// takes a while.
func wholeToken(n int) string {
	body := strings.Repeat(fmt.Sprintf("%08d-", n), 50000)
	sum := sha256.Sum256([]byte(body))
	return body + "." + hex.EncodeToString(sum[:])
}

func isWhole(token string) bool {
	body, sum, ok := strings.Cut(token, ".")
	want := sha256.Sum256([]byte(body))
	return ok && sum == hex.EncodeToString(want[:])
}

// beJob is a program that knows nothing of mytokens: it prints its token.
func beJob() error {
	path := os.Getenv("BEARER_TOKEN_FILE")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if os.Getenv("BEARER_TOKEN") != "" {
		return errors.New("there is another token in the environment")
	}
	_, err = os.Stdout.Write(text)
	return err
}

// beWaiter waits until its input ends.
func beWaiter() error {
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}
