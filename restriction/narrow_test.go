package restriction

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestWithinKeys has rows for each key of the table in protocol section 2.6.
func TestWithinKeys(t *testing.T) {
	for _, test := range []struct {
		child, parent string
		want          bool
	}{
		{`{"nbf":5}`, `{"nbf":5}`, true},
		{`{"nbf":6}`, `{"nbf":5}`, true},
		{`{"nbf":4}`, `{"nbf":5}`, false},
		{`{"exp":9}`, `{"nbf":5}`, false},
		{`{"nbf":5}`, `{"exp":9}`, false},
		{`{"exp":9}`, `{"exp":9}`, true},
		{`{"exp":8}`, `{"exp":9}`, true},
		{`{"exp":10}`, `{"exp":9}`, false},
		{`{"exp":10}`, `{"scope":"a"}`, false},
		{`{"scope":"a","exp":10}`, `{"scope":"a"}`, true},

		{`{"scope":"a"}`, `{"scope":"b a"}`, true},
		{`{"scope":"a c"}`, `{"scope":"b a"}`, false},
		{`{"audience":["a"]}`, `{"audience":["b","a"]}`, true},
		{`{"audience":["a","c"]}`, `{"audience":["b","a"]}`, false},
		{`{"scope":"a"}`, `{"audience":["a"]}`, false},

		{`{"hosts":["192.0.2.1"]}`, `{"hosts":["192.0.2.0/24"]}`, true},
		{`{"ip":["192.0.2.1"]}`, `{"hosts":["192.0.2.0/24"]}`, true},
		{`{"hosts":["192.0.2.1","198.51.100.1"]}`, `{"hosts":["192.0.2.0/24"]}`, false},
		{`{"hosts":["192.0.2.1","a.example.org"]}`, `{"hosts":["*.example.org","192.0.2.0/24"]}`, true},
		{`{"hosts":["a.example.org"]}`, `{"hosts":["192.0.2.0/24"]}`, false},
		{`{"hosts":["192.0.2.1"]}`, `{"hosts":["*.example.org"]}`, false},
		{`{"hosts":["no host"]}`, `{"hosts":["192.0.2.0/24"]}`, false},
		{`{"hosts":["no host"]}`, `{"hosts":["no host"]}`, true},
		{`{"scope":"a"}`, `{"hosts":["192.0.2.0/24"]}`, false},

		{`{"geoip_allow":["de"]}`, `{"geoip_allow":["DE","FR"]}`, true},
		{`{"geoip_allow":["AT"]}`, `{"geoip_allow":["DE","FR"]}`, false},
		{`{"scope":"a"}`, `{"geoip_allow":["DE"]}`, false},
		{`{"geoip_disallow":["DE","FR"]}`, `{"geoip_disallow":["de"]}`, true},
		{`{"geoip_disallow":["FR"]}`, `{"geoip_disallow":["DE"]}`, false},
		{`{"geoip_allow":["FR"]}`, `{"geoip_disallow":["DE"]}`, false},
		{`{"geoip_disallow":["FR"]}`, `{"geoip_disallow":["nowhere"]}`, false},
		{`{"geoip_disallow":["nowhere"]}`, `{"geoip_disallow":["nowhere","DE"]}`, true},

		{`{"usages_AT":3}`, `{"usages_AT":3}`, true},
		{`{"usages_AT":0}`, `{"usages_AT":3}`, true},
		{`{"usages_AT":4}`, `{"usages_AT":3}`, false},
		{`{"usages_other":4}`, `{"usages_AT":3}`, false},
		{`{"usages_AT":4}`, `{"scope":"a"}`, false},
		{`{"usages_other":4}`, `{"usages_other":4}`, true},
		{`{"usages_other":5}`, `{"usages_other":4}`, false},

		{`{"x":1}`, `{"x":1}`, true},
		{`{"x":1,"exp":5}`, `{"x":1}`, true},
		{`{"x":1.0}`, `{"x":1}`, false},
		{`{"x": 1}`, `{"x":1}`, true}, // white space around a value is not part of it
		{`{"x":[1 ]}`, `{"x":[1]}`, false},
		{`{"exp":5}`, `{"x":1}`, false},
		{`{"y":1}`, `{"x":1}`, false},
		{`{"x":1,"y":1}`, `{"x":1}`, true},
		{`{"own":{"window":[2,3]}}`, `{"own":{"window":[1,4]}}`, true},
		{`{"own":{"window":[1,5]}}`, `{"own":{"window":[1,4]}}`, false},
		{`{"own":"malformed"}`, `{"own":{"window":[1,4]}}`, false},
		{`{"own":"malformed"}`, `{"own":"malformed"}`, true},
	} {
		child, parent := mustParse(t, "["+test.child+"]"), mustParse(t, "["+test.parent+"]")
		if got := Within(child, parent, worldConditions()); got != test.want {
			t.Errorf("%s within %s: got %v", test.child, test.parent, got)
		}
	}
}

// TestWithinLists compares lists of several clauses, and lists without clauses.
func TestWithinLists(t *testing.T) {
	a, b := mustParse(t, `[{"scope":"a"}]`), mustParse(t, `[{"scope":"b"}]`)
	both := append(a.Clone(), b...)
	for name, test := range map[string]struct {
		child, parent List
		want          bool
	}{
		"in an unrestricted parent":    {a, nil, true},
		"unrestricted in unrestricted": {nil, nil, true},
		"unrestricted in restricted":   {nil, a, false},
		"one of two":                   {a, both, true},
		"both in both, other order":    {List{both[1], both[0]}, both, true},
		"two in one":                   {both, a, false},
		"nothing within the list":      {List{{Scopes: []string{}}}, a, true},
		"something within nothing":     {a, List{{Scopes: []string{}}}, false},
	} {
		if got := Within(test.child, test.parent, nil); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	own := mustParse(t, `[{"own":{"window":[2,3]}}]`)
	if Within(own, mustParse(t, `[{"own":{"window":[1,4]}}]`), nil) {
		t.Error("values of a key without a factory are compared by their meaning")
	}
}

// TestNarrow has the cases of protocol section 2.6.
func TestNarrow(t *testing.T) {
	for _, test := range []struct {
		name, parent, wanted string
		list                 string
		draws                []int
		dropped              string // "clause/closest:keys"
		inherited            bool
	}{
		{"unrestricted parent", `[]`, `[{"scope":"a"},{"exp":5}]`, `[{"scope":"a"},{"exp":5}]`, []int{-1, -1}, "", false},
		{"nothing wanted", `[{"scope":"a"},{"exp":5}]`, `[]`, `[{"scope":"a"},{"exp":5}]`, []int{0, 1}, "", true},
		{"nothing at all", `[]`, `[]`, `[]`, nil, "", true},
		{"all fit", `[{"scope":"a"},{"scope":"b c"}]`, `[{"scope":"c"},{"scope":"a","exp":5}]`, `[{"scope":"c"},{"exp":5,"scope":"a"}]`, []int{1, 0}, "", false},
		{"one does not", `[{"scope":"a"}]`, `[{"scope":"a b"},{"scope":"a"}]`, `[{"scope":"a"}]`, []int{0}, "0/0:[scope]", false},
		{"none does", `[{"scope":"a","exp":9},{"audience":["x"]}]`, `[{"scope":"b","exp":9}]`, `[{"exp":9,"scope":"a"},{"audience":["x"]}]`, []int{0, 1}, "0/0:[scope]", true},
		{"the closest clause", `[{"nbf":5,"exp":9,"usages_AT":1},{"exp":9}]`, `[{"exp":10}]`, `[{"nbf":5,"exp":9,"usages_AT":1},{"exp":9}]`, []int{0, 1}, "0/1:[exp]", true},
		{"every key in the way", `[{"nbf":5,"exp":9,"scope":"a","audience":["a"],"hosts":["::1"],"geoip_allow":["DE"],"geoip_disallow":["FR"],"usages_AT":1,"usages_other":1,"x":1}]`, `[{"y":1}]`,
			`[{"nbf":5,"exp":9,"scope":"a","audience":["a"],"hosts":["::1"],"geoip_allow":["DE"],"geoip_disallow":["FR"],"usages_AT":1,"usages_other":1,"x":1}]`, []int{0},
			"0/0:[nbf exp scope audience hosts geoip_allow geoip_disallow usages_AT usages_other x]", true},
		{"equal clauses are merged", `[{"usages_AT":3}]`, `[{"usages_AT":2},{"usages_AT":2},{"usages_AT":4}]`, `[{"usages_AT":2}]`, []int{0}, "2/0:[usages_AT]", false},
		{"siblings share by charges", `[{"usages_AT":3}]`, `[{"usages_AT":2},{"usages_AT":3,"exp":5}]`, `[{"usages_AT":2},{"exp":5,"usages_AT":3}]`, []int{0, 0}, "", false},
		{"the first that fits", `[{"scope":"a b"},{"scope":"a"}]`, `[{"scope":"a"}]`, `[{"scope":"a"}]`, []int{0}, "", false},
		{"rather one with budget left", `[{"scope":"a b","usages_AT":3},{"scope":"a","usages_AT":2}]`, `[{"scope":"a b","usages_AT":2},{"scope":"a","usages_AT":2}]`, `[{"scope":"a b","usages_AT":2},{"scope":"a","usages_AT":2}]`, []int{0, 1}, "", false},
		{"else the first", `[{"usages_AT":3},{"usages_AT":2}]`, `[{"usages_AT":2},{"usages_AT":2,"exp":4},{"usages_AT":2,"exp":5}]`, `[{"usages_AT":2},{"exp":4,"usages_AT":2},{"exp":5,"usages_AT":2}]`, []int{0, 1, 0}, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := Narrow(mustParse(t, test.parent), mustParse(t, test.wanted), NarrowOptions{})
			if got := mustEncode(t, n.List); got != test.list {
				t.Errorf("got %s, want %s", got, test.list)
			}
			if !slices.Equal(n.Draws, test.draws) {
				t.Errorf("draws on %v, want %v", n.Draws, test.draws)
			}
			dropped := ""
			for _, d := range n.Dropped {
				dropped += fmt.Sprintf("%d/%d:%v", d.Clause, d.Closest, d.Keys)
			}
			if dropped != test.dropped || n.OK() != (dropped == "") || n.Inherited != test.inherited {
				t.Errorf("dropped %s, want %s; inherited %v", dropped, test.dropped, n.Inherited)
			}
		})
	}
}

// TestNarrowPrefersUnspentBudget shows that the parent's counters only choose which
// clause a child draws on.
func TestNarrowPrefersUnspentBudget(t *testing.T) {
	parent, wanted := mustParse(t, `[{"usages_AT":3},{"usages_AT":2}]`), mustParse(t, `[{"usages_AT":2}]`)
	for _, test := range []struct {
		used []Usage
		want int
	}{{nil, 0}, {[]Usage{{AT: 1}, {}}, 0}, {[]Usage{{AT: 2}, {}}, 1}, {[]Usage{{AT: 3}, {AT: 2}}, 0}, {[]Usage{{AT: 9}}, 1}} {
		n := Narrow(parent, wanted, NarrowOptions{Used: test.used})
		if !n.OK() || !slices.Equal(n.Draws, []int{test.want}) {
			t.Errorf("used %v: draws on %v, want %d", test.used, n.Draws, test.want)
		}
	}
}

// TestD24_IndependentBudgets has the example of protocol section 2.6. The option
// subtracts limits as the reference server does. Without it, a child inherits the limits,
// and every clause says which one it draws on.
func TestD24_IndependentBudgets(t *testing.T) {
	for _, test := range []struct {
		parent, wanted, list string
		draws                []int
		dropped              int
	}{
		{`[{"usages_AT":3}]`, `[{"usages_AT":2},{"usages_AT":2}]`, `[{"usages_AT":2}]`, []int{0}, 1},
		{`[{"usages_AT":4}]`, `[{"usages_AT":2},{"usages_AT":2}]`, `[{"usages_AT":2},{"usages_AT":2}]`, []int{0, 0}, 0},
		{`[{"usages_AT":3},{"usages_AT":2}]`, `[{"usages_AT":2},{"usages_AT":2}]`, `[{"usages_AT":2},{"usages_AT":2}]`, []int{0, 1}, 0},
		{`[{"usages_other":3}]`, `[{"usages_other":1},{"usages_other":2},{"usages_other":0},{"usages_other":1}]`, `[{"usages_other":1},{"usages_other":2},{"usages_other":0}]`, []int{0, 0, 0}, 1},
		{`[{"usages_AT":3}]`, `[{"usages_AT":4}]`, `[{"usages_AT":3}]`, []int{0}, 1},
	} {
		n := Narrow(mustParse(t, test.parent), mustParse(t, test.wanted), NarrowOptions{IndependentBudgets: true})
		if got := mustEncode(t, n.List); got != test.list || !slices.Equal(n.Draws, test.draws) || len(n.Dropped) != test.dropped {
			t.Errorf("%s of %s: got %s %v %v", test.wanted, test.parent, got, n.Draws, n.Dropped)
		}
	}
	n := Narrow(mustParse(t, `[{"exp":9},{"usages_AT":1}]`), mustParse(t, `[{"usages_AT":1}]`), NarrowOptions{})
	if !slices.Equal(n.Draws, []int{1}) {
		t.Errorf("draws on %v", n.Draws)
	}
}

// TestD21_SilentAdjustmentIsVisible shows that the result tells what was adjusted.
func TestD21_SilentAdjustmentIsVisible(t *testing.T) {
	parent := mustParse(t, `[{"exp":9}]`)
	n := Narrow(parent, mustParse(t, `[{"exp":10}]`), NarrowOptions{})
	if n.OK() || !n.Inherited || !n.List.Equal(parent) {
		t.Errorf("got %+v", n)
	}
	n.List[0].Expires = 1
	if parent[0].Expires != 9 {
		t.Error("the child shares its parent's memory")
	}
}

// TestMerge shows that Merge keeps the first of equal clauses.
func TestMerge(t *testing.T) {
	list := mustParse(t, `[{"usages_AT":2},{"exp":5,"x":1,"y":2},{"usages_AT":2},{"exp":5,"y":2,"x":1},{"usages_AT":3}]`)
	merged := Merge(list)
	assert.Equal(t, `[{"usages_AT":2},{"exp":5,"x":1,"y":2},{"usages_AT":3}]`, mustEncode(t, merged))
	*merged[0].UsagesAT = 9
	if *list[0].UsagesAT != 2 {
		t.Error("the result shares memory")
	}
	if Merge(nil) != nil {
		t.Error("something came of nothing")
	}
}

// TestNarrowOfLargeLists drops each clause because of its last entry, and names the key.
func TestNarrowOfLargeLists(t *testing.T) {
	const clauses, entries = 256, 16
	hosts := make([]string, entries)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("192.0.2.%d", i)
	}
	parent := slices.Repeat(List{{Hosts: hosts}}, clauses)
	wanted := parent.Clone()
	for i := range wanted {
		wanted[i].Expires = int64(i + 1)
		wanted[i].Hosts[entries-1] = "198.51.100.1"
	}
	wanted[clauses/2].Hosts[entries-1] = "::ffff:192.0.2.1"
	if err := wanted.Validate(); err != nil {
		t.Fatal(err)
	}
	n := Narrow(parent, wanted, NarrowOptions{})
	if len(n.Dropped) != clauses-1 || len(n.List) != 1 || n.List[0].Expires != clauses/2+1 || !slices.Equal(n.Draws, []int{0}) {
		t.Errorf("%d dropped, %d left, draws on %v", len(n.Dropped), len(n.List), n.Draws)
	}
	for _, d := range n.Dropped {
		if d.Closest != 0 || !slices.Equal(d.Keys, []string{KeyHosts}) {
			t.Fatalf("got %+v", d)
		}
	}
}

// TestWithinIgnoresConditionsUnderKnownKeys compares clauses that no JSON text can
// produce: their extra key has the name of a key of the protocol.
//
// proves P1
func TestWithinIgnoresConditionsUnderKnownKeys(t *testing.T) {
	factories := map[string]Factory{KeyGeoIPAllow: func([]byte) (Condition, error) { return fixed{}, nil }}
	known := List{{GeoIPAllow: []string{"DE"}}}
	extra := List{{Extra: []Extra{{KeyGeoIPAllow, []byte(`["DE"]`)}}}}
	assert.False(t, Within(extra, known, factories))
	assert.False(t, Within(known, extra, factories))
	assert.True(t, Within(extra, extra, factories), "the same bytes")
}

// TestWithinBudgets: the clauses of a list share the uses of the other list out.
//
// proves P3
func TestWithinBudgets(t *testing.T) {
	for _, test := range []struct {
		child, parent string
		within        bool
	}{
		{`[{"scope":"a","usages_AT":2},{"scope":"b","usages_AT":1}]`, `[{"scope":"a b","usages_AT":3}]`, true},
		{`[{"scope":"a","usages_AT":2},{"scope":"b","usages_AT":2}]`, `[{"scope":"a b","usages_AT":3}]`, false},
		{`[{"scope":"a","usages_AT":3},{"scope":"a","usages_AT":3}]`, `[{"scope":"a","usages_AT":3}]`, true}, // one clause
		{`[{"scope":"a","usages_AT":3},{"scope":"a","usages_AT":0}]`, `[{"scope":"a","usages_AT":3}]`, true},
		{`[{"scope":"a","usages_other":1},{"usages_AT":1,"usages_other":1}]`, `[{"usages_other":1}]`, false},
		{`[{"scope":"a","usages_AT":1},{"usages_AT":1}]`, `[{"usages_AT":1},{"scope":"a","usages_AT":1}]`, true}, // the other order
		{`[{"usages_AT":1},{"scope":"a","usages_AT":1}]`, `[{"usages_AT":1},{"scope":"a","usages_AT":1}]`, true},
		{`[{"scope":"a"}]`, `[{"scope":"a","usages_AT":1}]`, false},
		{`[]`, `[{"scope":"a","usages_AT":1}]`, false},
		{`[{"scope":"a","usages_AT":1},{"scope":"b","usages_AT":9}]`, `[]`, true},
		{`[{"x":1,"usages_AT":2},{"x":1,"exp":9,"usages_AT":2}]`, `[{"x":1,"usages_AT":3}]`, false},
		{`[{"x":1,"usages_AT":2}]`, `[{"x":2,"usages_AT":3}]`, false},
	} {
		got := WithinBudgets(mustParse(t, test.child), mustParse(t, test.parent), nil)
		if got != test.within {
			t.Errorf("%s within %s: %v", test.child, test.parent, got)
		}
	}
}
