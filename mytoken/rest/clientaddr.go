package rest

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/mytoken-go/sdk/mytoken/issuer"
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
// that is a trusted proxy. So is the peer of a Unix socket, which has no address, if
// TrustUnixPeers is set. A trusted proxy names its own peer in the last entry of the
// header, which may be a trusted proxy too, and so on to the left (D17).
//
// A trusted proxy is never the client. If the header does not lead to somebody else, the
// address is invalid, and the text says why. An invalid address satisfies no restriction.
func (o *Options) clientAddress(r *http.Request) (addr netip.Addr, unknown string) {
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		if addr = plain(peer.Addr()); !o.trusted(addr) {
			return addr, ""
		}
	} else if !throughUnixSocket(r) {
		return netip.Addr{}, "the connection comes from no IP address and port"
	} else if !o.TrustUnixPeers {
		return netip.Addr{}, "the connection comes through a Unix socket, and TrustUnixPeers is not set"
	}
	header := string(o.ProxyHeader)
	values := r.Header.Values(header)
	if len(values) == 0 {
		return netip.Addr{}, "the header " + header + " is missing"
	}
	var entries []string
	var err error
	if o.ProxyHeader == Forwarded {
		entries, err = forwardedFor(strings.Join(values, ","))
	} else {
		entries = strings.Split(strings.Join(values, ","), ",")
	}
	if err != nil || len(entries) > maxHops {
		return netip.Addr{}, header + " is malformed or too long"
	}
	for i := len(entries) - 1; i >= 0; i-- {
		switch addr = parseNode(strings.Trim(entries[i], " \t")); {
		case !addr.IsValid():
			return netip.Addr{}, header + " has an entry that is no address"
		case !o.trusted(addr):
			return addr, ""
		}
	}
	return netip.Addr{}, header + " names trusted proxies alone"
}

// throughUnixSocket reports whether the request came through a Unix socket. The server's
// own end of the connection says so. RemoteAddr does not if a handler in front replaced
// it by text that a client sent. It decides only if no server left its end in the context.
func throughUnixSocket(r *http.Request) bool {
	if own, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return strings.HasPrefix(own.Network(), "unix")
	}
	return r.RemoteAddr == "" || r.RemoteAddr == "@"
}

// unknownClients tells an operator why the addresses of clients are not known, at most
// once a minute for each reason. It is safe for concurrent use.
type unknownClients struct {
	mu   sync.Mutex
	told map[string]time.Time // by reason, of which there are few
}

func (u *unknownClients) due(reason string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if since := now.Sub(u.told[reason]); since >= 0 && since < time.Minute {
		return false
	}
	if u.told == nil {
		u.told = make(map[string]time.Time)
	}
	u.told[reason] = now
	return true
}

// ClientOf returns who makes a request, as this handler sees it: by TrustedProxies,
// TrustUnixPeers, ProxyHeader and Values. Routes of the embedding program that call the
// issuer pass it on. So the restrictions of a token judge the same address there, and a
// header that anybody can write does not choose it.
func (h *Handler) ClientOf(r *http.Request) issuer.Client {
	c := issuer.Client{Address: h.addressOf(r), UserAgent: r.UserAgent()}
	if h.opts.Values != nil {
		c.Values = h.opts.Values(r)
	}
	return c
}

// addressOf returns the address of the client, and logs if that is not known.
func (h *Handler) addressOf(r *http.Request) netip.Addr {
	addr, unknown := h.opts.clientAddress(r)
	if unknown != "" && h.unknown.due(unknown, h.issuer.Now()) {
		h.opts.Logger.WarnContext(r.Context(), "mytoken: the address of a client is not known; all such clients share one budget of guesses and logins",
			"reason", unknown, "peer", r.RemoteAddr, "header", string(h.opts.ProxyHeader))
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
