package rest

import (
	"net/http"
	"net/netip"
	"strings"
)

// ProxyHeader names a header in which a reverse proxy gives the address of its client.
type ProxyHeader string

// The headers that proxies set.
const (
	XForwardedFor ProxyHeader = "X-Forwarded-For"
	Forwarded     ProxyHeader = "Forwarded" // RFC 7239
)

// maxHops is how many entries a header may have.
const maxHops = 64

// clientAddress returns the address of the client: the peer of the connection, unless
// that is a trusted proxy. A trusted proxy names its own peer in the last entry of the
// header, which may be a trusted proxy too, and so on to the left (D17). If an entry is
// no address, the proxy does not know its client, and the result is invalid. An invalid
// address satisfies no restriction.
func (o *Options) clientAddress(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := plain(peer.Addr())
	if !o.trusted(addr) {
		return addr
	}
	values := r.Header.Values(string(o.ProxyHeader))
	if len(values) == 0 {
		return addr
	}
	var entries []string
	if o.ProxyHeader == Forwarded {
		entries, err = forwardedFor(strings.Join(values, ","))
	} else {
		entries = strings.Split(strings.Join(values, ","), ",")
	}
	if err != nil || len(entries) > maxHops {
		return netip.Addr{}
	}
	for i := len(entries) - 1; i >= 0 && o.trusted(addr); i-- {
		if addr = parseNode(strings.Trim(entries[i], " \t")); !addr.IsValid() {
			return netip.Addr{}
		}
	}
	return addr
}

func (o *Options) trusted(addr netip.Addr) bool {
	for _, p := range o.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// plain turns an IPv4 address that is mapped to IPv6 back into IPv4, and drops the zone.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// parseNode reads an address with or without a port: 192.0.2.1, 192.0.2.1:80,
// 2001:db8::1, [2001:db8::1], [2001:db8::1]:80. Anything else, even a name, gives an
// invalid address.
func parseNode(text string) netip.Addr {
	if addr, err := netip.ParseAddr(text); err == nil {
		return plain(addr)
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if addr, err := netip.ParseAddr(inner); ok && err == nil && addr.Is6() {
			return plain(addr)
		}
	}
	if with, err := netip.ParseAddrPort(text); err == nil {
		return plain(with.Addr())
	}
	return netip.Addr{}
}
