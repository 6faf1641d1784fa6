// Package loopback tells whether a host is certainly this machine.
package loopback

import "net/netip"

// Is reports whether host, as [net/url.URL.Hostname] returns it, is a loopback address.
// Plain HTTP to it does not leave the machine.
//
// The name localhost does not count. If the hosts file lacks it, a DNS server decides
// which machine it means. RFC 8252 section 8.3 advises against the name for this reason.
func Is(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
