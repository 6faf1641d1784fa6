package issuer

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/internal/rescue"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/errand"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/outage"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/population"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/refresh"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/turns"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/waiting"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// Issuer issues and serves mytokens. It is safe for concurrent use.
//
// Run [Issuer.Maintain] while it serves, and call [Issuer.Close] at the end.
type Issuer struct {
	cfg       Config
	ledger    ledger
	providers providers
	verifier  *mytoken.Verifier // of the tokens that this issuer makes
	refresher *refresh.Refresher
	errands   *errand.Errands
	waiting   *waiting.Logins
	ended     *waiting.Logins
	recovered atomic.Bool // Recover has succeeded

	population population.Population
	listings   *turns.Turns
	quotas     quotas
}

// New checks the configuration and returns an issuer. It makes the spill directory if
// that is missing, and reaches neither the store nor a provider.
//
// An error names the field to change. It wraps [seal.ErrNoKey] if there is no server key,
// and [mytoken.ErrNoSigningKey] if no key signs.
func New(cfg Config) (*Issuer, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	i := &Issuer{
		cfg: cfg, ledger: ledger{store: cfg.Store, clock: cfg.Clock, outage: outage.New(cfg.Logger, cfg.Clock, "store")},
		errands: errand.New(cfg.Logger, func(err error) slog.Level { return levelOf(slog.LevelWarn, err) }),
		waiting: waiting.New(cfg.Limits.PendingLogins), ended: waiting.New(cfg.Limits.PendingLogins), listings: turns.New(),
	}
	if i.providers, err = newProviders(&cfg); err != nil {
		return nil, err
	}
	if i.verifier, err = mytoken.NewVerifier(mytoken.VerifierConfig{
		Issuer: cfg.Issuer, Keys: cfg.Keys, Clock: cfg.Clock, Leeway: cfg.MaxClockSkew,
		CacheSize: cfg.TokenCacheSize, Restrictions: cfg.Restrictions,
	}); err != nil {
		return nil, fmt.Errorf("issuer: Config: %w", err)
	}
	if i.refresher, err = refresh.New(refresh.Config{
		Ledger: &i.ledger, Seal: cfg.Seal, Clock: cfg.Clock, Logger: cfg.Logger, SpillDir: cfg.SpillDir,
		Lease: cfg.Lease, MaxClockSkew: cfg.MaxClockSkew, WaitLimit: cfg.WaitLimit, InDoubtWait: cfg.InDoubtWait, AbandonAfter: cfg.AbandonAfter, SuspectPause: cfg.SuspectPause, StepTimeout: storeTimeout,
		Notify: i.refreshEvent,
		Revoke: func(ctx context.Context, provider *oidcupstream.Provider, grant GrantID, token string) {
			_ = i.revokeRefreshToken(ctx, provider, grant, token) // the observer is told
		},
	}); err != nil {
		return nil, err
	}
	return i, nil
}

// URL returns the issuer URL.
func (i *Issuer) URL() string { return i.cfg.Issuer }

// Keys returns the signing keys.
func (i *Issuer) Keys() *mytoken.Keys { return i.cfg.Keys }

// Providers returns copies of the configured providers, in order.
func (i *Issuer) Providers() []Provider {
	out := make([]Provider, len(i.providers.order))
	for n, p := range i.providers.order {
		out[n] = *p
		out[n].Scopes = maps.Clone(p.Scopes)
	}
	return out
}

// String returns the issuer URL.
func (i *Issuer) String() string { return "issuer.Issuer(" + i.cfg.Issuer + ")" }

// Format writes the text of String, for every verb. Without it, fmt would read fields
// that concurrent requests change.
func (i *Issuer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, i.String()) }

// Now returns the time of the issuer's clock.
func (i *Issuer) Now() time.Time { return i.cfg.Clock() }

// Recover commits refresh tokens that earlier processes of this node received and did not
// commit. Then it settles those that are dead: nobody waits for them any more. Call it
// once before serving.
//
// Recover reports what it cannot commit, and leaves it in the spill directory. Nobody is
// settled then. It removes files that a killed process left half-written more than a minute
// ago. [Issuer.Maintain] repeats a Recover that failed.
func (i *Issuer) Recover(ctx context.Context) error {
	err := i.refresher.Recover(ctx)
	if err == nil {
		i.recovered.Store(true)
	}
	return err
}

// Abandoned says what [Issuer.Abandon] did. It counts the processes of the node.
type Abandoned struct {
	// Settled are the names of the processes that were given up: usually those of hosts.
	Settled []string
	// Living are the names of those that have a heartbeat. They were left alone.
	Living []string
}

// Abandon gives up the dead processes of a node, which is named as in the Detail of
// [NoticeInDoubt]. Their interrupted refreshes count as lost, and the logins go on with
// the refresh tokens that the store has. Call it for a node that will not come back: a
// provider that revokes on reuse ends the logins for which it had a new refresh token. A
// process counts as dead 20 s and MaxClockSkew after its last heartbeat.
//
// Errors are [*UnknownNodeError] and [*StoreError].
func (i *Issuer) Abandon(ctx context.Context, node string) (Abandoned, error) {
	var id store.NodeID
	if b, err := hex.DecodeString(node); err != nil || copy(id[:], b) != len(b) || len(b) != len(id) {
		return Abandoned{}, &UnknownNodeError{Node: node}
	}
	got, known, err := i.refresher.Abandon(ctx, id)
	switch {
	case err != nil:
		return Abandoned{}, err
	case !known:
		return Abandoned{}, &UnknownNodeError{Node: node}
	}
	return Abandoned{Settled: names(got.Settled), Living: names(got.Living)}, nil
}

func names(processes []store.ProcessInfo) (list []string) {
	for _, p := range processes {
		list = append(list, legible.Show(p.Name))
	}
	return list
}

// Sweep deletes rows that are not needed any more, such as expired codes, and tokens that
// ended longer than Config.Retention ago. It works in batches of the given number of
// rows, until nothing is left to do or the context ends. A good batch is 1000. Run it
// every few minutes, in one process or in all of them, as [Issuer.Maintain] does: it also
// erases what expired tokens and codes open.
//
// Sweep returns what it deleted, even with an error. It returns a [*RequestError] for a
// batch below 1, and a [*StoreError] otherwise.
func (i *Issuer) Sweep(ctx context.Context, batch int) (Cleaned, error) {
	var sum Cleaned
	if batch < 1 {
		return sum, &RequestError{Field: "batch", Reason: fmt.Sprintf("%d rows are no batch, use 1000", batch)}
	}
	for {
		got, err := i.ledger.sweep(ctx, store.Cleaning{Limit: batch, Retention: i.cfg.Retention})
		if err != nil {
			return sum, err
		}
		sum.Tickets += got.Tickets
		sum.Tokens += got.Tokens
		sum.Grants += got.Grants
		sum.Events += got.Events
		sum.Uses += got.Uses
		sum.Others += got.Others
		if !got.More {
			return sum, nil
		}
	}
}

// Pauses of Maintain. A share of each pause is random, so that processes which start
// together do not sweep together.
const (
	sweepBatch      = 1000
	maintenanceTry  = 25 * time.Second // after a failure; at most 30 s with the random share
	maintenanceMost = 24 * time.Hour
	maintenanceRoll = 5 // a pause is longer or shorter by up to one part in so many
)

// Maintain does the housekeeping until the context ends, and returns nil then. It calls
// [Issuer.Recover], unless that has succeeded before, and [Issuer.Sweep], about as often as
// the argument says, and at least once a day: a good choice is 5 minutes. It logs what
// fails, even a panic of the store, and tries it again within 30 s. End the context before
// you close the store. Run it in a goroutine of each process:
//
//	go iss.Maintain(ctx, 5*time.Minute)
//
// A process that keeps refresh tokens in Config.SpillDir calls Recover before it serves;
// requests for the logins of a dead process wait less then. Errors are [*RequestError], at
// once, for less than a second.
func (i *Issuer) Maintain(ctx context.Context, every time.Duration) error {
	if every < time.Second {
		return &RequestError{Field: "every", Reason: fmt.Sprintf("%s is too short a pause, use 5m", every)}
	}
	for ctx.Err() == nil {
		pause := min(every, maintenanceMost)
		err := rescue.Do(func() {
			if err := i.maintain(ctx); err != nil {
				pause = min(pause, maintenanceTry)
			}
		})
		if err != nil {
			rescue.Log(ctx, i.cfg.Logger, "the housekeeping", err)
			pause = min(pause, maintenanceTry)
		}
		roll := pause / maintenanceRoll
		_ = refresh.Sleep(ctx, pause-roll+rand.N(2*roll)) // the loop looks at the context
	}
	return nil
}

// maintain does the housekeeping once. It logs what fails, unless the context has ended.
func (i *Issuer) maintain(ctx context.Context) error {
	var recovered error
	if !i.recovered.Load() {
		recovered = i.Recover(ctx)
	}
	cleaned, swept := i.Sweep(ctx, sweepBatch)
	if ctx.Err() != nil {
		return nil
	}
	if recovered != nil {
		i.cfg.Logger.LogAttrs(ctx, levelOf(slog.LevelError, recovered), "mytoken: refresh tokens of an earlier process could not be stored; they stay in Config.SpillDir and are tried again", slog.Any("error", recovered))
	}
	if swept != nil {
		i.cfg.Logger.LogAttrs(ctx, levelOf(slog.LevelError, swept), "mytoken: the sweep failed and is repeated", slog.Any("error", swept))
	} else {
		i.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "mytoken: swept", slog.Any("deleted", cleaned))
	}
	return errors.Join(recovered, swept)
}

// Rewrap seals everything in the store under the active server key. It works in batches
// of the given number of values, while requests run, and returns how many values it
// changed. It can be stopped and repeated.
//
// Before that, start every process with a ring in which the new key is active and the old
// one can still be read; package seal lists the steps. After Rewrap has returned nil,
// wait for one lifetime of a code before you take the old key out of the ring: codes are
// not rewrapped. Errors are those of [seal.Rewrap].
func (i *Issuer) Rewrap(ctx context.Context, batch int) (int, error) {
	return seal.Rewrap(ctx, i.cfg.Store, i.cfg.Seal, batch)
}

// Close ends the issuer. New requests for access tokens get [ErrClosed], unless one is kept
// for them. Close waits for those that run, and for steps that went on after their requests
// were answered, such as giving back a use. If the context ends first, Close returns its error, and refresh
// tokens that the store does not have yet stay in Config.SpillDir.
func (i *Issuer) Close(ctx context.Context) error {
	return cmp.Or(i.refresher.Close(ctx), i.errands.Close(ctx))
}
