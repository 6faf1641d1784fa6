package mytoken

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/internal/jws"
	"github.com/mytoken-go/sdk/restriction"
)

// DefaultLeeway is granted to "iat" and "nbf" if nothing else is configured.
const DefaultLeeway = time.Minute

// maxLeeway bounds what may be configured.
const maxLeeway = 5 * time.Minute

// tokenVerifier turns compact tokens into tokens, and claims into compact tokens.
// Issuers and verifiers share it, with its cache. It is safe for concurrent use.
type tokenVerifier struct {
	issuer  string
	keys    *Keys // of the issuer; nil if they come from elsewhere
	options restriction.Options
	clock   func() time.Time
	leeway  time.Duration
	cache   *tokenCache // nil: none
}

// newTokenCore checks what it is given; clock and leeway have no default here.
// It finds out once whether the restriction options make sense, so that no token
// is refused because of them later.
func newTokenCore(issuer string, keys *Keys, options restriction.Options, clock func() time.Time, leeway time.Duration, cacheSize int) (*tokenVerifier, error) {
	if issuer == "" {
		return nil, errors.New("no issuer")
	}
	if leeway < 0 || leeway > maxLeeway {
		return nil, fmt.Errorf("more than %s are granted to clocks that differ", maxLeeway)
	}
	if _, err := restriction.Compile(nil, options); err != nil {
		return nil, fmt.Errorf("restriction options: %w", err)
	}
	v := &tokenVerifier{issuer: issuer, keys: keys, options: options, clock: clock, leeway: leeway}
	if cacheSize > 0 {
		v.cache = newTokenCache(cacheSize)
	}
	return v, nil
}

// verify checks everything about a token of this issuer that needs no store.
func (v *tokenVerifier) verify(compact string) (*Token, error) {
	t, err := v.decode(compact)
	if err != nil {
		return nil, err
	}
	if err := v.checkTimes(t); err != nil {
		return nil, err
	}
	return t, nil
}

// decode is verify without the times, for tokens that are handed out or looked at
// rather than used.
func (v *tokenVerifier) decode(compact string) (*Token, error) {
	return v.read(compact, v.keys.load().ring)
}

// checkTimes refuses a token that is not valid now.
func (v *tokenVerifier) checkTimes(t *Token) error {
	if err := t.claims.checkTimes(v.clock(), v.leeway); err != nil {
		return &InvalidTokenError{err}
	}
	return nil
}

// read does all that depends on nothing but the string, the keys and the
// configuration, and remembers success under the SHA-256 of the string. What a
// key that has left the ring once signed is read again, and refused.
func (v *tokenVerifier) read(compact string, ring *jws.Ring) (*Token, error) {
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

// checkSize comes before everything else, the hash included.
func checkSize(compact string) error {
	if len(compact) > MaxTokenBytes {
		return &InvalidTokenError{fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTokenTooLarge, len(compact), MaxTokenBytes)}
	}
	return nil
}

// sumOf is the SHA-256 of a string. One of ordinary size is copied to the stack.
func sumOf(compact string) [sha256.Size]byte {
	var small [2 << 10]byte
	if len(compact) > len(small) {
		return sha256.Sum256([]byte(compact))
	}
	return sha256.Sum256(small[:copy(small[:], compact)])
}

func (v *tokenVerifier) readUncached(compact string, ring *jws.Ring) (*Token, error) {
	m, err := jws.Parse(compact, tokenTyp, MaxTokenBytes)
	if err != nil {
		return nil, &InvalidTokenError{err}
	}
	// The signature comes first: nothing of a forged payload is decoded.
	key, err := ring.Verify(m)
	if err != nil {
		return nil, &InvalidTokenError{err}
	}
	t := &Token{key: key.Fingerprint(), keyID: key.ID(), size: len(compact)}
	if err := t.claims.decode(m.Payload); err != nil {
		return nil, &InvalidTokenError{err}
	}
	if err := t.claims.check(v.issuer); err != nil {
		return nil, &InvalidTokenError{err}
	}
	if t.compiled, err = restriction.Compile(t.claims.restrictions, v.options); err != nil {
		return nil, &InvalidTokenError{fmt.Errorf("%w: %w", ErrTokenRestrictions, err)}
	}
	return t, nil
}

// check makes the checks of protocol section 1.5 that depend on the claims alone.
func (c *claims) check(issuer string) error {
	switch {
	case c.tokenType != tokenType:
		return fmt.Errorf("%w: token_type %.32q", ErrTokenType, c.tokenType)
	case !supportedVersion(c.version):
		return fmt.Errorf("%w: %.16q", ErrTokenVersion, c.version)
	case c.issuer != issuer:
		return fmt.Errorf("%w: iss %.128q", ErrTokenIssuer, c.issuer)
	case c.audience != issuer:
		return fmt.Errorf("%w: aud %.128q", ErrTokenIssuer, c.audience)
	case c.subject != Owner(c.oidcIssuer, c.oidcSubject).String():
		return ErrTokenSubject
	}
	return nil
}

// supportedVersion accepts 0.7 and the older versions of its major number, which
// differ in nothing that is read here (protocol section 1.5). A later version
// may mean something that is not known here.
func supportedVersion(version string) bool {
	return len(version) == 3 && version[:2] == "0." && '0' <= version[2] && version[2] <= TokenVersion[2]
}

// sign makes a compact token of claims, and reads it back as every verifier will.
// A token that could not be verified is not handed out.
func (v *tokenVerifier) sign(c claims) (string, *Token, error) {
	active := v.keys.load().active
	if active == nil {
		return "", nil, ErrNoSigningKey
	}
	payload, err := c.encode()
	if err != nil {
		return "", nil, err
	}
	compact, err := active.signer.Sign(payload, tokenTyp)
	if err != nil {
		return "", nil, err
	}
	t, err := v.decode(compact)
	if err != nil {
		return "", nil, err
	}
	return compact, t, nil
}
