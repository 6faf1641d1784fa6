package capability

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// proves P2: unknown names survive.
func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		`["AT","tokeninfo"]`:     `["AT","tokeninfo"]`,
		`[]`:                     `[]`,
		` [ "AT" , "A\u0054" ] `: `["AT","AT"]`,
		`["foo","x:y:z","@web"]`: `["foo","x:y:z","@web"]`,
		`["ä"]`:                  `["ä"]`,
	} {
		for name, read := range map[string]func([]byte) (Set, error){"Parse": Parse, "ParseRequest": ParseRequest} {
			set, err := read([]byte(text))
			if err != nil {
				t.Errorf("%s(%s): %v", name, text, err)
				continue
			}
			if got, err := json.Marshal(set); err != nil || string(got) != want {
				t.Errorf("%s(%s): got %s, %v, want %s", name, text, got, err, want)
			}
		}
	}
	long := strings.Repeat("a", MaxLength)
	for text, want := range map[string]error{
		``:                         ErrSyntax,
		`null`:                     ErrSyntax,
		`{}`:                       ErrSyntax,
		`[null]`:                   ErrSyntax,
		`[["AT"]]`:                 ErrSyntax,
		`[1]`:                      ErrSyntax,
		`["AT"`:                    ErrSyntax,
		`["AT"]]`:                  ErrSyntax,
		`["AT"] "x"`:               ErrSyntax,
		"[\"\xff\"]":               ErrSyntax,
		`[""]`:                     ErrName,
		`["AT tokeninfo"]`:         ErrName,
		`["AT\n"]`:                 ErrName,
		`["\u0000"]`:               ErrName,
		`["\u200b"]`:               ErrName,
		`["` + long + `a"]`:        ErrTooLarge,
		names(MaxCount + 1):        ErrTooLarge,
		names(10_000):              ErrTooLarge,
		strings.Repeat("[", 1<<20): ErrTooLarge,
	} {
		if set, err := Parse([]byte(text)); !errors.Is(err, want) {
			t.Errorf("Parse(%.40s): got %v, %v, want %v", text, set, err, want)
		}
		kept := Set{AT}
		if err := kept.UnmarshalJSON([]byte(text)); !errors.Is(err, want) || !kept.Equal(Set{AT}) {
			t.Errorf("UnmarshalJSON(%.40s): got %v, %v", text, kept, err)
		}
	}
	if _, err := Parse([]byte(names(MaxCount))); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := Parse([]byte(`["` + long + `"]`)); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	far := []byte(names(100_000))
	if allocs := testing.AllocsPerRun(100, func() { Parse(far) }); allocs > 20 {
		t.Errorf("%v allocations to refuse %d bytes", allocs, len(far))
	}
}

func names(n int) string { return "[" + strings.Repeat(`"a",`, n-1) + `"a"]` }

func TestParseRequest(t *testing.T) {
	for text, want := range map[string]string{
		`"AT tokeninfo"`:     "AT tokeninfo",
		`" AT  tokeninfo "`:  "AT tokeninfo",
		`""`:                 "",
		`"@default AT"`:      "@default AT",
		`["AT","tokeninfo"]`: "AT tokeninfo",
	} {
		if set, err := ParseRequest([]byte(text)); err != nil || set.String() != want {
			t.Errorf("%s: got %q, %v, want %q", text, set, err, want)
		}
	}
	for text, want := range map[string]error{
		`null`: ErrSyntax, `"AT`: ErrSyntax, `"AT" 1`: ErrSyntax, `"AT\ttokeninfo"`: ErrName,
		`"` + strings.Repeat("a ", MaxCount+1) + `"`: ErrTooLarge, `"` + strings.Repeat("a", MaxBytes) + `"`: ErrTooLarge,
	} {
		if set, err := ParseRequest([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%.40s: got %v, %v, want %v", text, set, err, want)
		}
	}
	if _, err := ParseString(strings.Repeat("a ", MaxBytes)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

// What is written can be read: a set that cannot is not written.
func TestMarshalRefuses(t *testing.T) {
	for name, set := range map[string]Set{
		"empty name": {""}, "space": {"a b"}, "not UTF-8": {"\xff"}, "too long": {Capability(strings.Repeat("a", MaxLength+1))},
		"too many": slices.Repeat(Set{AT}, MaxCount+1), "too many bytes": slices.Repeat(Set{Capability(strings.Repeat(`"`, MaxLength))}, MaxCount),
	} {
		if text, err := set.MarshalJSON(); err == nil {
			t.Errorf("%s: %s", name, text)
		}
	}
	if text, err := json.Marshal(Set(nil)); err != nil || string(text) != "[]" {
		t.Errorf("nil: %s, %v", text, err)
	}
}

// TestRandomSets: a child has nothing that its parent lacks, gets everything
// that it wants and its parent has, and being within is transitive.
//
// proves P1
func TestRandomSets(t *testing.T) {
	some := append(All(), "foo", "foo:bar", "tokeninfo:foo", "read@AT", "read@", "settings:x:y", ":")
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) Set { return rapid.SliceOfN(rapid.SampledFrom(some), 0, 6).Draw(t, name) }
		parent, wanted, asked := draw("parent"), draw("wanted"), rapid.SampledFrom(some).Draw(t, "asked")
		child, dropped := Narrow(parent, wanted)
		if !child.Within(parent) || child.Allows(asked) && !parent.Allows(asked) {
			t.Fatalf("%v is wider than %v", child, parent)
		}
		if len(wanted) > 0 && wanted.Allows(asked) && parent.Allows(asked) && slices.Contains(wanted, asked) && !slices.Contains(child, asked) {
			t.Fatalf("%v lacks %v", child, asked)
		}
		for _, c := range dropped {
			if parent.Allows(c) || slices.Contains(child, c) {
				t.Fatalf("%v was dropped and is allowed", c)
			}
		}
		if again, none := Narrow(parent, child); len(child) > 0 && (!again.Equal(child) || none != nil) {
			t.Fatalf("narrowed again: %v, %v", again, none)
		}
		grandchild, _ := Narrow(child, draw("wanted by a grandchild"))
		if len(child) > 0 && !grandchild.Within(parent) {
			t.Fatalf("%v is wider than %v", grandchild, parent)
		}
	})
}

// FuzzSet: what parses encodes to a fixed point and keeps every name.
//
// proves P2
func FuzzSet(f *testing.F) {
	for _, seed := range []string{
		`["AT","tokeninfo:history","read@settings"]`, `[]`, `null`, `[null]`, `["foo","foo"]`, `["\u0041T"]`, `"AT tokeninfo"`,
		`[":", "read@", "@all", "a::b"]`, `["\ud83d\ude00"]`, `[""]`, `["a b"]`, `" "`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := ParseRequest(data)
		if err != nil {
			return
		}
		once, err := set.MarshalJSON()
		if err != nil {
			t.Fatalf("what parsed does not encode: %v", err)
		}
		again, err := Parse(once)
		if err != nil || !again.Equal(set) {
			t.Fatalf("got %v, %v, want %v", again, err, set)
		}
		if twice, err := again.MarshalJSON(); err != nil || string(twice) != string(once) {
			t.Fatalf("no fixed point: %s, %s, %v", once, twice, err)
		}
		if spaced, err := ParseString(set.String()); err != nil || !spaced.Equal(set) {
			t.Fatalf("got %v, %v, want %v", spaced, err, set)
		}
		for _, c := range set {
			if !set.Allows(c) {
				t.Fatalf("%v does not allow %q", set, c)
			}
			if !c.Known() && (c.Includes(c+":x") || c.Includes(readPrefix+c)) {
				t.Fatalf("%q grants more than itself", c)
			}
		}
		if child, dropped := Narrow(set, set); dropped != nil || !child.Within(set) || !set.Within(child) {
			t.Fatalf("narrowed by itself: %v, %v", child, dropped)
		}
	})
}
