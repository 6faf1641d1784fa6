package profile

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/mytoken-go/sdk/internal/clip"
)

// Type is a kind of named piece. Its text stands in paths (protocol section 5.14) and is
// the name of the member of a request.
type Type string

// The types.
const (
	Profiles     Type = "profiles"
	Restrictions Type = "restrictions"
	Capabilities Type = "capabilities"
	Rotation     Type = "rotation"
)

// Tags is the member of a profile with its tags. No name stands for tags.
const Tags Type = "tags"

var types = []Type{Profiles, Restrictions, Capabilities, Rotation}

// ParseType reads the text of a type.
func ParseType(text string) (Type, bool) { return Type(text), slices.Contains(types, Type(text)) }

// DefaultGroup is the group of the operator's own pieces.
const DefaultGroup = "_"

// key names a piece.
type key struct {
	group string
	typ   Type
	name  string
}

// String returns the name as errors show it.
func (k key) String() string { return k.group + "/" + string(k.typ) + "/" + k.name }

// id returns a UUID (RFC 9562, version 8) that depends on the name alone.
func (k key) id() string {
	sum := sha256.Sum256([]byte(string(k.typ) + "/" + k.group + "/" + k.name))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// reference reads a name in a request: name or group/name, with an optional @ in front.
func reference(t Type, text string) key {
	text = strings.TrimPrefix(text, "@")
	if group, name, ok := strings.Cut(text, "/"); ok {
		return key{group, t, name}
	}
	return key{DefaultGroup, t, text}
}

// Set holds named pieces. It never changes and is safe for concurrent use.
type Set struct {
	entries map[key]*node
	files   map[key]string // of the operator's own pieces
}

//go:embed shipped.json
var shipped []byte

// builtIn returns the built-in pieces. Nobody changes the map.
var builtIn = sync.OnceValue(func() map[key]*node {
	all, err := parse(shipped)
	if err != nil {
		panic("profile: shipped.json: " + err.Error())
	}
	out := make(map[key]*node)
	for _, byType := range all.members {
		for _, m := range byType.value.members {
			out[key{DefaultGroup, Type(byType.name), m.name}] = m.value
		}
	}
	return out
})

// Load returns the built-in pieces and those of a file system, which may be nil. A file
// replaces the built-in piece of the same name.
//
// A file is JSON at <type>/<name>.json, or <group>/<type>/<name>.json for a group other
// than the operator's. Load refuses any other path, and two files of one piece, so that
// typing errors do not go unnoticed, but ignores names that begin with a dot. It expands
// every piece and passes it to check, so that an operator learns of mistakes before users
// do.
func Load(files fs.FS, check Check) (*Set, error) {
	s := &Set{entries: maps.Clone(builtIn()), files: make(map[key]string)}
	if files != nil {
		if err := s.read(files); err != nil {
			return nil, err
		}
	}
	for _, k := range s.keys() {
		if err := s.check(k, check); err != nil {
			return nil, fmt.Errorf("profile: %v: %w", k, err)
		}
	}
	return s, nil
}

func (s *Set) read(files fs.FS) error { return s.readBelow(files, ".") }

// readBelow reads the files in a folder. It ignores names that begin with a dot: those of
// editors, and of volumes of Kubernetes. The folders of such a volume are links.
func (s *Set) readBelow(files fs.FS, dir string) error {
	return fs.WalkDir(files, dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == dir {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && d.Name() != ".json" // which is a forgotten name
		switch {
		case hidden && d.IsDir():
			return fs.SkipDir
		case hidden || d.IsDir():
			return nil
		}
		if d.Type()&fs.ModeSymlink != 0 && strings.Count(file, "/") < 2 { // a link that leads back ends there
			if info, err := fs.Stat(files, file); err == nil && info.IsDir() {
				return s.readBelow(files, file)
			}
		}
		k, err := keyOf(file)
		if err != nil {
			return err
		}
		if other, twice := s.files[k]; twice {
			return fmt.Errorf("profile: %s: %s is the same piece", file, other)
		}
		data, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		n, err := parse(data)
		if err != nil || n == nil {
			return fmt.Errorf("profile: %s: %w", file, cmp.Or(err, errJSON))
		}
		s.entries[k], s.files[k] = n, file
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
	if _, clash := ParseType(group); !ok || !known || misread(name+group) || clash || name == "" {
		return key{}, fmt.Errorf("profile: %s: not <type>/<name>.json or <group>/<type>/<name>.json", file)
	}
	return key{group, t, name}, nil
}

// misread reports whether a reference to a name would not be read as one name.
func misread(name string) bool {
	return strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == '/' || r == '@' || r == ',' || r == 0x7f })
}

// keys returns all keys in a fixed order.
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

// Entry is an expanded piece.
type Entry struct {
	ID      string
	Name    string
	Payload []byte
}

// List returns the pieces of a type in a group. It replaces relative times as times says,
// and keeps the host "this".
func (s *Set) List(group string, t Type, times Times) ([]Entry, error) {
	var out []Entry
	for _, k := range s.keys() {
		if k.group != group || k.typ != t {
			continue
		}
		e, err := s.entry(k, times)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func (s *Set) entry(k key, times Times) (Entry, error) {
	n, err := s.expand(k)
	if err == nil {
		n, err = absolute(n, k.typ, times)
	}
	if err != nil {
		return Entry{}, err
	}
	return Entry{ID: k.id(), Name: k.name, Payload: n.appendJSON(nil, false)}, nil
}

// Expand returns what a name stands for: a request, an array of clauses, an array of
// names, or a rotation object. Errors are [*Error].
func (s *Set) Expand(t Type, name string) ([]byte, error) {
	k := reference(t, name)
	if _, ok := s.entries[k]; !ok {
		return nil, failed("unknown include name: '%s'", clip.Name(name))
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
