package jsonscan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/internal/jsonscan"
)

func TestLimits(t *testing.T) {
	limits := jsonscan.Limits{Depth: 3, Objects: 2, Values: 6}
	for text, want := range map[string]bool{
		``:                            false,
		`null`:                        false,
		`[[[]]]`:                      false,
		`[[[[`:                        true,
		`]]]][[[[`:                    true, // closing what is not open gives no room
		`{"a":{"b":[1,2]}}`:           false,
		`[{},{},{}]`:                  true,
		`[1,2,3,4,5,6]`:               false,
		`[1,2,3,4,5,6,7]`:             true,
		`[[],[],[],[]]`:               true,
		`["\"\\\"",",,]",",,,,,"]`:    false, // in strings, structure does not count
		`["[[[[",",,,,","{{{{"]`:      false,
		`"\`:                          false,
		`["\"[[[["]`:                  false, // the quote is escaped
		`["\\",[[[`:                   true,  // the backslash is
		`["\\\"[[[["]`:                false,
		`"` + strings.Repeat("[", 99): false,
	} {
		assert.Equal(t, want, limits.Exceeded([]byte(text)), text)
	}
	var none jsonscan.Limits
	assert.False(t, none.Exceeded([]byte(strings.Repeat(`[{"a":`, 1<<10))), "zero means no limit")
}

func TestScanDoesNotAllocate(t *testing.T) {
	data := []byte(`{"a":[1,2,{"b":"text"}]}`)
	limits := jsonscan.Limits{Depth: 8, Objects: 8, Values: 8}
	require.Zero(t, testing.AllocsPerRun(100, func() { limits.Exceeded(data) }))
}

// For valid JSON, the limits count the same values as a decoder.
func FuzzLimits(f *testing.F) {
	f.Add([]byte(`{"a\\\"":[1,{"b":"x,y"}],"c":null}`))
	f.Add([]byte(`[[],[{}],"\u005b["]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if json.Unmarshal(data, &v) != nil {
			return
		}
		depth, objects := measure(v)
		if objects == 0 || !distinct(data) {
			return
		}
		require.False(t, jsonscan.Limits{Depth: depth, Objects: objects}.Exceeded(data))
		if depth > 1 {
			require.True(t, jsonscan.Limits{Depth: depth - 1}.Exceeded(data))
		}
		if objects > 1 {
			require.True(t, jsonscan.Limits{Objects: objects - 1}.Exceeded(data))
		}
	})
}

func measure(v any) (depth, objects int) {
	below := func(v any) {
		d, o := measure(v)
		depth, objects = max(depth, d), objects+o
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			below(e)
		}
		return depth + 1, objects
	case map[string]any:
		for _, e := range v {
			below(e)
		}
		return depth + 1, objects + 1
	}
	return 0, 0
}

// distinct reports whether no name is repeated: the decoder would drop a value.
func distinct(data []byte) bool {
	dec := json.NewDecoder(strings.NewReader(string(data)))
	var walk func() bool
	walk = func() bool {
		token, err := dec.Token()
		if err != nil {
			return false
		}
		switch token {
		case json.Delim('['):
			for dec.More() {
				if !walk() {
					return false
				}
			}
		case json.Delim('{'):
			seen := map[string]bool{}
			for dec.More() {
				name, err := dec.Token()
				if err != nil || seen[name.(string)] {
					return false
				}
				seen[name.(string)] = true
				if !walk() {
					return false
				}
			}
		default:
			return true
		}
		_, err = dec.Token()
		return err == nil
	}
	return walk()
}
