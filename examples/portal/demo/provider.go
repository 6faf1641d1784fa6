// Package demo is what examples/portal needs to be tried: an OpenID provider for
// tests, and a walk through the service, printed for people or done by itself.
package demo

import (
	"errors"
	"os"

	"github.com/mytoken-go/sdk/oidcupstream"
	"github.com/mytoken-go/sdk/oidcupstream/optest"
)

// Provider is an OpenID provider for tests. It lets everybody in as alice,
// replaces refresh tokens at each use, and forgets everything at the end. So Dir,
// a directory for a service that uses it, goes with it.
type Provider struct {
	Config oidcupstream.Config
	Dir    string
	server *optest.Server
}

// StartProvider starts a provider. Close it.
func StartProvider() (*Provider, error) {
	dir, err := os.MkdirTemp("", "portal-")
	if err != nil {
		return nil, err
	}
	server, err := optest.Start(optest.Options{Rotation: optest.RotateStrict})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	config := server.ClientConfig("")
	config.Name = "a provider for tests"
	return &Provider{Config: config, Dir: dir, server: server}, nil
}

// Close ends the provider and removes the directory.
func (p *Provider) Close() error { return errors.Join(p.server.Close(), os.RemoveAll(p.Dir)) }
