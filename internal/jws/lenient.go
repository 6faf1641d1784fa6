package jws

import (
	"context"
	"crypto"
	"fmt"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ParseLenient is [Parse] for messages of OpenID providers. It accepts every typ, takes
// an empty kid for none, and ignores keys that the message brings along. The caller has
// to bound the length of the message.
func ParseLenient(compact string) (*Message, error) {
	return parse(compact, len(compact), len(compact), decodeLenientHeader)
}

func decodeLenientHeader(data []byte) (Header, error) {
	var h struct {
		Alg  Algorithm      `json:"alg"`
		KID  string         `json:"kid"`
		Crit jsontext.Value `json:"crit"`
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return Header{}, refineHeader(err)
	}
	if h.Crit != nil {
		return Header{}, &headerError{ErrHeader, "crit demands extensions, and there are none"}
	}
	return Header{Algorithm: h.Alg, KeyID: h.KID}, nil
}

// LenientSet is an immutable JWK set of an OpenID provider. Providers publish keys that
// [DecodeSet] leaves out or refuses: with the same id, RSA keys without "alg" or with a small exponent,
// and many at once. A LenientSet decodes a key when the first message needs it. So keys
// that no message needs cost nothing, however many there are.
type LenientSet struct {
	keys       []lenientKey
	leftOut    int   // members that are not in keys
	reason     error // why the first of them is not
	newChecker func(Algorithm) (signatureChecker, error)
}

type lenientKey struct {
	member
	decode func() (crypto.PublicKey, error) // decodes the key once
}

// DecodeLenientSet reads a JWK set. It leaves out what is no public key in strict JSON,
// and keys with a "use" other than "sig" or with "key_ops" that lack "verify". So one
// malformed key does not take the others along. DecodeLenientSet returns [ErrTooLarge]
// for more than [MaxSetBytes], and [ErrSet] for anything but a JWK set.
func DecodeLenientSet(data []byte) (*LenientSet, error) {
	members, err := splitSet(data)
	if err != nil {
		return nil, err
	}
	s := &LenientSet{newChecker: newChecker}
	for _, raw := range members {
		m, err := readLenient(raw)
		if err == nil {
			s.keys = append(s.keys, lenientKey{m, sync.OnceValues(m.public)})
			continue
		}
		if s.leftOut++; s.reason == nil {
			s.reason = err
		}
	}
	return s, nil
}

// readLenient reads a member, or says why the set goes without it.
func readLenient(raw jsontext.Value) (member, error) {
	m, err := readMember(raw)
	switch {
	case err != nil:
		return m, err
	case m.KTY == "":
		return m, errNoKTY
	case !m.verifies():
		return m, errOtherUse
	}
	return m, nil
}

// Verify checks the signature of m. If the message has a kid, Verify uses only keys with
// that kid. It decodes at most [MaxKeys] keys that may fit the message's algorithm, and
// checks the signature with at most the given number of them. It returns how many checks
// are left.
//
// Errors are [ErrUnknownKey] if no key fits, [ErrSignature] if none of them matches, and
// the error of ctx, which Verify looks at before each key. If a message without a kid
// matches no key, the error is both [ErrSignature] and [ErrUnknownKey].
func (s *LenientSet) Verify(ctx context.Context, m *Message, tries int) (left int, err error) {
	fitting, before := 0, tries
	for i := range s.keys {
		k := &s.keys[i]
		if m.Header.KeyID != "" && k.KID != m.Header.KeyID || !k.mayFit(m.Header.Algorithm) {
			continue
		}
		if fitting++; fitting > MaxKeys || tries <= 0 {
			break
		}
		if ctx.Err() != nil {
			return tries, context.Cause(ctx)
		}
		pub, err := k.decode()
		if err != nil || checkKey(pub, m.Header.Algorithm, leastRSAExp) != nil {
			continue
		}
		if len(m.signature) != signatureSize(pub, m.Header.Algorithm) {
			continue
		}
		checker, err := s.newChecker(m.Header.Algorithm)
		if err != nil {
			return tries, fmt.Errorf("%w: %s", ErrAlgorithm, m.Header.Algorithm)
		}
		tries--
		if checker.Verify(m.signed, m.signature, pub) == nil {
			return tries, nil
		}
	}
	switch {
	case m.Header.KeyID == "" && tries < before:
		return tries, errNoneMatches
	case fitting > 0:
		return tries, ErrSignature
	}
	return tries, fmt.Errorf("%w: there is none for %s with the kid %.64q%s", ErrUnknownKey, m.Header.Algorithm, m.Header.KeyID, s.remark())
}

// remark says what is wrong with the set as a whole, if anything is.
func (s *LenientSet) remark() string {
	switch {
	case s.leftOut > 0:
		return fmt.Sprintf("; %d keys of the set were left out; the first of them %s", s.leftOut, s.reason)
	case len(s.keys) == 0:
		return "; the set has no key"
	}
	return ""
}

// mayFit reports whether the key is for an algorithm, as far as can be seen without
// decoding it.
func (m *member) mayFit(a Algorithm) bool {
	if m.Alg != "" && m.Alg != a {
		return false
	}
	switch a.family() {
	case familyECDSA:
		return m.KTY == "EC" && m.Crv == a.Curve().Params().Name
	case familyEdDSA:
		return m.KTY == "OKP" && m.Crv == "Ed25519"
	case familyRSA:
		return m.KTY == "RSA"
	}
	return false
}
