package restriction

import (
	"net/netip"
	"testing"
)

// edgeAddrs are addresses at which the two words of a point, or the two families, meet.
var edgeAddrs = []string{
	"0.0.0.0", "192.0.2.129", "255.255.255.255", "::", "::1", "::192.0.2.129", "::fffe:192.0.2.129", "::1:0:192.0.2.129",
	"1::ffff:192.0.2.129", "0:0:0:1:0:ffff:192.0.2.129", "2001:db8:1:2:8000::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
}

// neighbours returns an address in all its spellings, and all that differ in one bit.
func neighbours(a netip.Addr) []netip.Addr {
	all := []netip.Addr{a, netip.AddrFrom16(a.As16()), netip.AddrFrom16(a.As16()).WithZone("eth0")}
	for bit := range 128 {
		bytes := a.As16()
		bytes[bit/8] ^= 0x80 >> (bit % 8)
		all = append(all, netip.AddrFrom16(bytes))
	}
	return all
}

// TestBlockIsItsPrefix compares blocks of every length with package netip, one bit inside
// and one bit outside.
//
// proves P1
func TestBlockIsItsPrefix(t *testing.T) {
	all := []netip.Addr{{}}
	for _, text := range edgeAddrs {
		all = append(all, neighbours(addr(text))...)
	}
	points := make([]point, len(all))
	for i, a := range all {
		points[i] = newPoint(a)
		all[i] = normalAddr(a)
	}
	var prefixes []netip.Prefix
	inside := 0
	for _, text := range append(edgeAddrs, "::ffff:192.0.2.129") {
		a := addr(text)
		for bits := range a.BitLen() + 1 {
			prefix := normalBlock(netip.PrefixFrom(a, bits))
			prefixes = append(prefixes, prefix)
			b := newBlock(prefix)
			for i := range all {
				want := prefix.Contains(all[i])
				if b.contains(points[i]) != want {
					t.Fatalf("%s contains %s: got %v", prefix, all[i], !want)
				}
				if want {
					inside++
				}
			}
		}
	}
	if inside < len(prefixes) {
		t.Fatalf("only %d addresses in %d blocks", inside, len(prefixes))
	}
	for _, child := range prefixes {
		b := newBlock(child)
		for _, parent := range prefixes {
			other := newBlock(parent)
			if want := parent.Overlaps(child) && parent.Bits() <= child.Bits(); b.within(&other) != want {
				t.Fatalf("%s within %s: got %v", child, parent, !want)
			}
		}
	}
}
