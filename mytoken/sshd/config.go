package sshd

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/mytoken-go/sdk/mytoken/internal/budget"
	"github.com/mytoken-go/sdk/mytoken/issuer"
)

// ErrConfig is wrapped by errors about a [Config].
var ErrConfig = errors.New("sshd: invalid configuration")

// Config configures a [Server]. Issuer and HostKeys are required.
type Config struct {
	Issuer *issuer.Issuer
	// HostKeys prove to clients that they talk to this server: at most one of each type, RSA
	// from 2048 bits. See [HostKey] and [ParseHostKey].
	HostKeys []ssh.Signer
	// Address is where clients reach the server, as host:port: the configuration that users
	// get for their clients names it. Without a host, it is the host of the issuer URL.
	// Empty means port 2222.
	Address string
	// TrustedProxies are the networks of proxies that begin each connection with a PROXY
	// header, version 1 or 2. A connection from there without such a header is closed. Empty
	// means none.
	TrustedProxies []netip.Prefix
	// Logger gets refused connections, and commands, with the level Debug, panics with the
	// level Error, and failures to look up a key with the level Warn. The lines never hold a
	// secret, and so no SSH user. Nil means slog.Default().
	Logger *slog.Logger

	// Timeout is how long a connection may last. 0 means 30 s.
	Timeout time.Duration
	// IdleTimeout is how long a connection may last while no command runs and nothing
	// arrives. 0 means 10 s.
	IdleTimeout time.Duration
	// ProxyTimeout is how long a PROXY header may take to arrive. 0 means 1 s.
	ProxyTimeout time.Duration
	Limits       Limits
}

// Limits bound what clients take from a server. The zero value means the defaults.
type Limits struct {
	// Connections is how many may be open. Further ones are closed at once. 0 means 1024.
	Connections int
	// Unauthenticated is how many may be open that have not authenticated yet. 0 means 256. If
	// there are as many, a client takes the place of the oldest one from the address with most
	// of them. It is refused if that is its own address.
	Unauthenticated int
	// PerAddress is how many may be open from one address (for IPv6, the /64 network). 0
	// means 128.
	PerAddress int
	// Lookups is how often an address may name an unknown key or user in a burst. 0 means
	// 100. LookupsEvery is the time after which it may do so once more. 0 means 1 s. All
	// addresses together have ten times as much. Unknown keys do not count if the client
	// authenticates with another one on the same connection.
	Lookups      int
	LookupsEvery time.Duration
	// Command bounds a command, in bytes. 0 means 64 KiB.
	Command int
	// Output bounds what a command prints, in bytes. 0 means 16 MiB.
	Output int
}

// defaultPort is the port of SSH servers of mytoken.
const defaultPort = 2222

// complete checks the configuration and fills in defaults.
func (c *Config) complete() error {
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 10*time.Second)
	c.ProxyTimeout = cmp.Or(c.ProxyTimeout, time.Second)
	l := &c.Limits
	l.Connections = cmp.Or(l.Connections, 1024)
	l.Unauthenticated = cmp.Or(l.Unauthenticated, 256)
	l.PerAddress = cmp.Or(l.PerAddress, 128)
	l.Command = cmp.Or(l.Command, 64<<10)
	l.Output = cmp.Or(l.Output, 16<<20)
	switch {
	case c.Issuer == nil:
		return badConfig("the issuer is missing")
	case len(c.HostKeys) == 0:
		return badConfig("no host key; HostKey makes one")
	case c.Timeout < 0 || c.IdleTimeout < 0 || c.ProxyTimeout < 0:
		return badConfig("a time limit is negative")
	case l.Connections < 0 || l.Unauthenticated < 0 || l.PerAddress < 0 || l.Command < 0 || l.Output < 0:
		return badConfig("a limit is negative")
	}
	for _, p := range c.TrustedProxies {
		if !p.IsValid() || p.Addr().Is4In6() {
			return badConfig("TrustedProxies: %s is no network, or one of IPv4 in IPv6", p)
		}
	}
	return nil
}

// lookups returns the limits for look-ups.
func (l Limits) lookups() (budget.Rates, error) {
	r := budget.Rates{PerAddress: l.Lookups, PerAddressEvery: l.LookupsEvery}
	if err := r.Complete(budget.Rates{PerAddress: 100, PerAddressEvery: time.Second, Addresses: 1 << 16}); err != nil {
		return r, badConfig("Limits: %v", err)
	}
	r.Overall, r.OverallEvery = 10*r.PerAddress, r.PerAddressEvery/10
	return r, nil
}

// address splits Config.Address. The host may be empty.
func (c *Config) address() (host string, port int, err error) {
	if c.Address == "" {
		return "", defaultPort, nil
	}
	host, text, err := net.SplitHostPort(c.Address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil || port < 1 || port > 65535 || !plainHost(host) {
		return "", 0, badConfig("Address %q is not host:port", c.Address)
	}
	return host, port, nil
}

// plainHost reports whether a host may stand in the configuration of a client.
func plainHost(host string) bool {
	for _, r := range host {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_', r == ':':
		default:
			return false
		}
	}
	return true
}

func badConfig(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...))
}
