package client

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os/exec"
	"strings"

	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

var errNoCommand = errors.New("client: the command was not started, because there is no access token for it")

// RunCommand runs a command and keeps a fresh access token for it. It starts the command
// when the first token is in the file, and passes the path of the file in
// BEARER_TOKEN_FILE. It keeps the file until the command ends, and then removes it. It
// returns the error of the command (see [exec.Cmd.Run]) joined with that of [Keeper.Run].
//
// If the context ends before there is a token, or if the server refuses for good,
// RunCommand does not start the command. The error says why. If the context ends later,
// or KeepConfig.Until comes, the command goes on without a token. Create the command with
// [exec.CommandContext] to end it too.
func (k *Keeper) RunCommand(ctx context.Context, cmd *exec.Cmd) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fresh, started := make(chan struct{}), false
	tell := k.cfg.Changed
	k.cfg.Changed = func(s KeepState) {
		switch {
		case started:
		case s.Phase == KeepFresh:
			started = true
			close(fresh)
		case s.Phase == KeepDown && refusedForGood(s.Err):
			cancel()
		}
		if tell != nil {
			tell(s)
		}
	}
	ended := make(chan error, 1)
	go func() {
		_, err := rescue.Call(func() (struct{}, error) { return struct{}{}, k.Run(ctx) })
		rescue.Log(ctx, slog.Default(), "a keeper", err)
		ended <- err
	}()
	select {
	case <-fresh:
	case err := <-ended:
		return errors.Join(errNoCommand, err, k.err, ctx.Err())
	}
	cmd.Env = withTokenFile(cmd.Environ(), k.cfg.Path)
	err := cmd.Run()
	cancel()
	return errors.Join(err, <-ended)
}

// refusedForGood reports whether the server refuses, and a later request cannot be
// expected to succeed.
func refusedForGood(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.RetryAfter > 0 {
		return false
	}
	switch e.Status {
	case http.StatusUnauthorized:
		return e.Explanation == nil // with one, the token is not valid yet
	case http.StatusForbidden:
		return e.Code != CodeUsageRestricted || e.Explanation != nil && e.Explanation.Earliest.IsNever()
	}
	return e.Status == http.StatusBadRequest
}

// withTokenFile makes the file the first place where a program looks for a token.
func withTokenFile(env []string, path string) []string {
	var out []string
	for _, v := range env {
		if name, _, _ := strings.Cut(v, "="); name != bearer.EnvToken && name != bearer.EnvFile {
			out = append(out, v)
		}
	}
	return append(out, bearer.EnvFile+"="+path)
}
