// Package keyfile keeps the keys of the examples in files. It makes a file when a program
// first asks for the key. Only the owner can read the file, and it is never there in
// part.
package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/mytoken-go/sdk/internal/durable"
	"github.com/mytoken-go/sdk/internal/ownfile"
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
	text, err := read(name, fresh)
	if err == nil {
		key, err = parse(text)
	}
	if err != nil {
		return key, fmt.Errorf("key file %s: %w", name, err)
	}
	return key, nil
}

// maxFile bounds a key file, in bytes.
const maxFile = 64 << 10

// read returns the content of the file, and makes the file if it is missing. It returns
// an error if other users can read the file, or may replace it.
func read(path string, fresh func() ([]byte, error)) ([]byte, error) {
	path = ownfile.Plain(path)
	dir, err := ownfile.OpenDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	name := filepath.Base(path)
	text, err := dir.ReadCredential(name, maxFile)
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	if text, err = fresh(); err != nil {
		return nil, err
	}
	if err := durable.Create(dir.Root, name, text); !errors.Is(err, fs.ErrExist) {
		return text, err
	}
	return dir.ReadCredential(name, maxFile) // another process was faster
}
