package profile

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/mytoken-go/sdk/internal/jsonscan"
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
	if (jsonscan.Limits{Depth: maxDepth}).Exceeded(data) {
		return nil, errJSON
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(data))
	n, err := read(dec)
	if err == nil {
		if _, err = dec.ReadToken(); errors.Is(err, io.EOF) {
			return n, nil
		}
	}
	return nil, errJSON
}

func read(dec *jsontext.Decoder) (*node, error) {
	kind := dec.PeekKind()
	if kind != '{' && kind != '[' {
		return readScalar(dec)
	}
	n := &node{kind: byte(kind)}
	_, err := dec.ReadToken()
	for err == nil && dec.PeekKind() != ']' && dec.PeekKind() != '}' {
		var m member
		if n.isObject() {
			var name jsontext.Token
			if name, err = dec.ReadToken(); err != nil { // a repeated name is an error
				break
			}
			m.name = name.String()
		}
		if m.value, err = read(dec); n.isObject() {
			n.members = append(n.members, m)
		} else {
			n.items = append(n.items, m.value)
		}
	}
	if err == nil {
		_, err = dec.ReadToken()
	}
	return n, err
}

func readScalar(dec *jsontext.Decoder) (*node, error) {
	value, err := dec.ReadValue()
	if err != nil || value.Kind() == 'n' {
		return nil, err
	}
	n := &node{kind: '0', scalar: bytes.Clone(value)}
	if value.Kind() == '"' {
		var text []byte
		text, err = jsontext.AppendUnquote(nil, value)
		n.kind, n.text = '"', string(text)
	}
	return n, err
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

// longest returns how many entries the longest array or object within n has.
func (n *node) longest() int {
	if n == nil {
		return 0
	}
	most := max(len(n.items), len(n.members))
	for _, item := range n.items {
		most = max(most, item.longest())
	}
	for _, m := range n.members {
		most = max(most, m.value.longest())
	}
	return most
}

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
