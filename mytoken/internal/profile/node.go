package profile

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// node is a JSON value: an object, an array, or a scalar other than null. A nil *node
// stands for null and for a value that is absent.
type node struct {
	kind    byte // '{', '[', '"' or '0', which stands for all other scalars
	scalar  []byte
	text    string // of a string
	items   []*node
	members []member
}

type member struct {
	name  string
	value *node
}

// maxDepth bounds the nesting of a text.
const maxDepth = 24

var errJSON = errors.New("not strict JSON, or nested too deeply")

// parse reads one JSON value.
func parse(data []byte) (*node, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data))
	n, err := read(dec, maxDepth)
	if err != nil {
		return nil, err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errJSON
	}
	return n, nil
}

func read(dec *jsontext.Decoder, depth int) (*node, error) {
	if depth == 0 {
		return nil, errJSON
	}
	switch kind := dec.PeekKind(); kind {
	case '{', '[':
		return readContainer(dec, byte(kind), depth)
	}
	value, err := dec.ReadValue()
	if err != nil {
		return nil, errJSON
	}
	n := &node{kind: '0', scalar: bytes.Clone(value)}
	switch value.Kind() {
	case 'n':
		return nil, nil
	case '"':
		n.kind = '"'
		text, err := jsontext.AppendUnquote(nil, value)
		if err != nil {
			return nil, errJSON
		}
		n.text = string(text)
	}
	return n, nil
}

func readContainer(dec *jsontext.Decoder, kind byte, depth int) (*node, error) {
	n := &node{kind: kind}
	if _, err := dec.ReadToken(); err != nil {
		return nil, errJSON
	}
	for dec.PeekKind() != ']' && dec.PeekKind() != '}' {
		var name string
		if kind == '{' {
			token, err := dec.ReadToken() // refuses a name that was there before
			if err != nil {
				return nil, errJSON
			}
			name = token.String()
		}
		value, err := read(dec, depth-1)
		if err != nil {
			return nil, err
		}
		if kind == '{' {
			n.members = append(n.members, member{name, value})
		} else {
			n.items = append(n.items, value)
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, errJSON
	}
	return n, nil
}

func textNode(text string) *node {
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil { // not UTF-8, which the decoder refuses
		quoted = []byte(`""`)
	}
	return &node{kind: '"', scalar: quoted, text: text}
}

func (n *node) isObject() bool { return n != nil && n.kind == '{' }
func (n *node) isArray() bool  { return n != nil && n.kind == '[' }
func (n *node) isText() bool   { return n != nil && n.kind == '"' }

// get returns a member of an object, or nil.
func (n *node) get(name string) *node {
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// with returns a copy of the object in which a member has the value. A nil value removes
// the member.
func (n *node) with(name string, value *node) *node {
	out := &node{kind: n.kind, members: slices.Clone(n.members)}
	at := slices.IndexFunc(out.members, func(m member) bool { return m.name == name })
	switch {
	case value == nil && at >= 0:
		out.members = slices.Delete(out.members, at, at+1)
	case value != nil && at >= 0:
		out.members[at].value = value
	case value != nil:
		out.members = append(out.members, member{name, value})
	}
	return out
}

// appendJSON appends the text of n. With sorted members, equal values have equal texts.
func (n *node) appendJSON(dst []byte, sorted bool) []byte {
	switch {
	case n == nil:
		return append(dst, "null"...)
	case n.isObject():
		members := n.members
		if sorted {
			members = slices.SortedFunc(slices.Values(members), func(a, b member) int { return strings.Compare(a.name, b.name) })
		}
		dst = append(dst, '{')
		for i, m := range members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, textNode(m.name).scalar...)
			dst = append(dst, ':')
			dst = m.value.appendJSON(dst, sorted)
		}
		return append(dst, '}')
	case n.isArray():
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.appendJSON(dst, sorted)
		}
		return append(dst, ']')
	}
	return append(dst, n.scalar...)
}
