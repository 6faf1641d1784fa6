package mytoken

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mytoken-go/sdk/internal/jws"
	"github.com/mytoken-go/sdk/restriction"
)

var (
	// ErrVerifierConfig reports a configuration that is incomplete or makes no
	// sense.
	ErrVerifierConfig = errors.New("mytoken: verifier not configured")
	// ErrKeysUnavailable reports that the issuer's keys could not be fetched. It
	// says nothing about the token; try again later.
	ErrKeysUnavailable = errors.New("mytoken: the issuer's keys are not available")
)

// VerifierConfig configures a [Verifier]. Issuer and one of Keys and JWKSURL are
// required; for everything else zero means the default that is named.
type VerifierConfig struct {
	// Issuer is the URL of the only issuer whose tokens are accepted, exactly as
	// it stands in "iss" and "aud".
	Issuer string

	// Keys check the tokens. Changes to them take effect at once.
	Keys *Keys
	// JWKSURL is where the issuer publishes its keys (protocol section 5.2),
	// instead of Keys. It must be https, unless the host is a loopback address
	// or InsecureHTTP is set.
	JWKSURL string
	// InsecureHTTP allows a JWKSURL with http to any host. Whoever controls the
	// network between can then make tokens.
	InsecureHTTP bool
	// HTTPClient fetches the keys; nil: one with the default transport. Each
	// fetch is limited to 5 s, redirects are not followed.
	HTTPClient *http.Client
	// KeysMaxAge is how old fetched keys may be before they are fetched again;
	// 0: 15 minutes.
	KeysMaxAge time.Duration
	// KeysMaxStale is how old fetched keys may be while fetching them again
	// fails; 0: 24 hours. A key that was withdrawn may be accepted that long.
	KeysMaxStale time.Duration

	// Clock tells the time; nil: time.Now.
	Clock func() time.Time
	// Leeway is granted to "iat" and "nbf", for clocks that differ; 0: 1 minute,
	// at most 5 minutes, negative: none. "exp" and the clauses get none.
	Leeway time.Duration
	// CacheSize is how many verified tokens are remembered, so that a repeated
	// one costs a hash instead of a signature check; 0: 1024, negative: none. A
	// token of more than 4 KiB counts as several.
	CacheSize int
	// Restrictions configures how clauses are evaluated: resolver, locator, own
	// conditions.
	Restrictions restriction.Options
	// AssumeUsagesLeft lets [Verifier.Check] admit a use by a clause that limits
	// their number. A verifier cannot count, so without this such a clause
	// admits nothing; with it, only a limit of 0 is enforced.
	AssumeUsagesLeft bool
}

// Verifier checks mytokens of one issuer offline: without asking it anything but
// its public keys. It is meant for services that accept mytokens themselves.
//
// It knows whether the issuer signed a token, what it says, and whether time,
// place and request fit. It cannot know
//
//   - whether the token was revoked, itself or with an ancestor,
//   - whether rotation has replaced it by a later generation,
//   - how often it was used, so that limits on usages are not enforced here,
//   - whether the user's login at the provider is still good.
//
// Only the issuer knows these: ask it ("introspect", protocol section 5.8.1) where
// they matter, and read the capabilities and restrictions here as upper bounds
// (protocol section 1.6).
//
// A token is its claims, not its spelling: an ECDSA signature can be turned into
// a second valid one by anybody, so two different strings may be the same token.
// Identify tokens by [Token.ID] and [Token.Seq], never by the string.
//
// A Verifier is safe for concurrent use. It starts no goroutine and writes no log.
type Verifier struct {
	issuer      string
	source      keySource // nil: not made by this package
	options     restriction.Options
	clock       func() time.Time
	leeway      time.Duration
	cache       *tokenCache // nil: none
	assumeUsage bool
}

// keySource is where a verifier has its keys from.
type keySource interface {
	// current returns the keys that count now.
	current(ctx context.Context) (*jws.Ring, error)
	// newer returns the keys after a token was met that those in seen do not
	// explain, if they may be different; else seen.
	newer(ctx context.Context, seen *jws.Ring) *jws.Ring
}

// NewVerifier checks the configuration and returns a verifier. It fetches
// nothing; keys are fetched when the first token has to be checked. Errors:
// [ErrVerifierConfig].
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	if (cfg.Keys == nil) == (cfg.JWKSURL == "") {
		return nil, fmt.Errorf("%w: need either Keys or JWKSURL", ErrVerifierConfig)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	switch {
	case cfg.Leeway == 0:
		cfg.Leeway = DefaultLeeway
	case cfg.Leeway < 0:
		cfg.Leeway = 0
	}
	if cfg.CacheSize == 0 {
		cfg.CacheSize = DefaultCacheSize
	}
	if cfg.Issuer == "" {
		return nil, fmt.Errorf("%w: no issuer", ErrVerifierConfig)
	}
	if cfg.Leeway > MaxLeeway {
		return nil, fmt.Errorf("%w: Leeway %s is more than %s", ErrVerifierConfig, cfg.Leeway, MaxLeeway)
	}
	// Options that make no sense are found here, so that no token is refused for them.
	if _, err := restriction.Compile(nil, cfg.Restrictions); err != nil {
		return nil, fmt.Errorf("%w: restriction options: %w", ErrVerifierConfig, err)
	}
	v := &Verifier{
		issuer: cfg.Issuer, source: cfg.Keys, options: cfg.Restrictions, clock: cfg.Clock, leeway: cfg.Leeway,
		assumeUsage: cfg.AssumeUsagesLeft,
	}
	if cfg.CacheSize > 0 {
		v.cache = newTokenCache(cfg.CacheSize)
	}
	if cfg.JWKSURL != "" {
		var err error
		if v.source, err = newJWKSSource(cfg); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// DefaultCacheSize is how many tokens a verifier remembers if nothing else is
// configured.
const DefaultCacheSize = 1024

// Verify checks a compact token: its encoding, its "typ", the signature with the
// key that it names, of the issuer, with the algorithm of that key,
// "token_type", "ver", "iss", "aud", "jti", that "sub" follows from the user, and
// that now is within "nbf", "iat" and "exp". It does not look at capabilities and
// restrictions; see [Verifier.Check].
//
// A token that is refused is an [InvalidTokenError], which wraps the ErrToken…
// value that says why. [ErrKeysUnavailable] says that the keys could not be had.
// With a JWKSURL a call may have to wait for a fetch that another one began, and
// returns the error of ctx if that ends first; the call that fetches waits up to
// 5 s whatever ctx says, so that one impatient caller does not cost all others
// the keys.
func (v *Verifier) Verify(ctx context.Context, compact string) (*Token, error) {
	t, err := v.Decode(ctx, compact)
	if err != nil {
		return nil, err
	}
	if err := v.checkTimes(t); err != nil {
		return nil, err
	}
	return t, nil
}

// Decode makes the checks of [Verifier.Verify] except one: it does not ask whether the
// token is valid now. It serves programs that keep tokens to hand them out or to look at
// them later. [Verifier.Check] refuses a token that has expired since.
func (v *Verifier) Decode(ctx context.Context, compact string) (*Token, error) {
	if !v.usable() {
		return nil, ErrVerifierConfig
	}
	if err := checkSize(compact); err != nil {
		return nil, err // whether or not there are keys
	}
	ring, err := v.source.current(ctx)
	if err != nil {
		return nil, err
	}
	t, err := v.read(compact, ring)
	if errors.Is(err, ErrTokenKey) {
		if newer := v.source.newer(ctx, ring); newer != ring {
			t, err = v.read(compact, newer)
		}
	}
	return t, err
}

// usable reports whether v was made by this package.
func (v *Verifier) usable() bool { return v != nil && v.source != nil }

// current implements keySource.
func (k *Keys) current(context.Context) (*jws.Ring, error) { return k.load().ring, nil }

// newer implements keySource: what current returned is the truth.
func (k *Keys) newer(_ context.Context, seen *jws.Ring) *jws.Ring { return seen }
