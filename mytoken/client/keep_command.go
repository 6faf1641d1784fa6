package client

import (
	"context"
	"errors"
	"log/slog"
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
// RunCommand does not start the command if the context ends before there is a token, or
// if the server refuses for good ([*RefusedError]). It does not start it either if
// something on this machine is wrong: the store has no mytoken ([ErrNoToken]), it cannot
// be read safely ([*bearer.UnsafeError]), or the mytoken rotates and its successor could
// not be kept ([*UnsavableError]). The error says why. If the keeper ends later, the
// command goes on without a token: because the context ends, KeepConfig.Until comes, or
// the server refuses for good. Create the command with [exec.CommandContext] to end it
// too.
//
// The exit code of the command is that of the [*exec.ExitError] in the error. If the
// error has none, cmd.ProcessState says whether the command ran: it is nil if the command
// was not started, and otherwise the command exited with 0.
func (k *Keeper) RunCommand(ctx context.Context, cmd *exec.Cmd) error {
	given := ctx
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
		case k.err != nil && !mayArrive(k.err):
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
		if k.ended == nil {
			err = errors.Join(err, k.err, given.Err()) // ctx ends whenever the keeper gives up
		}
		return errors.Join(errNoCommand, err)
	}
	cmd.Env = withTokenFile(cmd.Environ(), k.cfg.Path)
	err := cmd.Run()
	cancel()
	return errors.Join(err, <-ended)
}

// mayArrive reports whether a token may still arrive after a request that failed: the
// network, the server or another process may do better. Other failures are of this
// machine, and last until somebody mends them.
func mayArrive(err error) bool {
	return errors.As(err, new(*NetworkError)) || errors.As(err, new(*Error)) || errors.As(err, new(*AnswerError)) ||
		errors.As(err, new(*SaveError)) || errors.Is(err, errLockKept)
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
