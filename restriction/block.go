package restriction

import (
	"encoding/binary"
	"net/netip"
)

// point is an address as two machine words, which are fast to compare with a block. The
// zero point is no address.
type point struct {
	hi, lo uint64
	family uint8 // 4, 6, or 0 for none
}

// newPoint converts any address. It treats an IPv4-mapped IPv6 address as the IPv4
// address and ignores a zone.
func newPoint(addr netip.Addr) point {
	const mapped = 0xffff // in front of the IPv4 address
	switch {
	case !addr.IsValid():
		return point{}
	case addr.Is4():
		bytes := addr.As4()
		return point{lo: mapped<<32 | uint64(binary.BigEndian.Uint32(bytes[:])), family: 4}
	}
	bytes := addr.As16()
	p := point{hi: binary.BigEndian.Uint64(bytes[:8]), lo: binary.BigEndian.Uint64(bytes[8:]), family: 6}
	if p.hi == 0 && p.lo>>32 == mapped {
		p.family = 4
	}
	return p
}

// span is the addresses of a CIDR block, in a form that is fast to compare.
type span struct {
	first          point
	maskHi, maskLo uint64
}

// block is a CIDR block. It gives the same answers as its prefix, but faster.
type block struct {
	span
	prefix netip.Prefix
}

// newBlock converts a prefix in normal form.
func newBlock(prefix netip.Prefix) block {
	const word, family4 = 64, 96 // bits
	b := block{span{first: newPoint(prefix.Addr())}, prefix}
	bits := prefix.Bits()
	if b.first.family == 4 {
		bits += family4
	}
	b.maskHi = ^uint64(0) << (word - min(bits, word))
	b.maskLo = ^uint64(0) << (word - max(bits-word, 0))
	return b
}

func (s *span) contains(p point) bool {
	return (p.hi&s.maskHi^s.first.hi)|(p.lo&s.maskLo^s.first.lo) == 0 && p.family == s.first.family
}

// within reports whether other contains every address of b.
func (b *block) within(other *block) bool {
	return other.prefix.Bits() <= b.prefix.Bits() && other.contains(b.first)
}

// withinAny reports whether one of the others contains every address of b.
func (b *block) withinAny(others []block) bool {
	for i := range others {
		if b.within(&others[i]) {
			return true
		}
	}
	return false
}

func blockTexts(blocks []block) []string {
	texts := make([]string, len(blocks))
	for i := range blocks {
		if prefix := blocks[i].prefix; prefix.IsSingleIP() {
			texts[i] = prefix.Addr().String()
		} else {
			texts[i] = prefix.String()
		}
	}
	return texts
}
