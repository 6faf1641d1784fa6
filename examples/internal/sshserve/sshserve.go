// Package sshserve adds an SSH server to an HTTP service, if its operator wants one.
package sshserve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"golang.org/x/crypto/ssh"

	"github.com/mytoken-go/sdk/mytoken/issuer"
	"github.com/mytoken-go/sdk/mytoken/rest"
	"github.com/mytoken-go/sdk/mytoken/sshd"
)

// Door is where SSH clients come in. A nil Door is closed for good.
type Door struct {
	server   *sshd.Server
	listener net.Listener
}

// Open listens at an address, such as :2222, or returns nil for an empty one. The host
// key is in a file, which is made if it is missing. Keep it: clients refuse a server with
// another one.
func Open(iss *issuer.Issuer, address, hostKey string) (*Door, error) {
	if address == "" {
		return nil, nil
	}
	key, err := sshd.HostKey(hostKey)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	server, err := sshd.New(sshd.Config{Issuer: iss, HostKeys: []ssh.Signer{key}, Address: fmt.Sprintf(":%d", port)})
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	slog.Info("serving SSH", "ssh", listener.Addr().String(), "host_key", ssh.FingerprintSHA256(key.PublicKey()))
	return &Door{server, listener}, nil
}

// Server is for the options of the HTTP handler.
func (d *Door) Server() rest.SSHServer {
	if d == nil {
		return nil
	}
	return d.server
}

// Serve begins to serve, and tells when that has failed.
func (d *Door) Serve(handler *rest.Handler, failed chan<- error) {
	if d == nil {
		return
	}
	go func() {
		if err := d.server.Serve(d.listener, handler); !errors.Is(err, sshd.ErrServerClosed) {
			failed <- err
		}
	}()
}

// Close lets nobody in from now on, and returns at once. Commands that run go on.
func (d *Door) Close() {
	if d != nil {
		go func() { _ = d.server.Shutdown(context.Background()) }() // as long as a connection may last
	}
}

// Before returns a function that closes the door, waits for the commands that run, and
// then calls next.
func (d *Door) Before(next func(context.Context) error) func(context.Context) error {
	if d == nil {
		return next
	}
	return func(ctx context.Context) error { return errors.Join(d.server.Shutdown(ctx), next(ctx)) }
}
