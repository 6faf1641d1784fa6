package mytoken

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// maxPEMBytes bounds the PEM text of a key, in bytes.
const maxPEMBytes = 64 << 10

// ParseKeyPEM reads a private key in PEM: PKCS #8 ("PRIVATE KEY"), SEC 1 ("EC PRIVATE
// KEY") or PKCS #1 ("RSA PRIVATE KEY"). The algorithm and the checks are those of
// [NewKey]. The text must hold exactly one key, which is not encrypted. It may also hold
// "EC PARAMETERS", which some tools write.
//
// Errors: [ErrKey], [ErrTokenAlgorithm]. No message shows any part of the key.
func ParseKeyPEM(text []byte, alg Algorithm) (*Key, error) {
	block, err := onePEM(text)
	if err != nil {
		return nil, err
	}
	var parsed any
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, fmt.Errorf("%w: the PEM text is encrypted; decrypt it first", ErrKey)
	default:
		return nil, fmt.Errorf("%w: PEM block %.32q is no private key", ErrKey, block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: malformed PEM block %q", ErrKey, block.Type)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: a key of type %T cannot sign", ErrKey, parsed)
	}
	return NewKey(signer, alg)
}

// onePEM returns the only block of the text, not counting curve parameters.
func onePEM(text []byte) (*pem.Block, error) {
	if len(text) > maxPEMBytes {
		return nil, fmt.Errorf("%w: the PEM text is %d bytes long, at most %d are allowed", ErrKey, len(text), maxPEMBytes)
	}
	var found *pem.Block
	for {
		block, rest := pem.Decode(text)
		switch {
		case block == nil && len(bytes.TrimSpace(text)) > 0:
			return nil, fmt.Errorf("%w: the text is not PEM", ErrKey)
		case block == nil && found == nil:
			return nil, fmt.Errorf("%w: the text holds no PEM block", ErrKey)
		case block == nil:
			return found, nil
		case block.Headers["DEK-Info"] != "" || block.Headers["Proc-Type"] != "":
			return nil, fmt.Errorf("%w: the PEM text is encrypted; decrypt it first", ErrKey)
		case block.Type == "EC PARAMETERS":
		case found != nil:
			return nil, fmt.Errorf("%w: the text holds more than one key", ErrKey)
		default:
			found = block
		}
		text = rest
	}
}

// RevealPEM returns the private key as PKCS #8 in PEM. Store the text safely. RevealPEM
// returns [ErrKey] for a key that lives outside this process, such as in a hardware
// token.
func (k *Key) RevealPEM() ([]byte, error) {
	if !k.usable() {
		return nil, fmt.Errorf("%w: no key", ErrKey)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.raw)
	if err != nil {
		return nil, fmt.Errorf("%w: a signer of type %T does not reveal its private key", ErrKey, k.raw)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
