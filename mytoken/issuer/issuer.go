package issuer

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/outage"
	"github.com/mytoken-go/sdk/mytoken/issuer/internal/refresh"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// Issuer issues and serves mytokens. It is safe for concurrent use.
//
// Call [Issuer.Recover] once before serving, [Issuer.Sweep] every few minutes, and
// [Issuer.Close] at the end.
type Issuer struct {
	cfg       Config
	ledger    ledger
	providers providers
	verifier  *mytoken.Verifier // of the tokens that this issuer makes
	refresher *refresh.Refresher
	waiting   *waitingLogins

	population population
	listings   *listings
	rejections rejections
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
		waiting: newWaitingLogins(cfg.Limits.PendingLogins), listings: newListings(),
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
		Lease: cfg.Lease, MaxClockSkew: cfg.MaxClockSkew, WaitLimit: cfg.WaitLimit, InDoubtWait: cfg.InDoubtWait, StepTimeout: storeTimeout,
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

// Providers returns the configured providers, in order.
func (i *Issuer) Providers() []Provider {
	out := make([]Provider, len(i.providers.order))
	for n, p := range i.providers.order {
		out[n] = *p
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

// Recover commits refresh tokens that an earlier process received and did not commit.
// Call it once before serving.
//
// Recover reports what it cannot commit, and leaves it in the spill directory. It removes
// files that a killed process left half-written more than a minute ago.
func (i *Issuer) Recover(ctx context.Context) error { return i.refresher.Recover(ctx) }

// Sweep deletes rows that are not needed any more, such as expired codes, and tokens that
// ended longer than Config.Retention ago. It works in batches of the given number of
// rows, until nothing is left to do or the context ends. A good batch is 1000. Run it
// every few minutes, in one process or in all of them: it also erases what expired tokens
// and codes open.
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

// Close ends the issuer. New requests for access tokens get [ErrClosed]. Close waits for
// those that run. If the context ends first, Close returns its error, and refresh tokens
// that the store does not have yet stay in Config.SpillDir.
func (i *Issuer) Close(ctx context.Context) error { return i.refresher.Close(ctx) }
