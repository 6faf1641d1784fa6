package client

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/internal/fresh"
	"github.com/mytoken-go/sdk/internal/ownfile"
	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken/client/bearer"
)

// Keeper keeps a fresh access token in a file, for programs that read files. Use
// [NewKeeper] or [Keep].
type Keeper struct {
	cfg KeepConfig

	mu    sync.Mutex
	state KeepState

	// Only the goroutine in Run uses the fields below.
	token *AccessToken  // the last one that arrived; nil: none, or it has expired
	wait  span          // before the next request
	fails int           // requests
	err   error         // of the last request
	doubt span          // since the server refuses for good; d is 0 if it does not
	ended *RefusedError // no doubt any more
	had   bool          // there was a token before
	file  keptFile

	uses thrift // only the goroutine that asks uses it
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
	path, err := filepath.Abs(ownfile.Plain(cfg.Path))
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

func (k *Keeper) now() time.Time { return k.cfg.Holder.c.now() }

// Run keeps the file until the configured end, or until the context ends. Call it once.
//
// Run replaces the file in one step: readers see a whole token, even if this process is
// killed. A file that cannot be replaced is written in place: it is mounted alone, or its
// directory is read-only. Readers at that very instant may see a mix, which no server
// accepts. Where Run removes the file, it empties such a one.
//
// While the server answers, the token in the file lives for at least another
// KeepConfig.Early. While it does not, Run asks again after growing pauses, of at most a
// minute. It does the same if another process keeps the lock of the mytoken for two
// minutes. If the server says when to come back, Run obeys, for at most an hour. It does
// the same if the mytoken says that it becomes valid later.
//
// All requests until an answer arrives count as one use, if the server counts a repeated
// request once; see [Metadata]. The server remembers a use for a day: a longer outage may
// cost another one each day. Other servers may count each request. If the mytoken is
// limited there, Run loses at most half of the uses that are left, rounded up, before it
// waits for an hour; then it may lose half of the rest. It asks the server by introspection
// how many are left, which is no use. If the server does not say, Run takes the limit in
// the mytoken for it. A keeper that starts anew makes a new use.
//
// The file stays while its token is valid, and is removed when the token expires. If a
// keeper is killed, the file can outlive its token until the next keeper finds it.
//
// Run looks at the file at least every 30 s. If the file is missing, or does not hold the
// token that Run wrote, Run writes it again. It tries again after growing pauses, of at
// most 30 s, while it cannot: for example while the directory is missing.
//
// A token counts as expired if the wall clock or the monotonic clock says so. If a clock
// was set back to before its request, nobody knows. Then Run asks for a new token, and
// removes the file if it gets none.
//
// If the server refuses for good, Run asks once more: after half a minute, or after two
// seconds if it never had a token. If the server says the same, Run asks no more. It
// returns a [*RefusedError] as soon as no valid token is left in the file.
//
// At the end Run removes the file, unless another program has replaced it. Run then
// returns nil, or the errors of removing the file and revoking the mytoken. It returns an
// error of package bearer at once if it cannot write the file safely. It also returns an
// error at once if the file holds the mytoken, which it would replace.
func (k *Keeper) Run(ctx context.Context) error {
	if err := bearer.CheckWritable(k.cfg.Path); err != nil {
		return err
	}
	bearer.Sweep(k.cfg.Path)
	if err := k.find(ctx); err != nil {
		return err
	}
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
		if k.over(now) || watched.over() || k.ended != nil && !k.serves(now) {
			cancel()
		}
		if ctx.Err() == nil {
			k.tend(now)
		}
		if !asking && ctx.Err() == nil && k.due(now) {
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

func (k *Keeper) over(now time.Time) bool {
	return !k.cfg.Until.IsZero() && !wall(now).Before(k.cfg.Until)
}

// turn returns when to replace the token.
func (k *Keeper) turn() span {
	if due, expires := k.token.due(k.cfg.Early); expires {
		return due
	}
	return span{k.token.life.since, unknownLife}
}

// due reports whether it is time to ask.
func (k *Keeper) due(now time.Time) bool {
	return k.ended == nil && k.wait.over(now) && (k.token == nil || k.turn().over(now))
}

// next returns when the keeper asks again, or tries again to write the file, or ends.
func (k *Keeper) next() time.Time {
	next := k.wait.end()
	if k.ended != nil {
		if t := k.file.token; t != nil && t.life.d > 0 {
			next = t.life.end()
		}
		return next
	}
	if k.token != nil {
		if turn := k.turn().end(); turn.After(next) {
			next = turn
		}
		if again := k.file.pause.end(); k.file.err != nil && again.Before(next) {
			next = again
		}
	}
	return next
}

// nap returns how long there is nothing to do.
func (k *Keeper) nap(now time.Time, asking bool) time.Duration {
	nap := longestNap
	if k.cfg.Process != 0 {
		nap = processNap
	}
	sooner := func(left time.Duration) {
		if left > 0 {
			nap = min(nap, left)
		}
	}
	if !k.cfg.Until.IsZero() {
		sooner(k.cfg.Until.Sub(wall(now)))
	}
	if !asking {
		sooner(k.wait.left(now))
	}
	if k.token != nil {
		sooner(k.token.life.left(now))
		sooner(k.turn().left(now))
		sooner(k.file.pause.left(now))
	}
	if k.file.token != nil {
		sooner(k.file.token.life.left(now))
	}
	return nap
}

// answer is the outcome of a request.
type answer struct {
	token *AccessToken
	err   error
	wait  time.Duration // before the next request, at least
}

// start gets an answer.
func (k *Keeper) start(ctx context.Context, answers chan<- answer) {
	ctx = context.WithValue(ctx, impatient{}, true)
	go func() {
		a, err := rescue.Call(func() (answer, error) {
			token, wait, err := k.uses.ask(ctx, k.cfg.Holder, k.cfg.AccessTokenRequest)
			return answer{token: token, wait: wait}, err
		})
		rescue.Log(ctx, slog.Default(), "a keeper", err)
		a.err = err
		answers <- a
	}()
}

// take writes a new token to the file, or notes a failure.
func (k *Keeper) take(a answer) {
	now := k.now()
	if a.err == nil {
		if left := a.token.life; left.d > 0 && left.left(now) < 0 {
			a.err = &AnswerError{Operation: opAccessToken, Reason: "the token had expired when it arrived"}
		}
	}
	if k.err = a.err; a.err != nil {
		k.fails++
		k.wait = span{now, max(pause(k.fails, a.err), a.wait)}
		k.judge(now)
		k.change()
		return
	}
	k.token, k.had, k.fails, k.doubt = a.token, true, 0, span{}
	k.wait = span{now, shortestTurn}
	k.file.pause = span{}
	k.write(now)
	k.change()
}

// judge decides whether the refusals so far are for good.
func (k *Keeper) judge(now time.Time) {
	refused, ok := errors.AsType[*Error](k.err)
	if !ok {
		return // nobody said anything about the mytoken
	}
	if !refusedForGood(k.err) {
		k.doubt = span{}
		return
	}
	age, known := fresh.Age(k.doubt.since, now)
	switch {
	case k.doubt.d == 0 || !known:
		k.doubt = span{now, sureAfter}
		if !k.had {
			k.doubt.d = sureAtStart
		}
		k.wait.d = max(k.wait.d, k.doubt.d)
	case age >= k.doubt.d:
		k.ended = &RefusedError{refused}
		k.err = k.ended
	}
}

// serves reports whether the file still holds a token, and says when it expires.
func (k *Keeper) serves(now time.Time) bool {
	t := k.file.token
	return t != nil && t.life.d > 0 && !t.expired(now)
}

// end revokes the mytoken if KeepConfig.Revoke is set.
func (k *Keeper) end(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if k.cfg.Revoke {
		err = errors.Join(err, k.cfg.Holder.Revoke(ctx, true))
	}
	if k.ended != nil {
		err = errors.Join(k.ended, err)
	}
	k.set(KeepState{Phase: KeepEnded, Path: k.cfg.Path, Err: err})
	return err
}
