// Package sshd serves the clients of an issuer that come with an SSH key instead of a
// mytoken (protocol section 5.12):
//
//	AT=$(ssh mytoken AT)
//
// A user registers a key over HTTP and agrees to it in a browser (protocol section 5.11).
// From then on the key stands for a mytoken that nobody else holds. Its connections carry
// out commands, each of which makes the same checks as the same request over HTTP.
//
//	server, err := sshd.New(sshd.Config{Issuer: iss, HostKeys: []ssh.Signer{key}})
//	handler, err := rest.NewHandler(iss, rest.Options{SSH: server})
//	go server.Serve(listener, handler)
//	…
//	err = server.Shutdown(ctx)
//
// [HostKey] keeps a host key in a file. Keep it over restarts, and give all machines
// behind one address the same: clients refuse a server whose key has changed. The
// discovery document of package rest lists the fingerprints.
//
// # What a client may do
//
// Clients authenticate with a public key, and with nothing else. The SSH user is a secret
// that opens the token behind the key: a thief of the database and of the server keys has
// neither. A connection may open sessions and run one command in each. Everything else is
// refused: terminals, environments, subsystems, forwarding, agents.
//
// # Limits
//
// [Limits] bounds connections, in all, for each address, and before they have
// authenticated, and how often an address may name a key or user that is not known. No
// address keeps others out with connections that do not authenticate. A connection has
// Config.Timeout in all, and Config.IdleTimeout without a running command. Put the server
// behind a TCP proxy only with Config.TrustedProxies: otherwise all clients have the
// address of the proxy.
//
// Section numbers in comments refer to PROTOCOL.md in the repository root.
package sshd
