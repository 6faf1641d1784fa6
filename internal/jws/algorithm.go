package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
)

// Algorithm is the JOSE name of a signature algorithm (RFC 7518 section 3.1, RFC 8037).
type Algorithm string

// The supported algorithms. There is neither "none" nor HMAC.
const (
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"
	EdDSA Algorithm = "EdDSA" // with Ed25519
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256"
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
)

// Bounds of RSA keys, in bits of the modulus. RFC 7518 section 3.3 sets the lower one.
// The upper one bounds the cost of checking a signature.
const (
	MinRSABits  = 2048
	MaxRSABits  = 8192
	minRSAExp   = 1<<16 + 1 // FIPS 186-5: more than 2^16
	leastRSAExp = 3         // for keys of OpenID providers
)

type family int

const (
	familyNone family = iota
	familyECDSA
	familyEdDSA
	familyRSA
)

// family returns the kind of key that an algorithm needs.
func (a Algorithm) family() family {
	switch a {
	case ES256, ES384, ES512:
		return familyECDSA
	case EdDSA:
		return familyEdDSA
	case RS256, RS384, RS512, PS256, PS384, PS512:
		return familyRSA
	}
	return familyNone
}

// Supported reports whether this package supports the algorithm. Case matters.
func (a Algorithm) Supported() bool { return a.family() != familyNone }

// Curve returns the curve of an ECDSA algorithm, and nil for all others.
func (a Algorithm) Curve() elliptic.Curve {
	switch a {
	case ES256:
		return elliptic.P256()
	case ES384:
		return elliptic.P384()
	case ES512:
		return elliptic.P521()
	}
	return nil
}

// AlgorithmOf returns the only algorithm that fits a key. It returns [ErrKey] for an RSA
// key, because several algorithms fit it, and for an unsuitable key.
func AlgorithmOf(pub crypto.PublicKey) (Algorithm, error) {
	switch key := pub.(type) {
	case ed25519.PublicKey:
		return EdDSA, nil
	case *ecdsa.PublicKey:
		if key == nil {
			break
		}
		for _, a := range []Algorithm{ES256, ES384, ES512} {
			if key.Curve == a.Curve() {
				return a, nil
			}
		}
	case *rsa.PublicKey:
		if err := CheckKey(key, RS256); err != nil { // no algorithm fits
			return "", err
		}
		return "", fmt.Errorf("%w: an RSA key fits several algorithms: name one", ErrKey)
	}
	return "", fmt.Errorf("%w: %T: use a key on P-256, P-384 or P-521, an Ed25519 key, or an RSA key", ErrKey, pub)
}

// CheckKey returns an error if a public key must not be used with an algorithm. It
// returns [ErrAlgorithm] for an unknown algorithm. It returns [ErrKey] for another kind
// of key, another curve, a point off the curve, an RSA modulus outside [MinRSABits] and
// [MaxRSABits], and a small RSA exponent.
func CheckKey(pub crypto.PublicKey, a Algorithm) error { return checkKey(pub, a, minRSAExp) }

func checkKey(pub crypto.PublicKey, a Algorithm, minExp int) error {
	switch a.family() {
	case familyECDSA:
		return checkECDSA(pub, a)
	case familyEdDSA:
		if key, ok := pub.(ed25519.PublicKey); !ok || len(key) != ed25519.PublicKeySize {
			return fmt.Errorf("%w: %s needs an Ed25519 public key, not %T", ErrKey, a, pub)
		}
		return nil
	case familyRSA:
		return checkRSA(pub, a, minExp)
	}
	return fmt.Errorf("%w: %.16q", ErrAlgorithm, string(a))
}

func checkECDSA(pub crypto.PublicKey, a Algorithm) error {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok || key == nil || key.Curve != a.Curve() {
		found := fmt.Sprintf("%T", pub)
		if ok && key != nil && key.Curve != nil && key.Curve.Params() != nil {
			found = fmt.Sprintf("one on %.16s", key.Curve.Params().Name)
		}
		return fmt.Errorf("%w: %s needs an ECDSA public key on %s, not %s", ErrKey, a, a.Curve().Params().Name, found)
	}
	//lint:ignore SA1019 a key built by hand may lack a coordinate, and only its fields show that
	if key.X == nil || key.Y == nil {
		return fmt.Errorf("%w: a coordinate is missing", ErrKey)
	}
	if _, err := key.Bytes(); err != nil {
		return fmt.Errorf("%w: not a point on %s", ErrKey, a.Curve().Params().Name)
	}
	return nil
}

func checkRSA(pub crypto.PublicKey, a Algorithm, minExp int) error {
	key, ok := pub.(*rsa.PublicKey)
	switch {
	case !ok || key == nil || key.N == nil:
		return fmt.Errorf("%w: %s needs an RSA public key, not %T", ErrKey, a, pub)
	case key.N.BitLen() < MinRSABits || key.N.BitLen() > MaxRSABits:
		return fmt.Errorf("%w: RSA modulus of %d bits, need %d to %d", ErrKey, key.N.BitLen(), MinRSABits, MaxRSABits)
	case key.N.Bit(0) == 0 || key.N.Sign() < 0:
		return fmt.Errorf("%w: RSA modulus is not a product of odd primes", ErrKey)
	case key.E < minExp || key.E&1 == 0 || key.E > 1<<31-1:
		return fmt.Errorf("%w: RSA exponent %d", ErrKey, key.E)
	}
	return nil
}

// signatureSize returns the length of every signature of a checked key, in bytes.
func signatureSize(pub crypto.PublicKey, a Algorithm) int {
	switch key := pub.(type) {
	case *ecdsa.PublicKey:
		return 2 * ((a.Curve().Params().BitSize + 7) / 8)
	case ed25519.PublicKey:
		return ed25519.SignatureSize
	case *rsa.PublicKey:
		return key.Size()
	}
	return 0
}
