package issuer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/storetest"
)

var quiet = slog.New(slog.DiscardHandler)

// providerFault is something that goes wrong at the provider.
type providerFault struct {
	name  string
	fault optest.Fault
	down  bool // not reachable at all
}

var (
	noFault = providerFault{name: "nothing"}
	// The provider has acted, and its answer does not arrive or is of no use. What
	// happens to the refresh token depends on the policy.
	faultsAfter = []providerFault{
		{name: "answer lost", fault: optest.Fault{LoseAnswer: true}},
		{name: "unusable answer", fault: optest.Fault{EmptyAccessToken: true}},
		{name: "wider scope", fault: optest.Fault{Scopes: []string{"compute", "storage.write"}}},
	}
	moreFaultsAfter = []providerFault{
		{name: "502 after", fault: optest.Fault{FailAfter: 502}},
		{name: "wrong audience", fault: optest.Fault{Audiences: []string{"https://elsewhere.example.org"}}},
	}
	// The provider has not acted.
	faultsBefore = []providerFault{
		{name: "502 before", fault: optest.Fault{FailBefore: 502}},
		{name: "request lost", fault: optest.Fault{LoseRequest: true}},
		{name: "unreachable", down: true},
		{name: "temporarily unavailable", fault: optest.Fault{Refuse: "temporarily_unavailable"}},
		{name: "invalid_grant", fault: optest.Fault{Refuse: "invalid_grant"}},
	}
)

// crashMode is a way in which the store fails at a point.
type crashMode string

const (
	crashOnce   crashMode = "once"   // one call fails
	crashThrice crashMode = "thrice" // as often as a step is repeated
	crashGone   crashMode = "gone"   // the process and its store part for ever
)

const crashLimit = 2

// proves P3, P5, P8
//
// Each step of the store fails, before or after it took effect, while the provider fails
// in each way, under each policy of rotation. The next request succeeds wherever the
// provider makes that possible. Nothing is delivered beyond the limit, every charge is
// explained, and no refresh token is presented twice.
//
// The provider makes it impossible in two cases: it refused the refresh token for good,
// or it rotated it, its answer got lost, and it refuses the old one. Only in the second
// case is an old refresh token presented again, because there is no other.
func TestCrashMatrix(t *testing.T) {
	policies := map[string]optest.Rotation{
		"off": optest.RotateOff, "on": optest.RotateOn, "strict": optest.RotateStrict, "grace": optest.RotateGrace,
	}
	for name, policy := range policies {
		if underRace && policy != optest.RotateStrict {
			continue // the race detector is slow, and the other policies race no more
		}
		faults := append([]providerFault{noFault}, faultsAfter...)
		if policy == optest.RotateStrict { // the other policies behave alike
			faults = append(append(faults, moreFaultsAfter...), faultsBefore...)
		}
		for _, fault := range faults {
			t.Run(name+"/"+fault.name, func(t *testing.T) {
				t.Parallel()
				site := newSite(t, optest.Options{Rotation: policy, Grace: time.Minute})
				for _, repeat := range []bool{true, false} {
					if underRace && !repeat && fault.name != noFault.name {
						continue
					}
					crashPoints(t, crashCase{site: site, policy: policy, fault: fault, dir: t.TempDir(), repeat: repeat})
					if policy == optest.RotateStrict && fault.name == noFault.name && !underRace {
						crashPoints(t, crashCase{site: site, policy: policy, fault: fault, dir: t.TempDir(), repeat: repeat, apart: true})
					}
				}
			})
		}
	}
}

// crashPoints walks over every point at which the store can fail.
func crashPoints(t *testing.T, c crashCase) {
	healthy := c
	healthy.point, healthy.mode = storetest.Call{}, ""
	trace, err := healthy.run(t)
	require.NoError(t, err, "%s", healthy)
	require.NotEmpty(t, trace)

	var group errgroup.Group
	group.SetLimit(8)
	for _, point := range trace {
		if point.N > 1 {
			continue // the first time of a repeated step is enough
		}
		for _, mode := range []crashMode{crashOnce, crashThrice, crashGone} {
			if mode == crashOnce && c.fault.name != noFault.name {
				continue
			}
			broken := c
			broken.point, broken.mode = point, mode
			group.Go(func() error {
				_, err := broken.run(t)
				assert.NoError(t, err, "%s", broken)
				return nil
			})
		}
	}
	require.NoError(t, group.Wait())
}

type crashCase struct {
	site   *site
	policy optest.Rotation
	fault  providerFault
	dir    string // for spill directories
	repeat bool   // the request has an ID and is repeated with it
	apart  bool   // the lease takes a step of its own
	point  storetest.Call
	mode   crashMode
}

func (c crashCase) String() string {
	if c.mode == "" {
		return fmt.Sprintf("repeat=%t, apart=%t", c.repeat, c.apart)
	}
	return fmt.Sprintf("repeat=%t, apart=%t, store %s: %s", c.repeat, c.apart, c.mode, c.point)
}

// run makes one request under the faults, then healthy ones until the limit is reached,
// and compares uses with charges. It returns the points that the first request passed.
func (c crashCase) run(t *testing.T) ([]storetest.Call, error) {
	ctx := t.Context()
	dir := ""
	if c.mode == crashGone {
		dir = filepath.Join(c.dir, fmt.Sprint(c.site.users.Load(), c.point, c.repeat, c.apart))
	}
	w, err := c.site.world(ctx, worldOptions{
		limit: crashLimit, rotation: &mytoken.Rotation{OnAT: true, AutoRevoke: true}, response: mytoken.ResponseShortToken,
		apart:  c.apart,
		config: func(cfg *issuer.Config) { cfg.SpillDir = dir },
	})
	if err != nil {
		return nil, err
	}
	var id store.UseID
	if c.repeat {
		id = issuer.NewUseID()
	}

	// 1: under faults
	switch c.mode {
	case crashOnce:
		w.store.Reset(storetest.FailAt(c.point, storetest.ErrFault))
	case crashThrice:
		w.store.Reset(failFirst(c.point.Method, 3, c.point.Before))
	case crashGone:
		w.store.Reset(storetest.FailFrom(c.point, storetest.ErrFault))
		w.onNotice(func(n issuer.Notice) {
			if n.Kind == issuer.NoticeCommitFailed {
				over, cancel := context.WithCancel(ctx)
				cancel()
				_ = w.issuer.Close(over) // it returns an error: the commit is still under way
			}
		})
	}
	if c.fault.down {
		w.down.Store(true)
	} else if c.fault.name != noFault.name {
		w.failOnce(c.fault.fault)
	}
	_, first := w.request(ctx, w.issuer, id)
	waitUntil(t, "leases end", func() bool { return w.issuer.Ends() == 0 }) // nobody waits for that
	trace := w.store.Trace()

	// 2: the faults are gone, and perhaps the process
	if c.mode == crashGone {
		over, cancel := context.WithTimeout(ctx, soon)
		defer cancel()
		if err := w.issuer.Close(over); err != nil { // the store is gone: it settles nothing
			return nil, fmt.Errorf("close: %w", err)
		}
	}
	w.fault(nil)
	w.down.Store(false)
	w.onNotice(nil)
	w.store.Reset(nil)
	refundFailed := w.told(issuer.NoticeRefundFailed) > 0
	iss := w.issuer
	if c.mode == crashGone {
		if iss, err = w.node(nil); err != nil {
			return nil, err
		}
		if err := iss.Recover(ctx); err != nil {
			return nil, fmt.Errorf("recover: %w", err)
		}
	}
	w.lapse()
	delivered := 0
	if first == nil {
		delivered++
	}
	_, second := w.request(ctx, iss, id)
	switch {
	case second == nil && (first != nil || id.IsZero()):
		delivered++
	case second == nil:
	case !c.unavoidable(w):
		return nil, fmt.Errorf("after %v the next request fails: %w", first, second)
	}
	for second == nil {
		_, err := w.request(ctx, iss, store.UseID{})
		if is[*issuer.RefusedError](err) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("a later request fails: %w", err)
		}
		delivered++
	}

	// 3: compare uses with charges
	charged, err := w.charged(ctx)
	if err != nil {
		return nil, err
	}
	unknown := int(charged) - delivered
	var upstream *issuer.UpstreamError
	explained := refundFailed || // the observer was told
		errors.As(first, &upstream) && upstream.Charged || // the client was told
		c.mode == crashGone // there was nobody to tell
	if id.IsZero() || second != nil {
		explained = explained || is[*issuer.StoreError](first) && !id.IsZero() // may be repeated
	} else {
		explained = false // the repetition took the charge over
	}
	switch {
	case delivered > crashLimit:
		return nil, fmt.Errorf("%d delivered, the limit is %d", delivered, crashLimit)
	case unknown < 0:
		return nil, fmt.Errorf("%d delivered, %d charged; first: %v", delivered, charged, first)
	case unknown > 1 || unknown == 1 && !explained:
		return nil, fmt.Errorf("%d delivered, %d charged, and nobody knows why; first: %v", delivered, charged, first)
	}
	if n := w.reuses(); n > 0 && !c.answerLost(w) {
		return nil, fmt.Errorf("%d refresh tokens presented after they were used up; first: %v", n, first)
	}
	if c.mode == crashOnce && first != nil {
		return nil, fmt.Errorf("one lost answer of the store fails the request: %w", first)
	}
	closing, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	return trace, iss.Close(closing)
}

// unavoidable reports whether the provider made it impossible to go on.
func (c crashCase) unavoidable(w *world) bool {
	refused := false
	for _, e := range w.events(optest.Refused) {
		refused = refused || e.Error == "invalid_grant"
	}
	return c.fault.fault.Refuse == "invalid_grant" && w.told(issuer.NoticeGrantDead) > 0 || refused && c.answerLost(w)
}

// answerLost reports whether the provider rotated the refresh token, its answer got lost,
// and it refuses the old one.
func (c crashCase) answerLost(w *world) bool {
	if c.policy != optest.RotateOn && c.policy != optest.RotateStrict {
		return false
	}
	for _, e := range w.events(optest.Refreshed) {
		if e.Lost {
			return true
		}
	}
	return false
}
