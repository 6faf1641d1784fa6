// Package keyfile keeps the keys of the examples in files: made when first asked
// for, readable by their owner alone, complete or not there.
package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/mytoken-go/sdk/mytoken"
	"github.com/mytoken-go/sdk/store/seal"
)

// Server returns the server key, which seals what a store holds. Several
// processes may ask at once; they get the same key.
func Server(name string) (seal.Key, error) {
	return load(name, func() ([]byte, error) { return []byte(seal.NewKey().Reveal()), nil },
		func(text []byte) (seal.Key, error) { return seal.ParseKey(string(text)) })
}

// Signing returns the key that signs mytokens, for an algorithm that the public
// clients understand. Several processes may ask at once; they get the same key.
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

// private refuses a file that others can read. Windows has no such modes.
func private(name string) error {
	info, err := os.Stat(name)
	if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("others can read it (mode %#o): chmod 600", info.Mode().Perm())
	}
	return err
}

// create writes the file under another name first, and links it to its own: so
// it is never there in part, and never replaced.
func create(name string, fresh func() ([]byte, error)) ([]byte, error) {
	text, err := fresh()
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(filepath.Dir(name), "new-*") // with mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(file.Name(), name); !errors.Is(err, fs.ErrExist) {
		return text, err
	}
	return os.ReadFile(name) // another process was faster
}
