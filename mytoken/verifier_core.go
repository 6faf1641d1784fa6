package mytoken

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/mytoken-go/sdk/internal/jws"
	"github.com/mytoken-go/sdk/restriction"
)

// DefaultLeeway is granted to "iat" and "nbf" if nothing else is configured.
const DefaultLeeway = time.Minute

// MaxLeeway is the most that [VerifierConfig.Leeway] may grant.
const MaxLeeway = 5 * time.Minute

// checkTimes refuses a token that is not valid now.
func (v *Verifier) checkTimes(t *Token) error {
	if err := t.claims.checkTimes(v.clock(), v.leeway); err != nil {
		return &InvalidTokenError{err}
	}
	return nil
}

// read does all that depends on nothing but the string, the keys and the
// configuration, and remembers success under the SHA-256 of the string. What a
// key that has left the ring once signed is read again, and refused.
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
	t := &Token{key: key.Fingerprint(), keyID: key.ID(), size: len(compact)}
	if err := t.claims.decode(m.Payload); err != nil {
		return nil, &InvalidTokenError{err}
	}
	if err := t.claims.check(v.issuer); err != nil {
		return nil, &InvalidTokenError{err}
	}
	if t.compiled, err = restriction.Compile(t.claims.Restrictions, v.options); err != nil {
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
	case c.Issuer != issuer:
		return fmt.Errorf("%w: iss %.128q", ErrTokenIssuer, c.Issuer)
	case c.audience != issuer:
		return fmt.Errorf("%w: aud %.128q", ErrTokenIssuer, c.audience)
	case c.subject != Owner(c.OIDCIssuer, c.OIDCSubject).String():
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
