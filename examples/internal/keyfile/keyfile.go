// Package keyfile keeps the keys of the examples in files. It makes a file when a program
// first asks for the key. Only the owner can read the file, and it is never there in
// part.
package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/mytoken-go/sdk/internal/durable"
	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store/seal"
)

// Server returns the key that seals what a store holds. Processes that ask at the same
// time get the same key.
func Server(name string) (seal.Key, error) {
	return load(name, func() ([]byte, error) { return []byte(seal.NewKey().Reveal()), nil },
		func(text []byte) (seal.Key, error) { return seal.ParseKey(string(text)) })
}

// Signing returns the key that signs mytokens. The public clients understand its
// algorithm. Processes that ask at the same time get the same key.
func Signing(name string) (*mytoken.Key, error) {
	return load(name, func() ([]byte, error) {
		key, err := mytoken.GenerateKey(mytoken.ES512)
		if err != nil {
			return nil, err
		}
		return key.RevealPEM()
	}, func(text []byte) (*mytoken.Key, error) { return mytoken.ParseKeyPEM(text, mytoken.ES512) })
}

func load[T any](name string, fresh func() ([]byte, error), parse func([]byte) (T, error)) (key T, err error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = create(name, fresh)
	}
	if err == nil {
		err = private(name)
	}
	if err == nil {
		key, err = parse(text)
	}
	if err != nil {
		return key, fmt.Errorf("key file %s: %w", name, err)
	}
	return key, nil
}

// private returns an error if others can read the file. Windows has no such modes.
func private(name string) error {
	info, err := os.Stat(name)
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("others can read it (mode %#o): chmod 600", info.Mode().Perm())
	}
	return err
}

// create makes the file, unless another process does so at the same time.
func create(name string, fresh func() ([]byte, error)) ([]byte, error) {
	text, err := fresh()
	if err != nil {
		return nil, err
	}
	if err := durable.Create(name, text); !errors.Is(err, fs.ErrExist) {
		return text, err
	}
	return os.ReadFile(name) // another process was faster
}
