package sshd

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
	"github.com/mytoken-go/sdk/mytoken/issuer/keyfile"
)

const (
	maxKeyLine  = 16 << 10 // bytes of a public key in text form
	minRSABits  = 2048
	mostRSABits = 16384 // a signature of a larger key takes too long to check
)

// clientKeys are the types of keys that clients may have.
var clientKeys = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoRSA,
}

// clientSignatures are the signatures that clients may make with them.
var clientSignatures = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256,
	ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512,
}

// These algorithms protect connections: the defaults of package ssh without SHA-1.
var (
	keyExchanges = []string{
		ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519,
		ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521, ssh.KeyExchangeDH14SHA256,
	}
	macs = []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM, ssh.HMACSHA256, ssh.HMACSHA512}
)

// ParseKey reads a public key, one line as in an authorized_keys file, and returns its
// fingerprint. It ignores options and comment. The text of an error is for users.
func (s *Server) ParseKey(line string) (fingerprint string, err error) {
	line = strings.TrimSpace(line)
	switch {
	case len(line) > maxKeyLine:
		return "", fmt.Errorf("it is longer than %d bytes", maxKeyLine)
	case strings.ContainsAny(line, "\r\n"):
		return "", errors.New("it has more than one line")
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return "", errors.New("it is not a line as in authorized_keys, such as a .pub file has it")
	}
	if err := checkKey(key); err != nil {
		return "", err
	}
	return ssh.FingerprintSHA256(key), nil
}

// checkKey refuses keys that are too weak, and certificates.
func checkKey(key ssh.PublicKey) error {
	if _, certificate := key.(*ssh.Certificate); certificate {
		return errors.New("it is a certificate: use the key itself")
	}
	if !slices.Contains(clientKeys, key.Type()) {
		return fmt.Errorf("keys of the type %s are not accepted: use Ed25519, ECDSA or RSA", clip.Name(legible.Show(key.Type())))
	}
	return checkRSA(key)
}

func checkRSA(key ssh.PublicKey) error {
	if own, ok := key.(ssh.CryptoPublicKey); ok {
		if key, ok := own.CryptoPublicKey().(*rsa.PublicKey); ok && (key.N.BitLen() < minRSABits || key.N.BitLen() > mostRSABits) {
			return fmt.Errorf("an RSA key of %d bits is not accepted: use one of %d to %d bits", key.N.BitLen(), minRSABits, mostRSABits)
		}
	}
	return nil
}

// HostKey returns the host key in a file, and makes an Ed25519 key there if the file is
// missing. Processes that ask at the same time get the same key. Other users must not be
// able to read the file. Errors are those of [keyfile.Text] and [ParseHostKey].
func HostKey(path string) (ssh.Signer, error) {
	text, err := keyfile.Text(path, newHostKey)
	if err != nil {
		return nil, err
	}
	key, err := ParseHostKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func newHostKey() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(crypto.PrivateKey(key), "mytoken")
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}

// ParseHostKey reads a private key in the format of OpenSSH, or in PEM, without a
// passphrase. An error says what is wrong, and shows nothing of the key. It wraps
// [ErrConfig].
func ParseHostKey(text []byte) (ssh.Signer, error) {
	key, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, badConfig("the host key has a passphrase: a server cannot ask for it")
	case err != nil:
		return nil, badConfig("the host key is no private key in the format of OpenSSH or PEM")
	}
	return key, checkHostKey(key)
}

func checkHostKey(key ssh.Signer) error {
	kind := key.PublicKey().Type()
	if !slices.Contains(clientKeys, kind) || strings.HasPrefix(kind, "sk-") {
		return badConfig("a host key of the type %s: use Ed25519, ECDSA or RSA", kind)
	}
	if err := checkRSA(key.PublicKey()); err != nil {
		return badConfig("host key: %v", err)
	}
	return nil
}

// strongSigner returns a host key that makes no signatures with SHA-1.
func strongSigner(key ssh.Signer) (ssh.Signer, error) {
	if key.PublicKey().Type() != ssh.KeyAlgoRSA {
		return key, nil
	}
	able, ok := key.(ssh.AlgorithmSigner)
	if !ok {
		return nil, badConfig("the RSA host key is no ssh.AlgorithmSigner, so it can only sign with SHA-1")
	}
	strong, err := ssh.NewSignerWithAlgorithms(able, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256})
	if err != nil {
		return nil, badConfig("host key: %v", err)
	}
	return strong, nil
}
