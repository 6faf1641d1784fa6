package profile

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Type is a kind of named piece; its text stands in paths (protocol section
// 5.14).
type Type string

// The types.
const (
	Profiles     Type = "profiles"
	Restrictions Type = "restrictions"
	Capabilities Type = "capabilities"
	Rotation     Type = "rotation"
)

var types = []Type{Profiles, Restrictions, Capabilities, Rotation}

// ParseType reads the text of a type.
func ParseType(text string) (Type, bool) { return Type(text), slices.Contains(types, Type(text)) }

// DefaultGroup is the group of the operator.
const DefaultGroup = "_"

// key names a piece.
type key struct {
	group string
	typ   Type
	name  string
}

// id is a UUID (RFC 9562, version 8) that stays the same as long as the name
// does.
func (k key) id() string {
	sum := sha256.Sum256([]byte(string(k.typ) + "/" + k.group + "/" + k.name))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// reference reads a name in a request: name or group/name, with an optional @
// in front.
func reference(t Type, text string) key {
	text = strings.TrimPrefix(text, "@")
	if group, name, ok := strings.Cut(text, "/"); ok {
		return key{group, t, name}
	}
	return key{DefaultGroup, t, text}
}

// Set is named pieces. It never changes and is safe for concurrent use.
type Set struct {
	entries map[key]*node
}

//go:embed shipped.json
var shipped []byte

// Load returns the pieces that every service has, and those in the file system;
// nil has none. A file of the same name replaces what is shipped.
//
// A file is JSON at <type>/<name>.json, or <group>/<type>/<name>.json for
// another group than the operator's. Other files are refused, so that a typing
// error in a name does not go unnoticed. Every piece is expanded and given to
// check, so that what does not work is found here and not by users.
func Load(files fs.FS, check Check) (*Set, error) {
	s := &Set{entries: make(map[key]*node)}
	all, err := parse(shipped)
	if err != nil {
		return nil, fmt.Errorf("profile: shipped: %w", err)
	}
	for _, byType := range all.members {
		for _, m := range byType.value.members {
			s.entries[key{DefaultGroup, Type(byType.name), m.name}] = m.value
		}
	}
	if files != nil {
		if err := s.read(files); err != nil {
			return nil, err
		}
	}
	for _, k := range s.keys() {
		if err := s.check(k, check); err != nil {
			return nil, fmt.Errorf("profile: %s/%s/%s: %w", k.group, k.typ, k.name, err)
		}
	}
	return s, nil
}

func (s *Set) read(files fs.FS) error {
	return fs.WalkDir(files, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		k, err := keyOf(file)
		if err != nil {
			return err
		}
		data, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		n, err := parse(data)
		if err != nil || n == nil {
			return fmt.Errorf("profile: %s: %w", file, cmp.Or(err, errJSON))
		}
		s.entries[k] = n
		return nil
	})
}

// keyOf reads the path of a file.
func keyOf(file string) (key, error) {
	name, ok := strings.CutSuffix(path.Base(file), ".json")
	group, dir := DefaultGroup, path.Dir(file)
	if parent, last, nested := strings.Cut(dir, "/"); nested {
		group, dir = parent, last
	}
	t, known := ParseType(dir)
	bad := strings.ContainsFunc(name+group, func(r rune) bool { return r <= ' ' || r == '/' || r == '@' || r == ',' || r == 0x7f })
	if _, clash := ParseType(group); !ok || !known || bad || clash || name == "" {
		return key{}, fmt.Errorf("profile: %s: not <type>/<name>.json or <group>/<type>/<name>.json", file)
	}
	return key{group, t, name}, nil
}

// keys returns all names in a fixed order.
func (s *Set) keys() []key {
	return slices.SortedFunc(maps.Keys(s.entries), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.typ, b.typ), cmp.Compare(a.name, b.name))
	})
}

// Groups returns the names of all groups.
func (s *Set) Groups() []string {
	var groups []string
	for _, k := range s.keys() {
		if !slices.Contains(groups, k.group) {
			groups = append(groups, k.group)
		}
	}
	return groups
}

// Entry is a piece with everything in it expanded.
type Entry struct {
	ID      string
	Name    string
	Payload []byte
}

// List returns the pieces of a type in a group, with relative times made
// absolute by times. The host "this" stays.
func (s *Set) List(group string, t Type, times Times) ([]Entry, error) {
	var out []Entry
	for _, k := range s.keys() {
		if k.group != group || k.typ != t {
			continue
		}
		n, err := s.expand(k)
		if err != nil {
			return nil, err
		}
		if n, err = absolute(n, t, times); err != nil {
			return nil, err
		}
		out = append(out, Entry{ID: k.id(), Name: k.name, Payload: n.appendJSON(nil, false)})
	}
	return out, nil
}

// Expand returns what a name stands for: a request for a profile, an array of
// clauses, an array of names, or a rotation object. Errors: *Error.
func (s *Set) Expand(t Type, name string) ([]byte, error) {
	k := reference(t, name)
	if _, ok := s.entries[k]; !ok {
		return nil, failed("unknown include name: '%s'", clip(name))
	}
	n, err := s.expand(k)
	if err != nil {
		return nil, err
	}
	if t == Restrictions {
		n = union(elements(n))
	}
	return n.appendJSON(nil, false), nil
}

// expand expands one piece.
func (s *Set) expand(k key) (*node, error) {
	e := s.expander()
	return e.within(k.typ, k.group+"/"+k.name, func(payload *node) (*node, error) {
		switch k.typ {
		case Restrictions:
			return e.template(payload)
		case Capabilities:
			return e.capabilities(payload)
		case Rotation:
			return e.rotation(payload)
		}
		n, err := e.profile(payload)
		if err != nil {
			return nil, err
		}
		if n == nil {
			return nil, errors.New("an empty profile")
		}
		return e.positions(n)
	})
}
