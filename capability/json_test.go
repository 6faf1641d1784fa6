package capability

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Parse keeps unknown names and refuses everything that is not a list of names.
//
// proves P2
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
			require.NoError(t, err, "%s(%s)", name, text)
			got, err := json.Marshal(set)
			require.NoError(t, err, "%s(%s)", name, text)
			assert.Equal(t, want, string(got), "%s(%s)", name, text)
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
		set, err := Parse([]byte(text))
		assert.ErrorIs(t, err, want, "%.40s", text)
		assert.Nil(t, set, "%.40s", text)
		kept := Set{AT}
		assert.ErrorIs(t, kept.UnmarshalJSON([]byte(text)), want, "%.40s", text)
		assert.Equal(t, Set{AT}, kept, "%.40s", text)
	}
	for _, atLimit := range []string{names(MaxCount), `["` + long + `"]`} {
		_, err := Parse([]byte(atLimit))
		assert.NoError(t, err)
	}
	far := []byte(names(100_000))
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { Parse(far) }), 20.0, "refusing a long text is cheap")
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
		set, err := ParseRequest([]byte(text))
		assert.NoError(t, err, text)
		assert.Equal(t, want, set.String(), text)
	}
	for text, want := range map[string]error{
		`null`: ErrSyntax, `"AT`: ErrSyntax, `"AT" 1`: ErrSyntax, `"AT\ttokeninfo"`: ErrName,
		`"` + strings.Repeat("a ", MaxCount+1) + `"`: ErrTooLarge, `"` + strings.Repeat("a", MaxBytes) + `"`: ErrTooLarge,
	} {
		set, err := ParseRequest([]byte(text))
		assert.ErrorIs(t, err, want, "%.40s", text)
		assert.Nil(t, set, "%.40s", text)
	}
	for _, text := range []string{strings.Repeat("a ", MaxBytes), strings.Repeat("a ", MaxCount+1)} {
		set, err := ParseString(text)
		assert.ErrorIs(t, err, ErrTooLarge)
		assert.Nil(t, set)
	}
}

// MarshalJSON refuses a set that Parse could not read.
func TestMarshalRefuses(t *testing.T) {
	for name, set := range map[string]Set{
		"empty name": {""}, "space": {"a b"}, "not UTF-8": {"\xff"}, "too long": {Capability(strings.Repeat("a", MaxLength+1))},
		"too many": slices.Repeat(Set{AT}, MaxCount+1), "too many bytes": slices.Repeat(Set{Capability(strings.Repeat(`"`, MaxLength))}, MaxCount),
	} {
		_, err := set.MarshalJSON()
		assert.Error(t, err, name)
	}
	text, err := json.Marshal(Set(nil))
	require.NoError(t, err)
	assert.Equal(t, "[]", string(text))
}

// A child has nothing that its parent lacks. It gets everything that it wants and its
// parent has. A child of a child is within the first parent.
//
// proves P1
func TestRandomSets(t *testing.T) {
	some := append(All(), "foo", "foo:bar", "tokeninfo:foo", "read@AT", "read@", "settings:x:y", ":")
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) Set { return rapid.SliceOfN(rapid.SampledFrom(some), 0, 6).Draw(t, name) }
		parent, wanted, asked := draw("parent"), draw("wanted"), rapid.SampledFrom(some).Draw(t, "asked")
		child, dropped := Narrow(parent, wanted)
		require.True(t, child.Within(parent), "%v is wider than %v", child, parent)
		require.True(t, !child.Allows(asked) || parent.Allows(asked), "%v is wider than %v", child, parent)
		if slices.Contains(wanted, asked) && parent.Allows(asked) {
			require.Contains(t, child, asked)
		}
		for _, c := range dropped {
			require.False(t, parent.Allows(c), "%v was dropped and is allowed", c)
			require.NotContains(t, child, c)
		}
		again, none := Narrow(parent, child)
		require.Equal(t, child, again)
		require.Nil(t, none)
		grandchild, _ := Narrow(child, draw("wanted by a grandchild"))
		require.True(t, grandchild.Within(parent), "%v is wider than %v", grandchild, parent)
	})
}

// Encoding a parsed set keeps every name, and gives the same text the second time.
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
		require.NoError(t, err)
		again, err := Parse(once)
		require.NoError(t, err)
		require.True(t, again.Equal(set), "%v, %v", again, set)
		twice, err := again.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
		spaced, err := ParseString(set.String())
		require.NoError(t, err)
		require.True(t, spaced.Equal(set), "%v, %v", spaced, set)
		for _, c := range set {
			require.True(t, set.Allows(c), "%v does not allow %q", set, c)
			if !c.Known() {
				require.False(t, c.Includes(c+":x") || c.Includes(readPrefix+c), "%q includes more than itself", c)
			}
		}
		child, dropped := Narrow(set, set)
		require.Nil(t, dropped)
		require.True(t, child.Within(set) && set.Within(child))
	})
}
