package jws

// The one file that imports the JOSE library. What the rest of the package needs
// of it are the functions and the interface below, in terms of the standard
// library.

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// signatureChecker checks a signature made with one algorithm; nil means that it
// matches. The key is that of a checked [PublicKey].
type signatureChecker interface {
	Verify(signed, signature []byte, key any) error
}

// signatureMaker makes a signature with one algorithm. The key is a
// [crypto.Signer].
type signatureMaker interface {
	Sign(signed []byte, key any) ([]byte, error)
}

func newChecker(a Algorithm) (signatureChecker, error) {
	return jws.NewVerifier(jwa.SignatureAlgorithm(a))
}

func newMaker(a Algorithm) (signatureMaker, error) {
	return jws.NewSigner(jwa.SignatureAlgorithm(a))
}

// thumbprint is the RFC 7638 thumbprint with SHA-256, as base64url.
func thumbprint(pub crypto.PublicKey) (string, error) {
	key, err := jwk.FromRaw(pub)
	if err != nil {
		return "", err
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// encodeKey returns a public key as a JWK for checking signatures.
func encodeKey(pub crypto.PublicKey, a Algorithm, id string) ([]byte, error) {
	key, err := jwk.FromRaw(pub)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]any{
		jwk.AlgorithmKey: jwa.SignatureAlgorithm(a),
		jwk.KeyIDKey:     id,
		jwk.KeyUsageKey:  jwk.ForSignature,
	} {
		if err := key.Set(name, value); err != nil {
			return nil, err
		}
	}
	return json.Marshal(key)
}

// decodeKey reads the public key of a JWK that holds nothing but the parameters
// of the key. The key still has to pass [CheckKey].
func decodeKey(params map[string]string) (crypto.PublicKey, error) {
	text, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	key, err := jwk.ParseKey(text)
	if err != nil {
		return nil, err
	}
	switch key.(type) {
	case jwk.ECDSAPublicKey, jwk.RSAPublicKey, jwk.OKPPublicKey:
	default:
		return nil, fmt.Errorf("%w: not a public key", ErrKey)
	}
	var pub any
	if err := key.Raw(&pub); err != nil {
		return nil, err
	}
	return pub, nil
}
