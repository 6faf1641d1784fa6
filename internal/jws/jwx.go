package jws

// This is the only file that imports the JOSE library. The rest of the package uses it
// through the functions and interfaces below, which use only types of the standard
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

// signatureChecker checks signatures of one algorithm. Verify returns nil if the
// signature matches. key is that of a [PublicKey].
type signatureChecker interface {
	Verify(signed, signature []byte, key any) error
}

// signatureMaker makes signatures of one algorithm. key is a [crypto.Signer].
type signatureMaker interface {
	Sign(signed []byte, key any) ([]byte, error)
}

func newChecker(a Algorithm) (signatureChecker, error) {
	return jws.NewVerifier(jwa.SignatureAlgorithm(a))
}

func newMaker(a Algorithm) (signatureMaker, error) {
	return jws.NewSigner(jwa.SignatureAlgorithm(a))
}

// thumbprint returns the SHA-256 thumbprint of a key (RFC 7638), in base64url.
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

// encodeKey encodes a public key as a JWK with "use":"sig".
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

// decodeKey decodes a JWK from the parameters of a public key. The caller still has to
// call [CheckKey].
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
