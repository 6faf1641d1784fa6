package client_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client"
)

// keeper returns a keeper of a new rotating token, its store and the path of its file.
func (s *server) keeper(change func(*client.KeepConfig)) (*client.Keeper, *client.MemoryStore, string) {
	s.t.Helper()
	store := client.NewMemoryStore(s.token(mytoken.Properties{Rotation: rotating}))
	path := filepath.Join(s.t.TempDir(), "bt")
	cfg := client.KeepConfig{Holder: s.client.NewHolder(store), Path: path}
	if change != nil {
		change(&cfg)
	}
	k, err := client.NewKeeper(cfg)
	require.NoError(s.t, err)
	return k, store, path
}

// systemTime makes the client use the system's clock, for tests with other processes.
func systemTime(o *setup) { o.client = func(c *client.Config) { c.Clock = nil } }

// The command finds the token by the rules, and the file is gone after it.
func TestRunCommand(t *testing.T) {
	s := start(t, systemTime)
	k, store, path := s.keeper(func(c *client.KeepConfig) { c.Revoke = true })
	cmd := other(t.Context(), "job", "BEARER_TOKEN=another", "BEARER_TOKEN_FILE=/nowhere")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, k.RunCommand(t.Context(), cmd), "%s", &errs)
	require.Contains(t, s.Provider.Secrets(), string(bytes.TrimSpace(out.Bytes())))
	require.NoFileExists(t, path)
	token, err := store.Load(t.Context())
	require.NoError(t, err)
	_, err = s.client.Introspect(t.Context(), token)
	require.True(t, client.IsCode(err, client.CodeInvalidToken), "the keeper revokes the mytoken: %v", err)
}

// RunCommand does not start the command if the server refuses for good.
func TestRunCommandWithoutToken(t *testing.T) {
	s := start(t, systemTime)
	k, store, path := s.keeper(nil)
	token, err := store.Load(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.client.Revoke(t.Context(), token, true))
	cmd := other(t.Context(), "job")
	err = k.RunCommand(t.Context(), cmd)
	require.True(t, client.IsCode(err, client.CodeInvalidToken), "%v", err)
	require.ErrorAs(t, err, new(*client.RefusedError))
	require.NotErrorIs(t, err, client.ErrLoginEnded)
	require.ErrorContains(t, err, "the mytoken was revoked, has expired or is damaged, so log in again")
	require.Nil(t, cmd.ProcessState)
	require.NoFileExists(t, path)

	k, store, _ = s.keeper(nil)
	require.NoError(t, store.Save(t.Context(), mytoken.Secret{}))
	err = k.RunCommand(t.Context(), cmd)
	require.ErrorIs(t, err, client.ErrNoToken)
	require.NotErrorIs(t, err, context.Canceled, "the caller has cancelled nothing")
	require.NotContains(t, err.Error(), "context")
	require.Nil(t, cmd.ProcessState)
}

// RunCommand does not wait for a token if something on this machine keeps it from asking.
func TestRunCommandWithoutStore(t *testing.T) {
	s := start(t, systemTime)
	rotates := s.token(mytoken.Properties{Rotation: rotating})
	for what, change := range map[string]func(dir string, cfg *client.KeepConfig){
		"not safe": func(dir string, cfg *client.KeepConfig) {
			require.NoError(t, os.Mkdir(filepath.Join(dir, "token"), 0o700))
		},
		"not a mytoken": func(dir string, cfg *client.KeepConfig) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "token"), []byte("two words"), 0o600))
		},
		"was not used": func(_ string, cfg *client.KeepConfig) {
			cfg.Holder = s.client.NewHolder(fullStore{client.NewMemoryStore(rotates)})
		},
		"Comment": func(_ string, cfg *client.KeepConfig) {
			cfg.Holder, cfg.Comment = s.client.NewHolder(client.NewMemoryStore(rotates)), "two\nlines"
		},
	} {
		dir := t.TempDir()
		k, _, path := s.keeper(func(cfg *client.KeepConfig) {
			cfg.Holder = s.client.NewHolder(client.NewFileStore(filepath.Join(dir, "token")))
			change(dir, cfg)
		})
		cmd := other(t.Context(), "job")
		require.ErrorContains(t, k.RunCommand(t.Context(), cmd), what)
		require.Nil(t, cmd.Process)
		require.NoFileExists(t, path)
	}
}

// fullStore cannot save.
type fullStore struct{ *client.MemoryStore }

func (fullStore) CheckSave(context.Context) error { return errors.New("no space left") }

// The exit code of the command is in the error.
func TestRunCommandExitCode(t *testing.T) {
	s := start(t, systemTime)
	k, _, _ := s.keeper(nil)
	var exit *exec.ExitError
	require.ErrorAs(t, k.RunCommand(t.Context(), other(t.Context(), "failure")), &exit)
	require.Equal(t, 1, exit.ExitCode())
}

// RunCommand waits for the server until the context ends.
func TestRunCommandWaits(t *testing.T) {
	var down atomic.Bool
	s := start(t, func(o *setup) {
		systemTime(o)
		o.wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if down.Load() {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k, _, path := s.keeper(func(c *client.KeepConfig) {
		c.Changed = func(s client.KeepState) {
			if s.Failures > 0 {
				cancel()
			}
		}
	})
	down.Store(true)
	cmd := other(t.Context(), "job")
	err := k.RunCommand(ctx, cmd)
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, cmd.Process)
	require.NoFileExists(t, path)
}

// RunCommand returns the error of the command.
func TestRunCommandFails(t *testing.T) {
	s := start(t, systemTime)
	k, _, _ := s.keeper(nil)
	err := k.RunCommand(t.Context(), exec.Command(filepath.Join(t.TempDir(), "nothing")))
	require.ErrorContains(t, err, "nothing")
}

// The keeper ends when the watched process ends.
func TestKeepProcess(t *testing.T) {
	s := start(t, systemTime)
	cmd := other(t.Context(), "waiter")
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	fresh := make(chan struct{}, 100)
	k, _, path := s.keeper(func(c *client.KeepConfig) {
		c.Process = cmd.Process.Pid
		c.Changed = func(s client.KeepState) {
			if s.Phase == client.KeepFresh {
				fresh <- struct{}{}
			}
		}
	})
	ended := make(chan error, 1)
	go func() { ended <- k.Run(t.Context()) }()
	<-fresh
	require.FileExists(t, path)
	require.NoError(t, input.Close())
	require.NoError(t, cmd.Wait())
	require.NoError(t, <-ended)
	require.NoFileExists(t, path)
}
