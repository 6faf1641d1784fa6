package client

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

// Keeper keeps an access token in a file fresh, for programs that read files. Use
// [NewKeeper] or [Keep].
type Keeper struct {
	cfg KeepConfig

	mu    sync.Mutex
	state KeepState

	// Of the goroutine in Run alone:
	token *AccessToken // in the file
	spare *answer      // its token could not be written; nil: none
	turn  time.Time    // when the token is due for replacement
	next  time.Time    // when to ask
	fails int
	err   error // of the last request
	found bool  // token was in the file before
}

// Keep keeps an access token in a file fresh, and blocks until the context ends,
// KeepConfig.Until comes, or the process ends. See [Keeper.Run].
func Keep(ctx context.Context, cfg KeepConfig) error {
	k, err := NewKeeper(cfg)
	if err != nil {
		return err
	}
	return k.Run(ctx)
}

// NewKeeper returns a keeper. It touches no file yet.
func NewKeeper(cfg KeepConfig) (*Keeper, error) {
	if cfg.Holder == nil {
		return nil, errors.New("client: a keeper needs a holder")
	}
	if cfg.Early < 0 || cfg.Process < 0 {
		return nil, errors.New("client: a limit of a keeper is negative")
	}
	cfg.Early = cmp.Or(cfg.Early, defaultKeepEarly)
	if cfg.Path == "" {
		var err error
		if cfg.Path, err = bearer.Path(); err != nil {
			return nil, err
		}
	}
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return nil, err
	}
	cfg.Path = path
	return &Keeper{cfg: cfg, state: KeepState{Phase: KeepStarting, Path: cfg.Path}}, nil
}

// State returns the state.
func (k *Keeper) State() KeepState {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state
}

func (k *Keeper) now() time.Time { return wall(k.cfg.Holder.c.now()) }

// Run keeps the file until the end that was configured or that of the context. Call it
// once.
//
// The file is replaced in one step, so that whoever opens it reads a whole token, also if
// this process is killed. While the server answers, a token in it has at least
// KeepConfig.Early to live. While it does not, Run asks again, with growing pauses of at
// most a minute, or of what the server says, and an hour at most; the file stays as long
// as its token is valid, and is removed when that ends. A file whose keeper was killed can
// outlive its token, until the next keeper finds it.
//
// At the end the file is removed, unless somebody else has replaced it. Then Run returns
// nil, or what went wrong with removing and revoking. It fails at once with an error of
// package bearer if the file cannot be written safely.
func (k *Keeper) Run(ctx context.Context) error {
	if err := bearer.CheckWritable(k.cfg.Path); err != nil {
		return err
	}
	bearer.Sweep(k.cfg.Path)
	k.find()
	watched, err := watch(k.cfg.Process)
	if err != nil {
		return err
	}
	defer watched.close()

	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan answer, 1)
	asking := false
	defer cancel()
	for {
		now := k.now()
		if k.over(now) || watched.over() {
			cancel()
		}
		k.expire(now)
		if !asking && !now.Before(k.next) && ctx.Err() == nil {
			asking = true
			k.start(ctx, answers)
		}
		select {
		case a := <-answers:
			asking = false
			k.take(a)
		case <-k.cfg.Holder.c.cfg.Clock.After(k.nap(now, asking)):
		case <-ctx.Done():
			err := k.remove()
			if asking {
				<-answers // the holder has kept what came with it
			}
			return k.end(ctx, err)
		}
	}
}

func (k *Keeper) over(now time.Time) bool { return !k.cfg.Until.IsZero() && !now.Before(k.cfg.Until) }

// nap is how long there is nothing to do.
func (k *Keeper) nap(now time.Time, asking bool) time.Duration {
	nap := longestNap
	if k.cfg.Process != 0 {
		nap = processNap
	}
	instants := []time.Time{k.cfg.Until}
	if !asking {
		instants = append(instants, k.next)
	}
	if k.token != nil {
		instants = append(instants, k.token.Expires, k.turn)
	}
	for _, at := range instants {
		if at.After(now) {
			nap = min(nap, at.Sub(now))
		}
	}
	return nap
}

// take puts a new token into the file, or takes note of a failure.
func (k *Keeper) take(a answer) {
	if a.err == nil && !a.token.Expires.IsZero() && !k.now().Before(a.token.Expires) {
		a.err = &AnswerError{Operation: "access token", Reason: "the token had ended when it came"}
	}
	err := a.err
	k.spare = nil
	if err == nil {
		if err = bearer.Write(k.cfg.Path, a.token.Token); err != nil {
			k.spare = &a
		}
	}
	if k.err = err; err != nil {
		k.fails++
		k.next = k.now().Add(pause(k.fails, err))
		k.change(err)
		return
	}
	k.fails, k.token, k.found = 0, a.token, false
	k.turn = a.due(k.cfg.Early)
	k.next = later(k.turn, k.now().Add(shortestTurn))
	k.change(nil)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// pause is how long the server is left alone after a failure.
func pause(failures int, err error) time.Duration {
	wait := backOff(failures, longestPause)
	if e, ok := errors.AsType[*Error](err); ok {
		wait = max(wait, min(e.RetryAfter, longestRetry))
	}
	return wait
}

// change computes the state anew.
func (k *Keeper) change(err error) {
	s := KeepState{Phase: KeepDown, Path: k.cfg.Path, Next: k.next, Failures: k.fails, Err: err}
	if k.token != nil {
		s.Phase, s.Expires = KeepFresh, k.token.Expires
		if k.fails > 0 {
			s.Phase = KeepAging
		}
	}
	k.set(s)
}

func (k *Keeper) set(s KeepState) {
	k.mu.Lock()
	k.state = s
	k.mu.Unlock()
	if k.cfg.Changed != nil {
		k.cfg.Changed(s)
	}
}

// end revokes the mytoken.
func (k *Keeper) end(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if k.cfg.Revoke {
		err = errors.Join(err, k.cfg.Holder.Revoke(ctx, true))
	}
	k.set(KeepState{Phase: KeepEnded, Path: k.cfg.Path, Err: err})
	return err
}
