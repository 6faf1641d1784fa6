package client

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

// Keeper keeps a fresh access token in a file, for programs that read files. Use
// [NewKeeper] or [Keep].
type Keeper struct {
	cfg KeepConfig

	mu    sync.Mutex
	state KeepState

	// Only the goroutine in Run uses the fields below.
	token *AccessToken // the one in the file
	spare *answer      // its token could not be written; nil: none
	turn  time.Time    // when to replace token
	next  time.Time    // when to ask
	fails int
	err   error // of the last request
	found bool  // token was in the file before Run
}

// Keep keeps a fresh access token in a file. It blocks until the context ends, or until
// KeepConfig.Until, or until the process of KeepConfig.Process ends. See [Keeper.Run].
func Keep(ctx context.Context, cfg KeepConfig) error {
	k, err := NewKeeper(cfg)
	if err != nil {
		return err
	}
	return k.Run(ctx)
}

// NewKeeper returns a keeper. It touches no file yet. An error says what is wrong with
// the configuration. It is [bearer.ErrNoUID] if Path is empty and the rules of package
// bearer name no file.
func NewKeeper(cfg KeepConfig) (*Keeper, error) {
	if cfg.Holder == nil {
		return nil, errors.New("client: KeepConfig.Holder is nil: set it to the holder of the mytoken")
	}
	if cfg.Early < 0 || cfg.Process < 0 {
		return nil, errors.New("client: KeepConfig.Early or Process is negative: use 0 for the default")
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

// State returns the current state. It may be called concurrently with Run.
func (k *Keeper) State() KeepState {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state
}

func (k *Keeper) now() time.Time { return wall(k.cfg.Holder.c.now()) }

// Run keeps the file until the configured end, or until the context ends. Call it once.
//
// Run replaces the file in one step: readers see a whole token, even if this process is
// killed. While the server answers, the token in the file lives for at least another
// KeepConfig.Early. While it does not, Run asks again after growing pauses, of at most a
// minute. If the server says when to come back, Run obeys, for at most an hour. The file
// stays while its token is valid, and is removed when the token expires. If a keeper is
// killed, the file can outlive its token until the next keeper finds it.
//
// At the end Run removes the file, unless another program has replaced it. Run then
// returns nil, or the errors of removing the file and revoking the mytoken. It returns an
// error of package bearer at once if it cannot write the file safely.
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
				<-answers // the holder has saved what came with it
			}
			return k.end(ctx, err)
		}
	}
}

func (k *Keeper) over(now time.Time) bool { return !k.cfg.Until.IsZero() && !now.Before(k.cfg.Until) }

// find looks for a file that a killed keeper left behind. Run removes that file when its
// token expires, if the token says when.
func (k *Keeper) find() {
	token, err := bearer.Read(k.cfg.Path)
	if err != nil || token.IsEmpty() {
		return
	}
	if expires, ok := peekExpiry(token.Reveal()); ok {
		left := &AccessToken{AccessToken: mytoken.AccessToken{Token: token, Expires: expires}}
		k.token, k.turn, k.found = left, k.now(), true
	}
}

// expire removes a file whose token has expired.
func (k *Keeper) expire(now time.Time) {
	if k.token == nil || k.token.Expires.IsZero() || now.Before(k.token.Expires) {
		return
	}
	err := bearer.Remove(k.cfg.Path, k.token.Token)
	if err == nil {
		k.token = nil
	}
	k.change(errors.Join(k.err, err))
}

// nap returns how long there is nothing to do.
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

// answer is the outcome of a request.
type answer struct {
	token *AccessToken
	asked time.Time
	err   error
}

// due returns when to replace the token of an answer.
func (a *answer) due(early time.Duration) time.Time {
	if turn := renewal(a.token, a.asked, early); !turn.IsZero() {
		return turn
	}
	return a.asked.Add(unknownLife)
}

// start gets an answer. It takes the last one again if its token could not be written and
// is not due yet, because each request is a use of the mytoken.
func (k *Keeper) start(ctx context.Context, answers chan<- answer) {
	if k.spare != nil && k.now().Before(k.spare.due(k.cfg.Early)) {
		answers <- *k.spare
		return
	}
	asked := k.now()
	go func() {
		token, err := rescue.Call(func() (*AccessToken, error) { return k.cfg.Holder.AccessToken(ctx, k.cfg.AccessTokenRequest) })
		rescue.Log(ctx, slog.Default(), "a keeper", err)
		answers <- answer{token, asked, err}
	}()
}

// take writes a new token to the file, or notes a failure.
func (k *Keeper) take(a answer) {
	if a.err == nil && !a.token.Expires.IsZero() && !k.now().Before(a.token.Expires) {
		a.err = &AnswerError{Operation: opAccessToken, Reason: "the token had expired when it arrived"}
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
	now := k.now()
	k.next = now.Add(max(k.turn.Sub(now), shortestTurn))
	k.change(nil)
}

// pause returns how long to wait after a failure.
func pause(failures int, err error) time.Duration {
	wait := backOff(failures, longestPause)
	if e, ok := errors.AsType[*Error](err); ok {
		wait = max(wait, min(e.RetryAfter, longestRetry))
	}
	return wait
}

// change computes the state and reports it.
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
		err := rescue.Do(func() { k.cfg.Changed(s) })
		rescue.Log(context.Background(), slog.Default(), "KeepConfig.Changed", err)
	}
}

// remove removes the file at the end, unless an earlier keeper wrote it.
func (k *Keeper) remove() error {
	if k.token == nil || k.found {
		return nil
	}
	return bearer.Remove(k.cfg.Path, k.token.Token)
}

// end revokes the mytoken if KeepConfig.Revoke is set.
func (k *Keeper) end(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if k.cfg.Revoke {
		err = errors.Join(err, k.cfg.Holder.Revoke(ctx, true))
	}
	k.set(KeepState{Phase: KeepEnded, Path: k.cfg.Path, Err: err})
	return err
}
