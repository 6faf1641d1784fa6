package profile

import (
	"fmt"
	"maps"
	"strings"

	"github.com/mytoken-go/sdk/internal/clip"
	"github.com/mytoken-go/sdk/internal/legible"
)

// Bounds of the pieces that [Set.With] adds. Files are not bound by them.
const (
	maxName = 100  // bytes of a name, so that a file system can hold its file
	maxOwn  = 1000 // pieces of one group
)

// Piece names a piece that is or may become one of the operator's own.
type Piece struct {
	Group string
	Type  Type
	Name  string
}

func (p Piece) key() key { return key{p.Group, p.Type, p.Name} }

// ID returns the id by which [Set.List] and [Set.Find] know the piece.
func (p Piece) ID() string { return p.key().id() }

// String returns the name as errors show it.
func (p Piece) String() string { return p.key().String() }

// InUseError says which other pieces would not be valid any more after a change.
type InUseError struct{ Pieces []string }

func (e *InUseError) Error() string { return "profile: " + e.Reason() }

// Reason says the same in words for a client.
func (e *InUseError) Reason() string {
	shown := e.Pieces[:min(len(e.Pieces), 5)]
	text := strings.Join(shown, ", ")
	if more := len(e.Pieces) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return "others that depend on it would not be valid: " + text
}

// CheckName returns an error if nothing new may have the name: a group or a piece. Each
// name becomes the name of a file or a folder on any system. Errors are [*Error].
func CheckName(name string) error {
	_, clash := ParseType(name)
	switch why := legible.Refuse(name); {
	case name == "":
		return failed("the name is missing")
	case len(name) > maxName:
		return failed("the name is longer than %d bytes", maxName)
	case why != "":
		return failed("the name cannot be shown: %s", why)
	case clash || name[0] == '.' || strings.ContainsAny(name, `/\:*?"<>|`) || misread(name):
		return failed("the name '%s' cannot be used: a name begins with no dot, has no space and none of @,/\\:*?\"<>|, and is not the name of a type", clip.Name(name))
	}
	return nil
}

// Find returns the piece of a group that has an id.
func (s *Set) Find(group string, t Type, id string) (Piece, bool) {
	for k := range s.entries {
		if k.group == group && k.typ == t && strings.EqualFold(k.id(), id) {
			return Piece{group, t, k.name}, true
		}
	}
	return Piece{}, false
}

// Own reports whether the operator has a file for the piece. Otherwise it is built in, or
// there is none.
func (s *Set) Own(p Piece) bool { return s.files[p.key()] != "" }

// File returns the path of the file of the piece, or the path that it would get.
func (s *Set) File(p Piece) string {
	if file := s.files[p.key()]; file != "" {
		return file
	}
	file := string(p.Type) + "/" + p.Name + ".json"
	if p.Group != DefaultGroup {
		file = p.Group + "/" + file
	}
	return file
}

// Entry returns the expanded piece, as [Set.List] does. Errors are [*Error].
func (s *Set) Entry(p Piece, times Times) (Entry, error) {
	if _, ok := s.entries[p.key()]; !ok {
		return Entry{}, failed("there is no %v", p)
	}
	return s.entry(p.key(), times)
}

// With returns a set in which a piece has the payload. The set is as [Load] would return
// it, or With returns an error. An error about the payload is an [*Error] or one of check.
// If other pieces would not be valid, the error is an [*InUseError].
func (s *Set) With(p Piece, payload []byte, check Check) (*Set, error) {
	n, err := parse(payload)
	switch {
	case err != nil:
		return nil, failed("payload: %v", err)
	case n == nil:
		return nil, failed("the payload is missing")
	}
	if !s.Own(p) {
		if err := s.admit(p); err != nil {
			return nil, err
		}
	}
	out := s.clone()
	out.entries[p.key()], out.files[p.key()] = n, s.File(p)
	if err := out.check(p.key(), check); err != nil {
		return nil, err
	}
	return out.checked(check)
}

// admit returns an error if there may be no new piece of that name.
func (s *Set) admit(p Piece) error {
	if err := CheckName(p.Name); err != nil {
		return err
	}
	own := 0
	for k := range s.files {
		if k.group != p.Group {
			continue
		}
		own++
		// On some systems both would be one file.
		if k.typ == p.Type && strings.EqualFold(k.name, p.Name) {
			return failed("the name differs from '%s' only in upper and lower case", clip.Name(k.name))
		}
	}
	if own >= maxOwn {
		return failed("the group has %d profiles and templates already", own)
	}
	return nil
}

// Without returns a set without a piece of the operator's own. A built-in piece of the
// same name takes its place. If others need the piece, the error is an [*InUseError].
func (s *Set) Without(p Piece, check Check) (*Set, error) {
	if !s.Own(p) {
		return nil, failed("%v is built in", p)
	}
	out := s.clone()
	delete(out.files, p.key())
	delete(out.entries, p.key())
	if n, ok := builtIn()[p.key()]; ok {
		out.entries[p.key()] = n
	}
	return out.checked(check)
}

func (s *Set) clone() *Set { return &Set{entries: maps.Clone(s.entries), files: maps.Clone(s.files)} }

// checked returns the set if all its pieces are valid after a change of one.
func (s *Set) checked(check Check) (*Set, error) {
	var broken []string
	for _, k := range s.keys() {
		if err := s.check(k, check); err != nil {
			broken = append(broken, k.String())
		}
	}
	if broken != nil {
		return nil, &InUseError{broken}
	}
	return s, nil
}
