package rest

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// TestD17_ClientAddress: the handler believes a header only from a trusted proxy, from
// the right, and only if it holds addresses. A proxy is never the client. // proves P2
func TestD17_ClientAddress(t *testing.T) {
	const peer, proxy, inner = "203.0.113.7:4711", "10.0.0.1:4711", "10.0.0.2"
	for _, c := range []struct {
		name, remote string
		header       ProxyHeader
		values       []string // of X-Forwarded-For, or of Forwarded where header says so
		want         string   // "" for none
	}{
		{"no proxy", peer, XForwardedFor, nil, "203.0.113.7"},
		{"nonsense by a client", peer, Forwarded, []string{`for="`}, "203.0.113.7"},
		{"a lot by a client", peer, XForwardedFor, []string{strings.Repeat("192.0.2.1,", 100)}, "203.0.113.7"},
		{"forged by a client", peer, XForwardedFor, []string{"192.0.2.1"}, "203.0.113.7"},
		{"by the proxy", proxy, XForwardedFor, []string{"192.0.2.1"}, "192.0.2.1"},
		{"forged in front", proxy, XForwardedFor, []string{"198.51.100.1, 192.0.2.1"}, "192.0.2.1"},
		{"forged in a line of its own", proxy, XForwardedFor, []string{"198.51.100.1", "192.0.2.1"}, "192.0.2.1"},
		{"two proxies", proxy, XForwardedFor, []string{"198.51.100.1, 192.0.2.1, " + inner}, "192.0.2.1"},
		{"only proxies", proxy, XForwardedFor, []string{inner}, ""},
		{"two proxies alone", proxy, XForwardedFor, []string{"10.0.0.9, " + inner}, ""},
		{"no header", proxy, XForwardedFor, nil, ""},
		{"no header, mapped proxy", "[::ffff:10.0.0.1]:1", XForwardedFor, nil, ""},
		{"obfuscated", proxy, XForwardedFor, []string{"_hidden"}, ""},
		{"an empty entry", proxy, XForwardedFor, []string{"192.0.2.1,"}, ""},
		{"as many as allowed", proxy, XForwardedFor, []string{"192.0.2.1" + strings.Repeat(","+inner, 63)}, "192.0.2.1"},
		{"one more", proxy, XForwardedFor, []string{"192.0.2.1" + strings.Repeat(","+inner, 64)}, ""},
		{"a name", proxy, XForwardedFor, []string{"foo.example.com"}, ""},
		{"a name behind an address", proxy, XForwardedFor, []string{"192.0.2.1, unknown"}, ""},
		{"a name in front", proxy, XForwardedFor, []string{"unknown, 192.0.2.1"}, "192.0.2.1"},
		{"empty", proxy, XForwardedFor, []string{""}, ""},
		{"with a port", proxy, XForwardedFor, []string{"192.0.2.1:80"}, "192.0.2.1"},
		{"IPv6", proxy, XForwardedFor, []string{"2001:db8::1"}, "2001:db8::1"},
		{"IPv6 in brackets", proxy, XForwardedFor, []string{"[2001:db8::1]:80"}, "2001:db8::1"},
		{"mapped", proxy, XForwardedFor, []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"mapped proxy", "[::ffff:10.0.0.1]:1", XForwardedFor, []string{"192.0.2.1"}, "192.0.2.1"},
		{"with a zone", "[fe80::1%eth0]:1", XForwardedFor, nil, "fe80::1"},
		{"too many", proxy, XForwardedFor, []string{strings.Repeat(inner+",", 70) + inner}, ""},
		{"a Unix socket", "@", XForwardedFor, []string{"192.0.2.1"}, ""},
		{"no peer", "", XForwardedFor, []string{"192.0.2.1"}, ""},
		{"a peer without a port", "192.0.2.1", XForwardedFor, nil, ""},

		{"the other header", proxy, XForwardedFor, nil, ""},
		{"both headers", proxy, XForwardedFor, []string{"198.51.100.1"}, "198.51.100.1"},
		{"the other header, Forwarded", proxy, Forwarded, nil, ""},
		{"Forwarded, only proxies", proxy, Forwarded, []string{`for=10.0.0.9, for="10.0.0.2:80"`}, ""},
		{"Forwarded, empty", proxy, Forwarded, []string{""}, ""},
		{"Forwarded", proxy, Forwarded, []string{`for=198.51.100.1, for=192.0.2.1;proto=https;by=10.0.0.1`}, "192.0.2.1"},
		{"Forwarded, IPv6", proxy, Forwarded, []string{`For="[2001:db8::1]:4711"`}, "2001:db8::1"},
		{"Forwarded, comma in quotes", proxy, Forwarded, []string{`for="192.0.2.9, for=198.51.100.1";by=x`, `for=192.0.2.1`}, "192.0.2.1"},
		{"Forwarded, hidden", proxy, Forwarded, []string{`for=_hidden`}, ""},
		{"Forwarded, unknown", proxy, Forwarded, []string{`for=unknown, for=` + inner}, ""},
		{"Forwarded, no for", proxy, Forwarded, []string{`proto=https`}, ""},
		{"Forwarded, malformed", proxy, Forwarded, []string{`for=192.0.2.1; ;=`}, ""},
		{"Forwarded, open quote", proxy, Forwarded, []string{`for="192.0.2.1`}, ""},
		{"Forwarded, twice", proxy, Forwarded, []string{`for=192.0.2.1;for=192.0.2.2`}, ""},
	} {
		o := Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, ProxyHeader: c.header}
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		name := string(c.header)
		for _, v := range c.values {
			r.Header.Add(name, v)
		}
		switch c.name {
		case "the other header", "both headers":
			r.Header.Set("Forwarded", "for=192.0.2.1")
		case "the other header, Forwarded":
			r.Header.Set("X-Forwarded-For", "192.0.2.1")
		}
		got, unknown := o.clientAddress(r)
		if got.IsValid() != (unknown == "") || c.want == "" && got.IsValid() || c.want != "" && got.String() != c.want {
			t.Errorf("%s: %s (%s), want %q", c.name, got, unknown, c.want)
		}
	}
}

// TestUnixPeers: only the server's own end of a connection makes its peer a proxy. Text
// that a client may have chosen does not. // proves P2
func TestUnixPeers(t *testing.T) {
	unix, tcp := net.Addr(&net.UnixAddr{Name: "/run/s", Net: "unix"}), net.Addr(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 80})
	for _, c := range []struct {
		name, remote string
		own          net.Addr // nil: the server does not say
		trusts       bool
		want         string // "" for none
	}{
		{"unnamed", "@", unix, true, "198.51.100.7"},
		{"without a name", "", unix, true, "198.51.100.7"},
		{"bound to a path", "/tmp/proxy", unix, true, "198.51.100.7"},
		{"not trusted", "@", unix, false, ""},
		{"another transport", "pipe", &net.IPAddr{}, true, ""},
		{"a header in front says @", "@", tcp, true, ""},
		{"a header in front says nothing", "", tcp, true, ""},
		{"a header in front says an address", "192.0.2.1", tcp, true, ""},
		{"a peer with an address", "203.0.113.7:1", tcp, true, "203.0.113.7"},
		{"an address from a proxy protocol", "203.0.113.7:1", unix, true, "203.0.113.7"},
		{"a server of its own", "@", nil, true, "198.51.100.7"},
		{"a server of its own, not trusted", "@", nil, false, ""},
		{"nonsense", "x", nil, true, ""},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{"X-Forwarded-For": {"192.0.2.66, 198.51.100.7"}}}
		if c.own != nil {
			r = r.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, c.own))
		}
		o := Options{TrustUnixPeers: c.trusts, ProxyHeader: XForwardedFor}
		got, unknown := o.clientAddress(r)
		if got.IsValid() != (unknown == "") || c.want == "" && got.IsValid() || c.want != "" && got.String() != c.want {
			t.Errorf("%s: %s (%s), want %q", c.name, got, unknown, c.want)
		}
	}
}

// TestForwardedFor reads the examples of RFC 7239, and refuses malformed headers.
func TestForwardedFor(t *testing.T) {
	for header, want := range map[string][]string{
		`for=a`:                      {"a"},
		`for=a, for=b`:               {"a", "b"},
		` for = a`:                   nil, // no space around =
		`For="a\"b"`:                 {`a"b`},
		`by=x;for=a;host=h, proto=p`: {"a", ""},
		`for=a;`:                     {"a"},
		`,for=a`:                     {"", "a"},
		`for=a b`:                    nil,
		`for="a" b`:                  nil,
		`for`:                        nil,
		"for=\"a\x01\"":              nil,
	} {
		got, err := forwardedFor(header)
		if (err != nil) != (want == nil) || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, %v, want %q", header, got, err, want)
		}
	}
}

// FuzzForwarded: the address is the peer's or one from the header, whatever the header
// says. It is never the address of a client behind an untrusted proxy.
func FuzzForwarded(f *testing.F) {
	f.Add("for=192.0.2.1", "198.51.100.1, 192.0.2.1")
	f.Add(`for="[2001:db8::1]:1";by=x, for=_x`, "[::1]:80,")
	o := Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	f.Fuzz(func(t *testing.T, forwarded, xff string) {
		for header, value := range map[ProxyHeader]string{Forwarded: forwarded, XForwardedFor: xff} {
			o.ProxyHeader = header
			r := &http.Request{RemoteAddr: "203.0.113.7:1", Header: http.Header{string(header): {value}}}
			if got, _ := o.clientAddress(r); got.String() != "203.0.113.7" {
				t.Fatalf("an untrusted peer became %s", got)
			}
			r.RemoteAddr = "10.0.0.1:1"
			r.Header[string(header)] = []string{value, map[ProxyHeader]string{Forwarded: "for=192.0.2.1", XForwardedFor: "192.0.2.1"}[header]}
			if got, _ := o.clientAddress(r); got.IsValid() && got.String() != "192.0.2.1" {
				t.Fatalf("%q made the address %s", value, got)
			}
		}
	})
}
