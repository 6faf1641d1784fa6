package mytoken

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mytoken-go/sdk/internal/jws"
	"github.com/mytoken-go/sdk/internal/weburl"
	"github.com/mytoken-go/sdk/restriction"
)

var (
	// ErrVerifierConfig reports a configuration that is incomplete or contradicts itself.
	ErrVerifierConfig = errors.New("mytoken: verifier not configured")
	// ErrKeysUnavailable reports that the issuer's keys could not be fetched. It says
	// nothing about the token. Try again later.
	ErrKeysUnavailable = errors.New("mytoken: the issuer's keys are not available")
)

// VerifierConfig configures a [Verifier]. Issuer and one of Keys and JWKSURL are
// required. For every other field zero means the default that its comment names.
type VerifierConfig struct {
	// Issuer is the URL of the only issuer whose tokens are accepted, exactly as the
	// claims "iss" and "aud" spell it.
	Issuer string

	// Keys are the issuer's keys. Changes to them take effect at once. Set either Keys or
	// JWKSURL.
	Keys *Keys
	// JWKSURL is where the issuer publishes its keys (protocol section 5.2). It must be
	// an https URL unless the host is a loopback address or InsecureHTTP is set. Whoever
	// answers there can make tokens: take it from your configuration, or from a discovery
	// document that package client has checked.
	JWKSURL string
	// InsecureHTTP allows a JWKSURL with http to any host. Whoever controls the network
	// in between can then make tokens.
	InsecureHTTP bool
	// HTTPClient fetches the keys. nil: a client with the settings of
	// http.DefaultTransport that uses a new connection for each fetch, so that a dead
	// connection does not keep it from new keys. The verifier uses yours as it is. Each
	// fetch is limited to 5 s and follows no redirects.
	HTTPClient *http.Client
	// KeysMaxAge is how old fetched keys may be before they are fetched again. 0: 15
	// minutes.
	KeysMaxAge time.Duration
	// KeysMaxStale is how old fetched keys may be while fetching new ones fails. 0: 24
	// hours. A withdrawn key may be accepted for that long.
	KeysMaxStale time.Duration

	// Clock tells the time. nil: time.Now. Its instants should keep their monotonic
	// reading, as those of time.Now do: it shows that the wall clock was set back. The
	// verifier then fetches the keys anew.
	Clock func() time.Time
	// Leeway accepts a token that long before its "iat" and "nbf", because clocks differ.
	// It is at most 5 minutes. 0: 1 minute. Negative: none. "exp" and the clauses get no
	// leeway.
	Leeway time.Duration
	// CacheSize is how many verified tokens are remembered, so that a repeated token
	// costs a hash instead of a signature check. 0: 1024. Negative: none. A token of more
	// than 4 KiB counts as several. Tokens of [Verifier.Issue] that nobody has presented
	// yet take a quarter of that, and what is free besides.
	CacheSize int
	// Restrictions configures how clauses are evaluated: resolver, locator, your own
	// conditions.
	Restrictions restriction.Options
	// AssumeUsagesLeft lets a clause that limits the number of uses admit a use in
	// [Verifier.Check], unless its limit is 0. A verifier cannot count, so without this
	// option such a clause admits nothing.
	AssumeUsagesLeft bool
}

// Verifier checks the mytokens of one issuer offline: it asks the issuer for nothing but
// its public keys. Services that accept mytokens use it.
//
// A Verifier knows whether the issuer signed a token, what the token says, and whether
// time, place and request fit. It cannot know
//
//   - whether the token or one of its ancestors was revoked,
//   - whether rotation has replaced it by a later generation,
//   - how often it was used; see [VerifierConfig.AssumeUsagesLeft],
//   - whether the user's login at the provider is still good.
//
// Only the issuer knows these. Where they matter, ask the issuer to introspect the token
// (protocol section 5.8.1). Otherwise read the capabilities and restrictions as upper
// bounds (protocol section 1.6).
//
// Identify a token by [Token.ID] and [Token.Seq], never by its string. Anybody can turn
// an ECDSA signature into a second valid one, so two different strings may be the same
// token.
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

// keySource is where a verifier gets its keys.
type keySource interface {
	// current returns the keys that count now.
	current(ctx context.Context) (*jws.Ring, error)
	// newer is asked after a token whose key is not in seen. It returns newer keys if
	// there may be any, and otherwise seen. The error says that there may be newer ones
	// than those that it returns.
	newer(ctx context.Context, seen *jws.Ring) (*jws.Ring, error)
}

// NewVerifier checks the configuration and returns a verifier. It does not fetch keys;
// the first token makes the verifier do so. Errors: [ErrVerifierConfig].
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	if (cfg.Keys == nil) == (cfg.JWKSURL == "") {
		return nil, fmt.Errorf("%w: set either Keys or JWKSURL", ErrVerifierConfig)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	switch {
	case cfg.Leeway == 0:
		cfg.Leeway = defaultLeeway
	case cfg.Leeway < 0:
		cfg.Leeway = 0
	}
	if cfg.CacheSize == 0 {
		cfg.CacheSize = defaultCacheSize
	}
	if cfg.Issuer == "" {
		return nil, fmt.Errorf("%w: Issuer is empty", ErrVerifierConfig)
	}
	if _, err := weburl.Parse(cfg.Issuer); err != nil {
		return nil, fmt.Errorf("%w: Issuer: %w", ErrVerifierConfig, err)
	}
	if cfg.Leeway > maxLeeway {
		return nil, fmt.Errorf("%w: Leeway %s is more than %s", ErrVerifierConfig, cfg.Leeway, maxLeeway)
	}
	// Find bad options now, so that they do not look like bad tokens later.
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

// defaultCacheSize is how many tokens a verifier remembers by default.
const defaultCacheSize = 1024

// Verify checks a compact token and returns what it says. It checks
//
//   - the encoding and "typ",
//   - the signature, with the issuer's key that the token names and with the algorithm of
//     that key,
//   - the claims "token_type", "ver", "iss", "aud" and "jti", and that "sub" follows from
//     the user,
//   - that the token is valid now, by "nbf", "iat" and "exp".
//
// Verify does not look at capabilities and restrictions; see [Verifier.Check].
//
// Verify returns an [InvalidTokenError] for a token that it refuses. The error wraps the
// ErrToken… value that says why. Verify returns [ErrKeysUnavailable] if the keys could
// not be fetched, or if the token's key is unknown and newer keys could not be fetched.
//
// With a JWKSURL a call may have to fetch the keys, or to wait while another call fetches
// them. A fetch takes at most 5 s. It goes on when ctx ends, because other calls need the
// keys too. If ctx ends while a call waits, Verify goes on with the keys that it has. If
// these do not suffice, it returns [ErrKeysUnavailable] with the error of ctx.
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

// Decode does what [Verifier.Verify] does, but also accepts a token that has expired or
// is not valid yet. Use it to look at a token that a program keeps. [Verifier.Check]
// refuses a token that is not valid now.
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
		newer, missed := v.source.newer(ctx, ring)
		if newer != ring {
			t, err = v.read(compact, newer)
		}
		if missed != nil && errors.Is(err, ErrTokenKey) {
			return nil, missed // the key may be published
		}
	}
	return t, err
}

// Issue makes a token from claims, with the key that signs of VerifierConfig.Keys. It
// does what [Keys.Sign] does, and also returns what [Verifier.Decode] would say about the
// token. It decodes the claims once and does not check a signature of a key in memory;
// see [NewKey]. An issuer makes its tokens so.
//
// Issue returns no token that v would refuse, except that it may not be valid now. v
// remembers the token, so that its first use costs no signature check. This is no promise
// that the token lives: whoever issues it may fail to store it, or withhold it. A
// verifier knows only who signed a token, and the issuer asks its store at each use.
//
// Errors are those of [Keys.Sign]. Issue also returns an [InvalidTokenError] for claims
// of another issuer, and if the key left the Keys while it signed. It returns
// [ErrNoSigningKey] if v fetches its keys from a JWKSURL.
func (v *Verifier) Issue(c Claims) (Secret, *Token, error) {
	if !v.usable() {
		return Secret{}, nil, ErrVerifierConfig
	}
	keys, ok := v.source.(*Keys)
	if !ok {
		return Secret{}, nil, ErrNoSigningKey
	}
	compact, t, err := keys.sign(c, v.accept)
	if err != nil {
		return Secret{}, nil, err
	}
	if !keys.load().ring.Holds(t.key) { // a signer may take long
		return Secret{}, nil, &InvalidTokenError{fmt.Errorf("%w: kid %.64q was withdrawn while it signed", ErrTokenKey, t.keyID)}
	}
	if v.cache != nil {
		v.cache.putIssued(sumOf(compact), t)
	}
	return NewSecret(compact), t, nil
}

// usable reports whether [NewVerifier] made v.
func (v *Verifier) usable() bool { return v != nil && v.source != nil }

// current implements keySource.
func (k *Keys) current(context.Context) (*jws.Ring, error) { return k.load().ring, nil }

// newer implements keySource. There is nothing newer than what current returned.
func (k *Keys) newer(_ context.Context, seen *jws.Ring) (*jws.Ring, error) { return seen, nil }

// defaultLeeway is granted to "iat" and "nbf" by default.
const defaultLeeway = time.Minute

// maxLeeway bounds VerifierConfig.Leeway.
const maxLeeway = 5 * time.Minute

// checkTimes refuses a token that is not valid now.
func (v *Verifier) checkTimes(t *Token) error {
	if err := t.claims.checkTimes(v.clock(), v.leeway); err != nil {
		return &InvalidTokenError{err}
	}
	return nil
}

// read makes every check that depends only on the string, the keys and the configuration.
// It remembers an accepted token under the SHA-256 of the string. If the key that signed
// it has left the ring, the token is read again, and refused.
func (v *Verifier) read(compact string, ring *jws.Ring) (*Token, error) {
	if err := checkSize(compact); err != nil {
		return nil, err
	}
	if v.cache == nil {
		return v.readUncached(compact, ring)
	}
	sum := sumOf(compact)
	if t := v.cache.get(sum, ring); t != nil {
		return t, nil
	}
	t, err := v.readUncached(compact, ring)
	if err != nil {
		return nil, err
	}
	v.cache.put(sum, t)
	return t, nil
}

// checkSize comes before everything else, also before hashing.
func checkSize(compact string) error {
	if len(compact) > MaxTokenBytes {
		return &InvalidTokenError{fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTokenTooLarge, len(compact), MaxTokenBytes)}
	}
	return nil
}

// sumOf returns the SHA-256 of a string. It copies a string of ordinary size to the
// stack.
func sumOf(compact string) [sha256.Size]byte {
	var small [2 << 10]byte
	if len(compact) > len(small) {
		return sha256.Sum256([]byte(compact))
	}
	return sha256.Sum256(small[:copy(small[:], compact)])
}

func (v *Verifier) readUncached(compact string, ring *jws.Ring) (*Token, error) {
	m, err := jws.Parse(compact, tokenTyp, MaxTokenBytes)
	if err != nil {
		return nil, &InvalidTokenError{err}
	}
	// The signature comes first: nothing of a forged payload is decoded.
	key, err := ring.Verify(m)
	if err != nil {
		return nil, &InvalidTokenError{err}
	}
	t := tokenOf(key)
	t.size = len(compact)
	if err := t.claims.decode(m.Payload); err != nil {
		return nil, &InvalidTokenError{err}
	}
	if err := v.accept(t); err != nil {
		return nil, err
	}
	return t, nil
}

// accept makes the checks that follow the decoding of a payload, and compiles the
// restrictions.
func (v *Verifier) accept(t *Token) (err error) {
	if err := t.claims.check(v.issuer); err != nil {
		return &InvalidTokenError{err}
	}
	if t.compiled, err = restriction.Compile(t.claims.Restrictions, v.options); err != nil {
		return &InvalidTokenError{fmt.Errorf("%w: %w", ErrTokenRestrictions, err)}
	}
	return nil
}

// check makes the checks of protocol section 1.5 that depend only on the claims.
func (c *claims) check(issuer string) error {
	switch {
	case c.tokenType != tokenType:
		return fmt.Errorf("%w: token_type %.32q", ErrTokenType, c.tokenType)
	case !supportedVersion(c.version):
		return fmt.Errorf("%w: %.16q", ErrTokenVersion, c.version)
	case c.Issuer != issuer:
		return fmt.Errorf("%w: iss %.128q", ErrTokenIssuer, c.Issuer)
	case c.audience != issuer:
		return fmt.Errorf("%w: aud %.128q", ErrTokenIssuer, c.audience)
	case c.subject != Owner(c.OIDCIssuer, c.OIDCSubject).String():
		return ErrTokenSubject
	}
	return nil
}

// supportedVersion accepts 0.7 and the older versions of its major number, which do not
// differ in anything that is read here (protocol section 1.5). A later version may mean
// something unknown.
func supportedVersion(version string) bool {
	return len(version) == 3 && version[:2] == "0." && '0' <= version[2] && version[2] <= tokenVersion[2]
}
