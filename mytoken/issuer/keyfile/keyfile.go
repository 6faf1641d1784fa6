package keyfile

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store/seal"
)

// Names of the files in a directory of keys. Other keys of the same kind have something
// between the two parts.
var (
	serverName  = name{"server.", "key"}
	signingName = name{"signing-key.", "pem"}
)

// next is the part in the middle of the names of the files that Prepare makes.
const next = "next."

// Open returns the keys in a directory, for the fields Keys and Seal of the issuer's
// configuration. It makes the directory and the keys if they are missing. Processes that
// call it at the same time get the same keys. It makes no key where only other keys of the
// same kind are: one of those may be the one that the store needs.
//
// An error names the file and says what to do about it. It wraps [fs.ErrNotExist] for a
// missing file, [seal.ErrFormat] for a damaged server key, and [mytoken.ErrKey] for a
// signing key that is damaged or does not suit.
func Open(dir string) (*mytoken.Keys, *seal.Ring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("keyfile: the directory for keys cannot be made: %w", err)
	}
	return open(dir, true)
}

// Load is like [Open], but makes nothing. Use it where the files come from elsewhere.
func Load(dir string) (*mytoken.Keys, *seal.Ring, error) { return open(dir, false) }

// Prepare makes the next keys in a directory, server.next.key and signing-key.next.pem, if
// they are missing. The next [Open] reads them. They become active when you rename them;
// the package comment lists the steps.
func Prepare(dir string) error {
	_, server := Server(filepath.Join(dir, serverName.with(next)))
	_, signing := Signing(filepath.Join(dir, signingName.with(next)))
	return errors.Join(server, signing)
}

// Server returns the server key in one file, and makes the file if it is missing.
// Processes that ask at the same time get the same key. A service that has a [seal.Box]
// keeps the key of the box so. Its errors are those of [Open].
func Server(path string) (seal.Key, error) { return one(path, newServerKey, parseServerKey) }

// Signing returns the signing key in one file, and makes the file if it is missing. New
// keys have the default algorithm of [mytoken.GenerateKey]. A key that exists keeps its
// algorithm. Processes that ask at the same time get the same key. Its errors are those of
// [Open].
func Signing(path string) (*mytoken.Key, error) { return one(path, newSigningKey, parseSigningKey) }

func open(dir string, create bool) (*mytoken.Keys, *seal.Ring, error) {
	server, err := read(dir, serverName, create, newServerKey)
	if err != nil {
		return nil, nil, err
	}
	ring, err := ringOf(server)
	if err != nil {
		return nil, nil, err
	}
	signing, err := read(dir, signingName, create, newSigningKey)
	if err != nil {
		return nil, nil, err
	}
	keys, err := keysOf(signing)
	if err != nil {
		return nil, nil, err
	}
	return keys, ring, nil
}

// ringOf returns a ring of the keys in files, of which the first one is active. The same
// key may be in two files.
func ringOf(files []file) (*seal.Ring, error) {
	var config seal.RingConfig
	seen := make(map[seal.KeyID]bool)
	for i, f := range files {
		key, err := parseServerKey(f.text)
		switch {
		case err != nil:
			return nil, inFile(f.path, err)
		case i == 0:
			config.Active = key
		case !seen[key.ID()]:
			config.Others = append(config.Others, key)
		}
		seen[key.ID()] = true
	}
	return seal.NewRing(config)
}

// keysOf is like ringOf, but for signing keys.
func keysOf(files []file) (*mytoken.Keys, error) {
	active, err := parseSigningKey(files[0].text)
	if err != nil {
		return nil, inFile(files[0].path, err)
	}
	keys, err := mytoken.NewKeys(active)
	for _, f := range files[1:] {
		check, bad := parseCheckKey(f.text)
		if err = errors.Join(err, bad); bad == nil && err == nil {
			err = keys.Add(check)
		}
		if err != nil {
			return nil, inFile(f.path, err)
		}
	}
	return keys, err
}

func newServerKey() ([]byte, error) { return []byte(seal.NewKey().Reveal()), nil }

// parseServerKey ignores the line break that editors write at the end.
func parseServerKey(text []byte) (seal.Key, error) {
	return seal.ParseKey(strings.TrimSpace(string(text)))
}

func newSigningKey() ([]byte, error) {
	key, err := mytoken.GenerateKey("")
	if err != nil {
		return nil, err
	}
	return key.RevealPEM()
}

// parseSigningKey reads a private key. Several algorithms fit an RSA key; RS256 is the one
// that every library knows.
func parseSigningKey(text []byte) (*mytoken.Key, error) {
	key, err := mytoken.ParseKeyPEM(text, "")
	if err != nil {
		if rsa, bad := mytoken.ParseKeyPEM(text, mytoken.RS256); bad == nil {
			return rsa, nil
		}
	}
	return key, err
}

// parseCheckKey reads a key that only checks: a private one, or its public half.
func parseCheckKey(text []byte) (*mytoken.PublicKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" || len(bytes.TrimSpace(rest)) > 0 {
		key, err := parseSigningKey(text)
		return key.Public(), err
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: malformed PEM block %q", mytoken.ErrKey, block.Type)
	}
	if _, rsa := parsed.(*rsa.PublicKey); rsa {
		return mytoken.NewPublicKey(parsed, mytoken.RS256)
	}
	return mytoken.NewPublicKey(parsed, "")
}
