package jws

import (
	"bytes"
	"cmp"
	"crypto"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxSetBytes is the greatest length of the JSON text of a JWK set, in bytes.
const MaxSetBytes = 256 << 10

// EncodeSet encodes the public keys of a ring as a JWK set (RFC 7517 section 5). Each key
// has "kid", "alg" and "use".
func EncodeSet(r *Ring) []byte {
	text := []byte(`{"keys":[`)
	for i, k := range r.Keys() {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, k.jwk...)
	}
	return append(text, `]}`...)
}

// DecodeSet decodes a JWK set. It leaves out keys that cannot check a signature here, as
// RFC 7517 section 5 advises: those of another kty or curve, of an unknown algorithm,
// with a "use" other than "sig", with "key_ops" that lack "verify", and those that
// [CheckKey] refuses. An RSA key needs an "alg". A key without an id gets its thumbprint
// as id (RFC 7638).
//
// DecodeSet also leaves out what is no public key in strict JSON, and different keys that
// share an id. So one malformed key does not take the others along. It refuses the set
// with [ErrSet] if none is left then.
//
// DecodeSet refuses the whole set with [ErrTooLarge] if its text exceeds [MaxSetBytes],
// and with [ErrSet] for more than [MaxKeys] keys, and for anything but a JWK set.
func DecodeSet(data []byte) (*Ring, error) {
	members, err := splitSet(data)
	if err != nil {
		return nil, err
	}
	if len(members) > MaxKeys {
		return nil, fmt.Errorf("%w: %d keys, at most %d are allowed", ErrSet, len(members), MaxKeys)
	}
	var keys []*PublicKey
	var malformed error // the first one
	for i, raw := range members {
		key, err := decodeMember(raw)
		switch {
		case err != nil:
			malformed = cmp.Or(malformed, fmt.Errorf("%w: key %d %w", ErrSet, i, err))
		case key != nil:
			keys = append(keys, key)
		}
	}
	if keys, err = distinct(keys); err != nil {
		malformed = cmp.Or(malformed, err)
	}
	if len(keys) == 0 && malformed != nil {
		return nil, malformed
	}
	return NewRing(keys...)
}

// distinct leaves out repetitions of a key, and different keys that share an id: a message
// could not tell them apart. The error says that it did the latter.
func distinct(keys []*PublicKey) (left []*PublicKey, err error) {
	first, shared := make(map[string]*PublicKey), make(map[string]bool)
	for _, k := range keys {
		if before := first[k.id]; before == nil {
			first[k.id] = k
		} else if before.fingerprint != k.fingerprint {
			shared[k.id] = true
			err = fmt.Errorf("%w: different keys with the id %.64q", ErrSet, k.id)
		}
	}
	for _, k := range keys {
		if first[k.id] == k && !shared[k.id] {
			left = append(left, k)
		}
	}
	return left, err
}

// splitSet returns the members of a JWK set and decodes none of them. Each may break the
// rules of strict JSON about names and characters.
func splitSet(data []byte) ([]jsontext.Value, error) {
	if len(data) > MaxSetBytes {
		return nil, fmt.Errorf("%w: key set of %d bytes, at most %d are allowed", ErrTooLarge, len(data), MaxSetBytes)
	}
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(data, &set, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, fmt.Errorf("%w: not a JWK set", ErrSet)
	}
	if set.Keys == nil {
		return nil, fmt.Errorf("%w: it has no array \"keys\"", ErrSet)
	}
	return set.Keys, nil
}

// member holds the members of a JWK that matter here. One that is null or empty counts as
// missing, because some programs write members that the key does not have.
type member struct {
	KTY    string         `json:"kty"`
	KID    string         `json:"kid"`
	Alg    Algorithm      `json:"alg"`
	Use    string         `json:"use"`
	KeyOps []string       `json:"key_ops"`
	Crv    string         `json:"crv"`
	X      string         `json:"x"`
	Y      string         `json:"y"`
	N      string         `json:"n"`
	E      string         `json:"e"`
	D      jsontext.Value `json:"d"` // private part
	P      jsontext.Value `json:"p"`
	Q      jsontext.Value `json:"q"`
	K      jsontext.Value `json:"k"` // symmetric key
}

// decodeMember decodes one key. It returns nil and no error for a key of a kind that
// cannot check a signature here.
func decodeMember(raw jsontext.Value) (*PublicKey, error) {
	m, err := readMember(raw)
	if err != nil || !m.verifies() {
		return nil, err
	}
	pub, err := m.public()
	if err != nil {
		return nil, nil
	}
	if m.Alg == "" {
		if m.Alg, err = AlgorithmOf(pub); err != nil {
			return nil, nil
		}
	}
	key, err := NewPublicKey(pub, m.Alg, m.KID)
	if err != nil {
		return nil, nil
	}
	return key, nil
}

// readMember reads the JSON of a key, and not yet the key.
func readMember(raw jsontext.Value) (m member, err error) {
	if bytes.TrimSpace(raw)[0] != '{' || json.Unmarshal(raw, &m) != nil {
		return m, errNotJWK
	}
	for _, private := range []jsontext.Value{m.D, m.P, m.Q, m.K} {
		if text := string(private); text != "" && text != `null` && text != `""` {
			return m, errNotPublic
		}
	}
	return m, nil
}

// verifies reports whether the key is for signatures.
func (m *member) verifies() bool {
	return (m.Use == "" || m.Use == "sig") && (len(m.KeyOps) == 0 || slices.Contains(m.KeyOps, "verify"))
}

// public decodes the key. The caller still has to call [CheckKey].
func (m *member) public() (crypto.PublicKey, error) {
	switch m.KTY {
	case "EC":
		return decodeKey(map[string]string{"kty": m.KTY, "crv": m.Crv, "x": m.X, "y": m.Y})
	case "OKP":
		return decodeKey(map[string]string{"kty": m.KTY, "crv": m.Crv, "x": m.X})
	case "RSA":
		if len(m.E) > maxExpText {
			return nil, fmt.Errorf("%w: RSA exponent of %d characters", ErrKey, len(m.E))
		}
		return decodeKey(map[string]string{"kty": m.KTY, "n": m.N, "e": m.E})
	}
	return nil, fmt.Errorf("%w: kty %.16q", ErrKey, m.KTY)
}

// maxExpText is the length of the greatest RSA exponent, of four bytes, in base64 with
// padding. The JOSE library would cut a longer one short.
const maxExpText = 8

var (
	errNotJWK    = errors.New("is not a JWK")
	errNotPublic = errors.New("is not a public key")
	errNoKTY     = errors.New("has no kty")
	errOtherUse  = errors.New("is not for signatures")
)
