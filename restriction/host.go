package restriction

import (
	"net/netip"
	"strings"

	"github.com/mytoken-go/sdk/internal/clip"
)

// host is one entry of [Clause.Hosts], parsed: a block of addresses, a name, or a
// pattern. The zero host matches nothing.
type host struct {
	block netip.Prefix
	// name is in lower case, without a trailing dot. The pattern "*.example.org" is
	// ".example.org".
	name string
}

// parseHost reads an address, a CIDR block, a host name, or a pattern "*." followed by a
// host name (protocol section 2.3). It treats an IPv4-mapped IPv6 address as the IPv4
// address, and ignores the host bits of a block. It converts names to lower case.
func parseHost(entry string) (host, error) {
	switch {
	case entry == "":
		return host{}, badValue(ErrInvalid, "an entry is empty")
	case strings.EqualFold(entry, this):
		return host{}, badValue(ErrInvalid, "%q stands for an address only in requests", this)
	case strings.Contains(entry, "/"):
		block, err := netip.ParsePrefix(entry)
		if err != nil {
			return host{}, badValue(ErrInvalid, "%q is not a CIDR block", clip.Name(entry))
		}
		return host{block: normalBlock(block)}, nil
	}
	if addr, err := netip.ParseAddr(entry); err == nil {
		if addr.Zone() != "" {
			return host{}, badValue(ErrInvalid, "%q has a zone", clip.Name(entry))
		}
		addr = normalAddr(addr)
		return host{block: netip.PrefixFrom(addr, addr.BitLen())}, nil
	}
	name, pattern := strings.CutPrefix(entry, "*.")
	name, ok := normalName(name)
	if !ok {
		return host{}, badValue(ErrInvalid, "%q is not an address, a CIDR block, a host name, or a host name after \"*.\"", clip.Name(entry))
	}
	if pattern {
		name = "." + name
	}
	return host{name: name}, nil
}

// normalAddr converts an IPv4-mapped IPv6 address to the IPv4 address and drops a zone.
func normalAddr(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// normalBlock drops host bits and converts a block of IPv4-mapped addresses to the IPv4
// block. Any other IPv6 block contains no IPv4 address.
func normalBlock(block netip.Prefix) netip.Prefix {
	const mapped = 96 // bits in front of the IPv4 address
	if addr := block.Addr(); addr.Is4In6() && block.Bits() >= mapped {
		block = netip.PrefixFrom(addr.Unmap(), block.Bits()-mapped)
	}
	return block.Masked()
}

// normalName returns a host name in lower case without its trailing dot, and whether it
// is valid. The labels of a valid name have letters, digits, hyphens and underscores. The
// last label is not a number.
func normalName(name string) (string, bool) {
	const longestName, longestLabel = 253, 63
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > longestName {
		return "", false
	}
	name = strings.ToLower(name)
	number := false
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > longestLabel {
			return "", false
		}
		number = true
		for i := range len(label) {
			switch c := label[i]; {
			case '0' <= c && c <= '9':
			case 'a' <= c && c <= 'z', c == '-', c == '_':
				number = false
			default:
				return "", false
			}
		}
	}
	return name, !number
}

// String returns a name or a pattern as it is written in a clause.
func (h host) String() string {
	if strings.HasPrefix(h.name, ".") {
		return "*" + h.name
	}
	return h.name
}

// isName reports whether h is a host name or a pattern.
func (h host) isName() bool { return h.name != "" }

// matchesName reports whether name satisfies h. name must be in the form that normalName
// returns.
func (h host) matchesName(name string) bool {
	if !h.isName() {
		return false
	}
	if h.name[0] == '.' {
		return strings.HasSuffix(name, h.name)
	}
	return name == h.name
}

// coversName reports whether h matches every address that the name or pattern other
// matches, whatever the DNS answers.
func (h host) coversName(other host) bool {
	return h.isName() && (h.name == other.name || h.name[0] == '.' && h.matchesName(other.name))
}

// malformedName begins the name that stands for a malformed entry in an index.
const malformedName = " "

// appendCoverers appends each host that covers h, whatever the DNS answers.
func (h host) appendCoverers(all []host) []host {
	all = append(all, h)
	switch {
	case !h.isName():
		for bits := range h.block.Bits() {
			all = append(all, host{block: netip.PrefixFrom(h.block.Addr(), bits).Masked()})
		}
	case !strings.HasPrefix(h.name, malformedName):
		for i := 1; i < len(h.name); i++ {
			if h.name[i] == '.' {
				all = append(all, host{name: h.name[i:]})
			}
		}
	}
	return all
}
