// Package demo lets people try examples/portal. It has an OpenID provider for tests, the
// message with which the service starts, and a walk: the steps of a tour through the
// service, which it prints or takes by itself.
package demo

import (
	"errors"
	"os"

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

// StartProvider starts a provider. If dir is empty, it makes a temporary directory. Close
// the provider at the end.
func StartProvider(dir string) (*Provider, error) {
	p := &Provider{Dir: dir}
	var err error
	if dir == "" {
		if p.Dir, err = os.MkdirTemp("", "portal-"); err != nil {
			return nil, err
		}
		p.own = p.Dir
	}
	if p.server, err = optest.Start(optest.Options{Rotation: optest.RotateStrict, LoginPage: true, Users: []optest.User{
		{Subject: "alice", Claims: map[string]any{"name": "Alice Example", "email": "alice@example.org"}},
		{Subject: "bob", Claims: map[string]any{"name": "Bob Example", "email": "bob@example.org"}},
	}}); err != nil {
		return nil, errors.Join(err, p.removeOwn())
	}
	p.Config = p.server.ClientConfig("")
	p.Config.Name = "a provider for tests"
	return p, nil
}

// Close ends the provider and removes the temporary directory.
func (p *Provider) Close() error { return errors.Join(p.server.Close(), p.removeOwn()) }

func (p *Provider) removeOwn() error {
	if p.own == "" {
		return nil
	}
	return os.RemoveAll(p.own)
}
