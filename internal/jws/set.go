package jws

import (
	"bytes"
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
// DecodeSet refuses the whole set with [ErrTooLarge] if its text exceeds [MaxSetBytes].
// It refuses the set with [ErrSet] if the set has more than [MaxKeys] keys, repeats an
// id, or publishes a private or symmetric key. It does the same if the text is not strict
// JSON, for instance because it repeats a name.
func DecodeSet(data []byte) (*Ring, error) {
	members, err := splitSet(data)
	if err != nil {
		return nil, err
	}
	if len(members) > MaxKeys {
		return nil, fmt.Errorf("%w: %d keys, at most %d are allowed", ErrSet, len(members), MaxKeys)
	}
	var keys []*PublicKey
	for i, raw := range members {
		key, err := decodeMember(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: key %d %w", ErrSet, i, err)
		}
		if key != nil {
			keys = append(keys, key)
		}
	}
	return NewRing(keys...)
}

// splitSet returns the members of a JWK set and decodes none of them. The JSON is strict
// unless the options say otherwise.
func splitSet(data []byte, options ...json.Options) ([]jsontext.Value, error) {
	if len(data) > MaxSetBytes {
		return nil, fmt.Errorf("%w: key set of %d bytes, at most %d are allowed", ErrTooLarge, len(data), MaxSetBytes)
	}
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(data, &set, options...); err != nil {
		return nil, fmt.Errorf("%w: not a JWK set in strict JSON", ErrSet)
	}
	if set.Keys == nil {
		return nil, fmt.Errorf("%w: it has no array \"keys\"", ErrSet)
	}
	return set.Keys, nil
}

// member holds the members of a JWK that matter here.
type member struct {
	KTY    string          `json:"kty"`
	KID    string          `json:"kid"`
	Alg    Algorithm       `json:"alg"`
	Use    *string         `json:"use"`
	KeyOps *[]string       `json:"key_ops"`
	Crv    string          `json:"crv"`
	X      string          `json:"x"`
	Y      string          `json:"y"`
	N      string          `json:"n"`
	E      string          `json:"e"`
	D      *jsontext.Value `json:"d"` // private part
	P      *jsontext.Value `json:"p"`
	Q      *jsontext.Value `json:"q"`
	K      *jsontext.Value `json:"k"` // symmetric key
}

// decodeMember decodes one key. It returns nil and no error for a key that DecodeSet
// leaves out.
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
	if m.D != nil || m.P != nil || m.Q != nil || m.K != nil {
		return m, errNotPublic
	}
	return m, nil
}

// verifies reports whether the key is for signatures.
func (m *member) verifies() bool {
	return (m.Use == nil || *m.Use == "sig") && (m.KeyOps == nil || slices.Contains(*m.KeyOps, "verify"))
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
