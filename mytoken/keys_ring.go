package mytoken

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mytoken-go/sdk/internal/jws"
)

// Keys are the keys of an issuer: one signs, and all of them check. The zero value and
// nil neither sign nor accept anything. Keys are safe for concurrent use, and each change
// takes effect in one step.
//
// To change the key that signs without a gap, overlap the keys:
//
//	keys.Add(next.Public())  // published; wait until verifiers have fetched it
//	keys.Activate(next)      // signs from now on; the old key still checks
//	keys.Withdraw(oldID)     // once the last token of the old key has expired
//
// If several processes issue tokens, take each step in all of them before the next step.
// Keys does not store the keys. Store them as PEM, and call NewKeys(next, old.Public())
// when the process starts again.
//
// Once [Keys.Withdraw] has returned, every check refuses the tokens of that key, even
// those that were accepted before. Only a rotation signs a token anew, so a token that
// neither rotates nor expires is good for as long as its key. After a compromise, replace
// all keys in one step with [Keys.Replace].
type Keys struct {
	writing sync.Mutex // held while a new state is made
	state   atomic.Pointer[keysState]
}

// keysState never changes after it is published.
type keysState struct {
	active *Key // nil: checks only
	ring   *jws.Ring
	jwks   []byte
}

// NewKeys returns a set of at most 32 keys. active signs, and all of them check. If
// active is nil, the set only checks. Errors: [ErrKey]; [ErrKeySet] for too many keys, or
// for two keys with the same id.
func NewKeys(active *Key, check ...*PublicKey) (*Keys, error) {
	k := &Keys{}
	if err := k.Replace(active, check...); err != nil {
		return nil, err
	}
	return k, nil
}

// ParseJWKS reads the JWK set (RFC 7517) that an issuer publishes. The result checks and
// does not sign. ParseJWKS skips keys that cannot check a mytoken: other kinds and
// curves, weak keys, keys with another "use", and RSA keys without "alg". It also skips
// private, symmetric and malformed keys, and different keys with the same id.
//
// It returns [ErrKeySet] if the text is not a JWK set, if the set has more than 32 keys,
// or if it skipped one of the latter and no key is left. It returns [ErrTokenTooLarge] if
// the set is longer than 256 KiB.
func ParseJWKS(data []byte) (*Keys, error) {
	ring, err := jws.DecodeSet(data)
	if err != nil {
		return nil, err
	}
	k := &Keys{}
	k.publish(nil, ring)
	return k, nil
}

// Replace changes all keys in one step. Its parameters and errors are those of [NewKeys].
// On an error nothing changes.
func (k *Keys) Replace(active *Key, check ...*PublicKey) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	return k.replace(active, check)
}

func (k *Keys) replace(active *Key, check []*PublicKey) error {
	var all []*jws.PublicKey
	if active != nil {
		if !active.usable() {
			return fmt.Errorf("%w: the Key was not made by this package", ErrKey)
		}
		all = append(all, active.signer.Public())
	}
	for i, pub := range check {
		if !pub.usable() {
			return fmt.Errorf("%w: public key %d is missing", ErrKeySet, i)
		}
		all = append(all, pub.key)
	}
	ring, err := jws.NewRing(all...)
	if err != nil {
		return err
	}
	k.publish(active, ring)
	return nil
}

func (k *Keys) publish(active *Key, ring *jws.Ring) {
	k.state.Store(&keysState{active: active, ring: ring, jwks: jws.EncodeSet(ring)})
}

// load never returns nil.
func (k *Keys) load() *keysState {
	if k != nil {
		if s := k.state.Load(); s != nil {
			return s
		}
	}
	return &keysState{}
}

// Add adds a key that checks, and publishes it. Adding a key again changes nothing.
// Errors: [ErrKeySet].
func (k *Keys) Add(key *PublicKey) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	s := k.load()
	if key.usable() && s.ring.Holds(key.key.Fingerprint()) {
		return nil
	}
	return k.replace(s.active, append(s.others(), key))
}

// Activate makes key sign from now on. The previous key still checks. Errors: [ErrKey],
// [ErrKeySet].
func (k *Keys) Activate(key *Key) error {
	if !key.usable() {
		return fmt.Errorf("%w: no key", ErrKey)
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	s := k.load()
	others := s.others()
	if s.active != nil {
		others = append([]*PublicKey{s.active.Public()}, others...)
	}
	others = slices.DeleteFunc(others, func(other *PublicKey) bool {
		return other.key.Fingerprint() == key.signer.Public().Fingerprint()
	})
	return k.replace(key, others)
}

// Withdraw removes the key with an id, and from now on its tokens are refused. An unknown
// id is no error. Withdraw returns [ErrActiveKey] for the key that signs.
func (k *Keys) Withdraw(id string) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	s := k.load()
	if s.active != nil && s.active.ID() == id {
		return ErrActiveKey
	}
	others := slices.DeleteFunc(s.others(), func(other *PublicKey) bool { return other.ID() == id })
	return k.replace(s.active, others)
}

// ActiveID returns the id of the key that signs, or "".
func (k *Keys) ActiveID() string {
	if s := k.load(); s.active != nil {
		return s.active.ID()
	}
	return ""
}

// IDs returns the ids of all keys. The id of the key that signs comes first.
func (k *Keys) IDs() []string {
	var ids []string
	for _, key := range k.load().ring.Keys() {
		ids = append(ids, key.ID())
	}
	return ids
}

// JWKS returns all public keys as a JWK set (RFC 7517), the key that signs first. An
// issuer publishes this set (protocol section 5.2).
func (k *Keys) JWKS() []byte {
	s := k.load()
	if s.jwks == nil {
		return jws.EncodeSet(nil)
	}
	return slices.Clone(s.jwks)
}

// Sign makes a compact token from claims, with the key that signs. For the tests of a
// service that accepts tokens, package mytokentest does the same in one call. An issuer
// uses [Verifier.Issue] instead. Call [Claims.SetTimes] before: Sign does not know the
// time. If the claims have no JTI, Sign draws one. If they have no Seq, it writes 1.
//
// Sign refuses claims that no verifier accepts, with [ErrTokenMalformed],
// [ErrTokenTooLarge] or [ErrTokenRestrictions]. It does not ask whether the token is
// valid now. Without a key that signs it returns [ErrNoSigningKey]. It returns
// [ErrSigning] if the signer fails or panics, and also [ErrTokenSignature] if the
// signature does not match; see [NewKey].
func (k *Keys) Sign(c Claims) (Secret, error) {
	compact, _, err := k.sign(c, func(t *Token) error { return t.claims.check(c.Issuer) })
	if err != nil {
		return Secret{}, err
	}
	return NewSecret(compact), nil
}

// sign makes a compact token. It also returns what the token says, as whoever reads it
// sees it. accept has to be content with that before anything is signed.
func (k *Keys) sign(c Claims, accept func(*Token) error) (string, *Token, error) {
	active := k.load().active
	if active == nil {
		return "", nil, ErrNoSigningKey
	}
	if c.IssuedAt == 0 || c.NotBefore == 0 {
		return "", nil, fmt.Errorf("%w: the claims lack iat or nbf: call Claims.SetTimes before Keys.Sign", ErrTokenMalformed)
	}
	if c.JTI.IsZero() {
		c.JTI = newJTI()
	}
	c.Seq = max(c.Seq, 1)
	written := c.payload()
	payload, err := written.encode()
	if err != nil {
		return "", nil, err
	}
	t := tokenOf(active.signer.Public())
	if err := t.claims.decode(payload); err != nil {
		return "", nil, err
	}
	if err := accept(t); err != nil {
		return "", nil, err
	}
	compact, err := active.signer.Sign(payload, tokenTyp)
	if err != nil {
		return "", nil, err
	}
	if err := checkSize(compact); err != nil {
		return "", nil, err
	}
	t.size = len(compact)
	return compact, t, nil
}

// others returns the keys that check and do not sign, in a new slice.
func (s *keysState) others() []*PublicKey {
	var list []*PublicKey
	for _, key := range s.ring.Keys() {
		if s.active == nil || key != s.active.signer.Public() {
			list = append(list, &PublicKey{key})
		}
	}
	return list
}
