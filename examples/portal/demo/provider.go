// Package demo lets people try examples/portal. It has an OpenID provider for tests, the
// message with which the service starts, and a walk: the steps of a tour through the
// service, which it prints or takes by itself.
package demo

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/mytoken-go/sdk/internal/durable"
	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// Provider is an OpenID provider for tests. It shows browsers a page on which anybody can
// log in, and logs other programs in as alice. It replaces refresh tokens at each use, and
// keeps everything in memory. Dir is a directory for the files of the service that uses
// it.
type Provider struct {
	Config oidcupstream.Config
	Dir    string
	own    string // a directory that Close removes, or ""
	server *optest.Server
}

// addressFile is where a provider keeps its address.
const addressFile = "provider-for-tests"

// StartProvider starts a provider. If dir is empty, it makes a temporary directory.
// Otherwise the provider has the address that it had when it was started for that directory
// before: clients are configured with it. Close the provider at the end.
func StartProvider(dir string) (*Provider, error) {
	p := &Provider{Dir: dir}
	address, err := p.address()
	if err != nil {
		return nil, err
	}
	if dir == "" {
		if p.Dir, err = os.MkdirTemp("", "portal-"); err != nil {
			return nil, err
		}
		p.own = p.Dir
	}
	if p.server, err = optest.Start(optest.Options{Address: address, Rotation: optest.RotateStrict, LoginPage: true, Users: []optest.User{
		{Subject: "alice", Claims: map[string]any{"name": "Alice Example", "email": "alice@example.org"}},
		{Subject: "bob", Claims: map[string]any{"name": "Bob Example", "email": "bob@example.org"}},
	}}); err != nil {
		if address != "" {
			err = fmt.Errorf("the provider for tests cannot have its address of before: %w; end what uses it, or remove %s", err, filepath.Join(dir, addressFile))
		}
		return nil, errors.Join(err, p.removeOwn())
	}
	if err := p.keepAddress(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.Config = p.server.ClientConfig("")
	p.Config.Name = "a provider for tests"
	return p, nil
}

// address returns the address of an earlier provider for the directory, or nothing.
func (p *Provider) address() (string, error) {
	if p.Dir == "" {
		return "", nil
	}
	text, err := os.ReadFile(filepath.Join(p.Dir, addressFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(text)), err
}

// keepAddress keeps the address for the next start, unless the directory is a temporary one.
func (p *Provider) keepAddress() error {
	if p.own != "" {
		return nil
	}
	u, err := url.Parse(p.server.Issuer())
	if err != nil {
		return err
	}
	dir, err := durable.OpenDir(p.Dir)
	if err != nil {
		return err
	}
	return dir.Write(addressFile, []byte(u.Host+"\n"))
}

// Close ends the provider and removes the temporary directory.
func (p *Provider) Close() error { return errors.Join(p.server.Close(), p.removeOwn()) }

func (p *Provider) removeOwn() error {
	if p.own == "" {
		return nil
	}
	return os.RemoveAll(p.own)
}
