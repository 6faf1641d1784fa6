package issuer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/restriction"
	"github.com/mytoken-go/sdk/store"
	"github.com/mytoken-go/sdk/store/seal"
)

// Config configures an [Issuer]. Issuer, Store, Seal, Keys and Providers are
// required; for everything else zero means the default that is named.
type Config struct {
	// Issuer is the issuer URL of the mytokens, exactly as clients know it.
	Issuer string
	// Store keeps the state. Several issuers, in several processes, may share
	// one store if they share the other required fields too.
	Store store.Store
	// Seal holds the server keys that protect the store.
	Seal *seal.Ring
	// Keys sign the mytokens.
	Keys *mytoken.Keys
	// Providers are where users log in.
	Providers []Provider

	// Restrictions configures how restrictions are evaluated: resolver,
	// locator, own conditions, supported keys.
	Restrictions restriction.Options
	// Policy may narrow or refuse what is about to be issued; nil: nothing
	// beyond the protocol.
	Policy Policy
	// Observer is told what happened, after it was committed; nil: nobody is.
	// It is called on the goroutine of the request and should return quickly.
	Observer func(context.Context, Notice)

	// Clock tells the time; nil: time.Now.
	Clock func() time.Time
	// Logger gets what an operator has to know; nil: slog.Default(). No secret
	// is ever logged.
	Logger *slog.Logger

	// SpillDir is a directory in which refresh tokens, sealed, survive a crash
	// between the provider's answer and the commit. It is made if it is missing,
	// for its owner alone. Empty: they are kept in memory, and such a crash can
	// lose a login at providers that rotate strictly.
	SpillDir string

	// CodeLifetime is how long logins, polling and transfer codes are valid;
	// 0: 5 minutes.
	CodeLifetime time.Duration
	// PollInterval is what polling clients are told to wait, 1 s to 15 s in
	// whole seconds (protocol section 6.1); 0: 5 s.
	PollInterval time.Duration
	// TransferCodeLength is the number of letters of transfer and consent
	// codes, 12 to 30; 0: 14.
	TransferCodeLength int
	// ShortTokenLength is the number of letters of short tokens, 32 to 512;
	// 0: 64.
	ShortTokenLength int

	// RotationGrace is how long a rotated token is still answered with its
	// stored successor; 0: 30 s, which is also the most. Negative: not at all;
	// a lost response then costs the token.
	RotationGrace time.Duration
	// Lease is how long one refresh may take; 0: 12 s. It must exceed the
	// timeout of every provider by more than MaxClockSkew.
	Lease time.Duration
	// MaxClockSkew bounds the difference of the clocks of processes that share
	// the store, and is granted to the iat and nbf of tokens; 0: 2 s.
	MaxClockSkew time.Duration
	// WaitLimit is how long a request waits for other refreshes of the same
	// login before it fails with a *BusyError; 0: 18 s. Public clients stop
	// waiting after 20 s.
	WaitLimit time.Duration
	// InDoubtWait is how long a refresh waits for the outcome of one that was
	// interrupted in another process; 0: 2 s. Negative: not at all.
	InDoubtWait time.Duration

	// MaxDepth is how many ancestors a token may have; 0: store.MaxDepth.
	MaxDepth int
	// IndependentBudgets gives every child counters of its own that do not
	// count against its ancestors, as the reference server does: whoever can
	// derive can then multiply a limit. Default: uses count against every
	// limited ancestor clause.
	IndependentBudgets bool
	// WithholdLongAccessTokens refuses to hand out access tokens that live
	// longer than the clause that admitted them. They cannot be shortened.
	WithholdLongAccessTokens bool
	// TokenCacheSize is how many tokens whose signature was checked are
	// remembered, by hash; 0: 4096. Negative: none.
	TokenCacheSize int
	// Retention is how long expired and revoked tokens stay listed; 0: 30
	// days.
	Retention time.Duration
}

// Provider is a provider at which users log in, and what holds for tokens
// issued for it.
type Provider struct {
	Upstream *oidcupstream.Provider
	// MaxLifetime bounds the life of each token (protocol section 2.8); 0: no
	// bound.
	MaxLifetime time.Duration
	// InsecureOpaqueAudience hands out access tokens whose audience cannot be
	// read, because they are not JWTs, although the clause limits audiences.
	InsecureOpaqueAudience bool
}

// Client tells who makes a request.
type Client struct {
	// Address is the address of the client; the zero value satisfies no
	// restriction on hosts or countries.
	Address netip.Addr
	// UserAgent is recorded in histories.
	UserAgent string
	// Values are facts for the embedding program's own restriction conditions.
	Values map[string]any
}

// PolicyKind tells what a policy decides about.
type PolicyKind uint8

// The kinds of issuance.
const (
	PolicyLogin  PolicyKind = 1 // a first token, after a login
	PolicyAdopt  PolicyKind = 2 // a first token, for a refresh token that was handed in
	PolicyDerive PolicyKind = 3 // a child
)

// Issuance is a token that is about to be issued. A policy may change
// Properties; for a child the result must still be within the parent. A policy
// that takes away the last clause or the last capability refuses: what is left
// would be a token without restrictions.
type Issuance struct {
	Kind     PolicyKind
	Provider *oidcupstream.Provider
	Subject  string // at the provider
	// Tokens is the provider's answer to the login; nil for a child.
	Tokens *oidcupstream.Tokens
	// Parent is the parent of a child; else nil.
	Parent     *mytoken.Token
	Properties *mytoken.Properties
	Client     Client
}

// Policy may narrow or refuse what is about to be issued. It may be called
// concurrently. An error refuses; its text reaches the client.
type Policy func(context.Context, *Issuance) error

// Issuer issues and serves mytokens. It is safe for concurrent use; it starts
// no goroutine before the first request. Call [Issuer.Recover] once before
// serving, [Issuer.Sweep] regularly, and [Issuer.Close] at the end.
type Issuer struct {
	cfg       Config
	ledger    ledger
	providers map[string]*Provider // by issuer without trailing slash
	order     []*Provider
	verifier  *mytoken.Verifier // of the tokens that this issuer makes
	refresher *refresher
	// rotating are providers that rotated a refresh token although their
	// operator states that they never do.
	rotating atomicSet
}

// Limits of what requests may carry. Longer input is refused before it is
// looked at.
const (
	MaxCommentLength = 100     // characters of an event's comment; longer ones are cut
	MaxAgentLength   = 256     // bytes of a recorded user agent; longer ones are cut
	MaxReturnLength  = 4 << 10 // bytes of LoginRequest.ReturnTo
	maxRotationGrace = 30 * time.Second
	pollingCodeBytes = 18 // 144 bits, 24 characters
	stateBytes       = 24 // 192 bits, 32 characters
	pollingCodeChars = pollingCodeBytes / 3 * 4
)

// New checks the configuration and returns an issuer. It reaches neither
// the store nor a provider, and makes the spill directory if it is missing. An
// error names the field; without a server key or a key that signs it wraps
// [seal.ErrNoKey] or [ErrNoSigningKey].
func New(cfg Config) (*Issuer, error) {
	u, err := url.Parse(cfg.Issuer)
	switch {
	case err != nil || !u.IsAbs() || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("issuer: Config.Issuer is not an absolute URL")
	case cfg.Store == nil:
		return nil, errors.New("issuer: Config.Store is missing")
	case cfg.Seal == nil:
		return nil, errors.New("issuer: Config.Seal is missing")
	case cfg.Seal.Active() == seal.KeyID{}:
		return nil, fmt.Errorf("issuer: Config.Seal: %w", seal.ErrNoKey)
	case cfg.Keys == nil:
		return nil, errors.New("issuer: Config.Keys is missing")
	case cfg.Keys.ActiveID() == "":
		return nil, fmt.Errorf("issuer: Config.Keys cannot sign: %w", mytoken.ErrNoSigningKey)
	case len(cfg.Providers) == 0:
		return nil, errors.New("issuer: Config.Providers is empty")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	setDefault(&cfg.CodeLifetime, 5*time.Minute)
	setDefault(&cfg.PollInterval, 5*time.Second)
	setDefault(&cfg.TransferCodeLength, 14)
	setDefault(&cfg.ShortTokenLength, 64)
	setDefault(&cfg.RotationGrace, maxRotationGrace)
	setDefault(&cfg.Lease, 12*time.Second)
	setDefault(&cfg.MaxClockSkew, 2*time.Second)
	setDefault(&cfg.WaitLimit, 18*time.Second)
	setDefault(&cfg.InDoubtWait, 2*time.Second)
	setDefault(&cfg.MaxDepth, store.MaxDepth)
	setDefault(&cfg.Retention, 30*24*time.Hour)
	setDefault(&cfg.TokenCacheSize, 4096)
	cfg.RotationGrace = max(cfg.RotationGrace, 0)
	cfg.InDoubtWait = max(cfg.InDoubtWait, 0)
	switch {
	case cfg.CodeLifetime < time.Second || cfg.CodeLifetime > time.Hour:
		return nil, errors.New("issuer: Config.CodeLifetime is not between 1 s and 1 h")
	case cfg.PollInterval < time.Second || cfg.PollInterval > 15*time.Second || cfg.PollInterval%time.Second != 0:
		return nil, errors.New("issuer: Config.PollInterval is not between 1 s and 15 s in whole seconds")
	case cfg.TransferCodeLength < 12 || cfg.TransferCodeLength > 30:
		return nil, errors.New("issuer: Config.TransferCodeLength is not between 12 and 30")
	case cfg.ShortTokenLength < minTokenLength || cfg.ShortTokenLength > 512:
		return nil, errors.New("issuer: Config.ShortTokenLength is not between 32 and 512")
	case cfg.RotationGrace > maxRotationGrace:
		return nil, errors.New("issuer: Config.RotationGrace is more than 30 s")
	case cfg.MaxClockSkew < 0 || cfg.WaitLimit < 0 || cfg.Retention < 0:
		return nil, errors.New("issuer: Config.MaxClockSkew, WaitLimit or Retention is negative")
	case cfg.MaxClockSkew > mytoken.MaxLeeway:
		return nil, fmt.Errorf("issuer: Config.MaxClockSkew is more than %s", mytoken.MaxLeeway)
	case cfg.MaxDepth < 1 || cfg.MaxDepth > store.MaxDepth:
		return nil, fmt.Errorf("issuer: Config.MaxDepth is not between 1 and %d", store.MaxDepth)
	}
	i := &Issuer{cfg: cfg, ledger: ledger{store: cfg.Store, clock: cfg.Clock}, providers: make(map[string]*Provider)}
	for _, p := range cfg.Providers {
		if p.Upstream == nil {
			return nil, errors.New("issuer: Provider.Upstream is missing")
		}
		if p.MaxLifetime < 0 {
			return nil, errors.New("issuer: Provider.MaxLifetime is negative")
		}
		key := providerKey(p.Upstream.Issuer())
		if _, ok := i.providers[key]; ok {
			return nil, fmt.Errorf("issuer: two providers with the issuer %s", p.Upstream.Issuer())
		}
		if p.Upstream.Timeout()+cfg.MaxClockSkew >= cfg.Lease {
			return nil, fmt.Errorf("issuer: Config.Lease (%s) does not exceed the timeout of provider %s (%s) and MaxClockSkew (%s)",
				cfg.Lease, p.Upstream.Issuer(), p.Upstream.Timeout(), cfg.MaxClockSkew)
		}
		i.providers[key] = &p
		i.order = append(i.order, &p)
	}
	// The verifier would refuse these options too, and name its own configuration.
	if _, err := restriction.Compile(nil, cfg.Restrictions); err != nil {
		return nil, fmt.Errorf("issuer: Config.Restrictions: %w", err)
	}
	if i.verifier, err = mytoken.NewVerifier(mytoken.VerifierConfig{
		Issuer: cfg.Issuer, Keys: cfg.Keys, Clock: cfg.Clock, Leeway: cfg.MaxClockSkew,
		CacheSize: cfg.TokenCacheSize, Restrictions: cfg.Restrictions,
	}); err != nil {
		return nil, fmt.Errorf("issuer: Config: %w", err)
	}
	spilled, err := newSpill(cfg.SpillDir)
	if err != nil {
		return nil, err
	}
	i.refresher = newRefresher(i, spilled)
	return i, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// providerKey makes a trailing slash irrelevant (protocol section 9.1).
func providerKey(issuer string) string { return strings.TrimSuffix(issuer, "/") }

// provider returns the provider with the given issuer.
func (i *Issuer) provider(issuer string) (*Provider, error) {
	p, ok := i.providers[providerKey(issuer)]
	if !ok {
		return nil, ErrUnknownProvider
	}
	return p, nil
}

// Providers returns the configured providers, in order.
func (i *Issuer) Providers() []Provider {
	out := make([]Provider, len(i.order))
	for n, p := range i.order {
		out[n] = *p
	}
	return out
}

// URL returns the issuer URL.
func (i *Issuer) URL() string { return i.cfg.Issuer }

// Keys returns the signing keys.
func (i *Issuer) Keys() *mytoken.Keys { return i.cfg.Keys }

func (i *Issuer) now() time.Time { return i.cfg.Clock() }

// atomicSet is a small set of strings that only grows.
type atomicSet struct {
	p atomic.Pointer[map[string]bool]
}

func (s *atomicSet) has(key string) bool {
	m := s.p.Load()
	return m != nil && (*m)[key]
}

func (s *atomicSet) add(key string) {
	for {
		old := s.p.Load()
		grown := map[string]bool{key: true}
		if old != nil {
			for k := range *old {
				grown[k] = true
			}
		}
		if s.p.CompareAndSwap(old, &grown) {
			return
		}
	}
}
