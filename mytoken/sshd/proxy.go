package sshd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// errProxy reports a connection that does not begin with a PROXY header.
var errProxy = errors.New("sshd: no PROXY header, or a malformed one")

// The bounds of a PROXY header, in bytes.
const (
	maxProxyText   = 107 // version 1, with the line break
	maxProxyBinary = 4 << 10
)

// proxySignature begins a header of version 2.
const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// readProxyHeader reads the header of the PROXY protocol, version 1 or 2, and not a byte
// more. It returns the address of the client. The address is invalid if the proxy does
// not know it, or has opened the connection itself.
func readProxyHeader(r io.Reader) (netip.Addr, error) {
	head := make([]byte, len(proxySignature), maxProxyText)
	if _, err := io.ReadFull(r, head); err != nil {
		return netip.Addr{}, errProxy
	}
	if string(head) == proxySignature {
		return readProxyBinary(r)
	}
	for !bytes.HasSuffix(head, []byte("\n")) {
		if len(head) == maxProxyText || !bytes.HasPrefix(head, []byte("PROXY ")) {
			return netip.Addr{}, errProxy
		}
		head = head[:len(head)+1]
		if _, err := io.ReadFull(r, head[len(head)-1:]); err != nil {
			return netip.Addr{}, errProxy
		}
	}
	return parseProxyText(string(head))
}

// parseProxyText reads a header of version 1.
func parseProxyText(line string) (netip.Addr, error) {
	line, ok := strings.CutSuffix(line, "\r\n")
	fields := strings.Split(line, " ")
	switch {
	case !ok || len(fields) < 2 || fields[0] != "PROXY":
		return netip.Addr{}, errProxy
	case fields[1] == "UNKNOWN": // whatever follows
		return netip.Addr{}, nil
	case len(fields) != 6 || !isPort(fields[4]) || !isPort(fields[5]):
		return netip.Addr{}, errProxy
	}
	from, bad := netip.ParseAddr(fields[2])
	to, worse := netip.ParseAddr(fields[3])
	is4 := fields[1] == "TCP4"
	if bad != nil || worse != nil || !is4 && fields[1] != "TCP6" || from.Is4() != is4 || to.Is4() != is4 || from.Zone() != "" {
		return netip.Addr{}, errProxy
	}
	return from.Unmap(), nil
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == text
}

// readProxyBinary reads a header of version 2 after its signature.
func readProxyBinary(r io.Reader) (netip.Addr, error) {
	var fixed [4]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return netip.Addr{}, errProxy
	}
	length := int(binary.BigEndian.Uint16(fixed[2:]))
	if length > maxProxyBinary {
		return netip.Addr{}, errProxy
	}
	rest := make([]byte, length)
	if _, err := io.ReadFull(r, rest); err != nil {
		return netip.Addr{}, errProxy
	}
	switch {
	case fixed[0] == 0x20: // LOCAL: a health check of the proxy
		return netip.Addr{}, nil
	case fixed[0] != 0x21:
		return netip.Addr{}, errProxy
	}
	switch fixed[1] {
	case 0x11: // TCP over IPv4: two addresses, two ports
		if length >= 12 {
			return netip.AddrFrom4([4]byte(rest)), nil
		}
	case 0x21: // TCP over IPv6
		if length >= 36 {
			return netip.AddrFrom16([16]byte(rest)).Unmap(), nil
		}
	case 0x00, 0x31: // unspecified, or a Unix socket
		return netip.Addr{}, nil
	}
	return netip.Addr{}, errProxy
}
