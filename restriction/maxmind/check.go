package maxmind

import (
	"bytes"
	"errors"
	"fmt"
	"net"

	"github.com/oschwald/geoip2-golang"

	"github.com/mytoken-go/sdk/internal/rescue"
)

// marker begins the metadata at the end of a database (MaxMind DB File Format
// Specification 2.0, Database Metadata).
var marker = []byte("\xab\xcd\xefMaxMind.com")

// separator is how many zero bytes stand between the search tree and the records.
const separator = 16

var (
	errPart    = errors.New("it is not complete, or no MaxMind database: wait until it is written, or download it again")
	errTwo     = errors.New("it is not complete: it still ends with a part of another database: wait until it is written, or download it again")
	errDamaged = errors.New("it is damaged, or not complete: wait until it is written, or download it again")
)

// check reads a whole database: each node of its search tree, and each record as a
// look-up does.
func check(data []byte) (*geoip2.Reader, error) {
	first, last := bytes.Index(data, marker), bytes.LastIndex(data, marker)
	switch {
	case first < 0:
		return nil, errPart
	case first != last:
		return nil, errTwo
	}
	reader, err := rescue.Call(func() (*geoip2.Reader, error) { return checkTree(data) })
	if _, damaged := errors.AsType[*rescue.Panic](err); damaged { // the metadata are nonsense
		err = errDamaged
	}
	return reader, err
}

func checkTree(data []byte) (*geoip2.Reader, error) {
	reader, err := geoip2.FromBytes(data)
	if unknown, ok := errors.AsType[geoip2.UnknownDatabaseTypeError](err); ok {
		return nil, fmt.Errorf("the type %.100q has no countries: use a Country, City or Enterprise database", unknown.DatabaseType)
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if _, err := reader.Country(net.IPv4zero); errors.As(err, new(geoip2.InvalidMethodError)) {
		return nil, fmt.Errorf("the type %.100q has no countries: use a Country, City or Enterprise database", reader.Metadata().DatabaseType)
	}
	m := reader.Metadata()
	t := &tree{data: data, reader: reader, nodes: m.NodeCount, node: m.RecordSize / 4, address: make(net.IP, net.IPv4len)}
	if m.IPVersion == 6 {
		t.address = make(net.IP, net.IPv6len)
	}
	if t.nodes == 0 || t.nodes > uint(len(data))/t.node {
		return nil, errDamaged
	}
	if end := t.nodes * t.node; !bytes.Equal(data[end:end+separator], make([]byte, separator)) {
		return nil, errDamaged
	}
	t.state, t.read = make([]byte, t.nodes), make(map[uint]bool)
	if err := t.walk(0, 0); err != nil {
		return nil, err
	}
	if bytes.IndexByte(t.state, unseen) >= 0 { // writers store the nodes that a walk finds
		return nil, fmt.Errorf("%w: a part of the search tree belongs to another database", errDamaged)
	}
	return reader, nil
}

// tree is a search tree that is being checked.
type tree struct {
	data    []byte
	reader  *geoip2.Reader
	nodes   uint
	node    uint          // bytes of a node, which has two records
	state   []byte        // of each node
	read    map[uint]bool // records of the data section
	address net.IP        // the bits that lead to the current node, then zeros
}

// States of a node.
const (
	unseen = iota
	open   // the walk is inside of it
	done
)

// walk checks what is below a node. Several nodes may lead to one: the networks of IPv4
// appear at several places of an IPv6 tree.
func (t *tree) walk(node uint, depth int) error {
	if depth == 8*len(t.address) {
		return fmt.Errorf("%w: the search tree is too deep", errDamaged)
	}
	t.state[node] = open
	for side := range uint(2) {
		bit := byte(0x80) >> (depth % 8)
		if t.address[depth/8] &^= bit; side == 1 {
			t.address[depth/8] |= bit
		}
		next := t.record(node, side)
		switch {
		case next == t.nodes: // nothing is known of these addresses
		case next > t.nodes:
			mapped := len(t.address) == net.IPv6len && t.address.To4() != nil // IPv4, looked up elsewhere
			if t.read[next] || mapped {
				continue
			}
			t.read[next] = true
			if _, err := t.reader.Country(t.address); err != nil {
				return fmt.Errorf("%w: %w", errDamaged, err)
			}
		case t.state[next] == open:
			return fmt.Errorf("%w: the search tree has a loop", errDamaged)
		case t.state[next] == unseen:
			if err := t.walk(next, depth+1); err != nil {
				return err
			}
		}
	}
	t.address[depth/8] &^= byte(0x80) >> (depth % 8)
	t.state[node] = done
	return nil
}

// record returns the left (0) or right (1) record of a node.
func (t *tree) record(node, side uint) uint {
	n := t.data[node*t.node : (node+1)*t.node]
	switch size := t.node / 2; {
	case size == 4: // 32 bits
		n = n[4*side:]
		return uint(n[0])<<24 | uint(n[1])<<16 | uint(n[2])<<8 | uint(n[3])
	case t.node == 7: // 28 bits: the byte in the middle has the high bits of both
		high := uint(n[3]) >> 4
		if side == 1 {
			high = uint(n[3]) & 0x0f
		}
		n = n[4*side:]
		return high<<24 | uint(n[0])<<16 | uint(n[1])<<8 | uint(n[2])
	default: // 24 bits
		n = n[3*side:]
		return uint(n[0])<<16 | uint(n[1])<<8 | uint(n[2])
	}
}
