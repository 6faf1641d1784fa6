package client

import (
	"context"
	"errors"
	"os/exec"
	"strings"

	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

var errNoCommand = errors.New("client: the keeper ended before there was an access token; the command was not started")

// RunCommand runs a command with a fresh access token: it starts the command when the
// first token is in the file, tells it the path in BEARER_TOKEN_FILE, keeps the file until
// the command ends, and removes it. It returns the error of the command (see [exec.Cmd.Run])
// joined with that of [Keeper.Run].
//
// If the context ends before there is a token, or the server says that there will be none,
// the command is not started, and the error says why. If the context ends later, or KeepConfig.Until comes, the command goes on
// without a token; make it with [exec.CommandContext] to end it too.
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
	go func() { ended <- k.Run(ctx) }()
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

// withTokenFile makes the file the first place where a program finds a token.
func withTokenFile(env []string, path string) []string {
	var out []string
	for _, v := range env {
		if name, _, _ := strings.Cut(v, "="); name != bearer.EnvToken && name != bearer.EnvFile {
			out = append(out, v)
		}
	}
	return append(out, bearer.EnvFile+"="+path)
}
