package restriction

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestIntersect has the results that the documentation of Intersect promises.
func TestIntersect(t *testing.T) {
	for _, test := range []struct {
		name, parent, wanted string
		list                 string
		draws                []int
	}{
		{"a bound that is left out", `[{"exp":9,"scope":"a b"}]`, `[{"scope":"a"}]`, `[{"exp":9,"scope":"a"}]`, []int{0}},
		{"all of them", `[{"nbf":1,"exp":9,"scope":"a","audience":["x"],"hosts":["192.0.2.0/24"],"geoip_allow":["DE"],"geoip_disallow":["FR"],"usages_AT":3,"usages_other":4,"x":1}]`, `[{"y":2}]`,
			`[{"nbf":1,"exp":9,"scope":"a","audience":["x"],"hosts":["192.0.2.0/24"],"geoip_allow":["DE"],"geoip_disallow":["FR"],"usages_AT":3,"usages_other":4,"y":2,"x":1}]`, []int{0}},
		{"nothing to add", `[{"exp":9,"scope":"a b"}]`, `[{"exp":8,"scope":"a"}]`, `[{"exp":8,"scope":"a"}]`, []int{0}},
		{"a key that the parent lacks", `[{"exp":9}]`, `[{"hosts":["192.0.2.1"]}]`, `[{"exp":9,"hosts":["192.0.2.1"]}]`, []int{0}},
		{"several clauses", `[{"exp":9,"scope":"a"},{"exp":20,"scope":"b"}]`, `[{"hosts":["192.0.2.1"]}]`,
			`[{"exp":9,"scope":"a","hosts":["192.0.2.1"]},{"exp":20,"scope":"b","hosts":["192.0.2.1"]}]`, []int{0, 1}},
		{"one of several", `[{"exp":9,"scope":"a"},{"exp":20,"scope":"b"}]`, `[{"scope":"b"}]`, `[{"exp":20,"scope":"b"}]`, []int{1}},
		{"phases, cut in the second", `[{"exp":10,"hosts":["192.0.2.1"],"scope":"a"},{"nbf":10,"exp":20,"scope":"b"}]`, `[{"exp":15}]`,
			`[{"exp":10,"scope":"a","hosts":["192.0.2.1"]},{"nbf":10,"exp":15,"scope":"b"}]`, []int{0, 1}},
		{"phases, cut in the first", `[{"exp":10,"scope":"a"},{"nbf":10,"exp":20,"scope":"b"}]`, `[{"exp":9}]`, `[{"exp":9,"scope":"a"}]`, []int{0}},
		{"some entries of another clause", `[{"exp":9,"scope":"a b","hosts":["192.0.2.1"]},{"scope":"a","exp":20,"hosts":["192.0.2.0/24","10.0.0.0/8"]}]`, `[{"scope":"a b"}]`,
			`[{"exp":9,"scope":"a b","hosts":["192.0.2.1"]},{"exp":20,"scope":"a","hosts":["192.0.2.0/24","10.0.0.0/8"]}]`, []int{0, 1}},
		{"hosts of both", `[{"exp":9,"hosts":["192.0.2.0/24","*.example.org"]},{"exp":20,"hosts":["192.0.2.7","10.0.0.0/8"]}]`, `[{"hosts":["192.0.2.0/25","a.example.org"]}]`,
			`[{"exp":9,"hosts":["192.0.2.0/25","a.example.org"]},{"exp":20,"hosts":["192.0.2.7"]}]`, []int{0, 1}},
		{"countries of both", `[{"exp":9,"geoip_allow":["DE","FR"]},{"exp":20,"geoip_allow":["FR","AT"]}]`, `[{"geoip_allow":["DE","FR"]}]`,
			`[{"exp":9,"geoip_allow":["DE","FR"]},{"exp":20,"geoip_allow":["FR"]}]`, []int{0, 1}},
		{"countries that either excludes", `[{"exp":9,"geoip_disallow":["DE"]},{"exp":20,"geoip_disallow":["FR"]}]`, `[{"geoip_disallow":["DE"]}]`,
			`[{"exp":9,"geoip_disallow":["DE"]},{"exp":20,"geoip_disallow":["DE","FR"]}]`, []int{0, 1}},
		{"what adds nothing", `[{"exp":9,"scope":"a"},{"exp":20,"scope":"a b"},{"exp":15}]`, `[{"scope":"a"}]`, `[{"exp":20,"scope":"a"}]`, []int{1}},
		{"a budget of its own", `[{"exp":9,"scope":"a","usages_AT":3},{"exp":20,"scope":"a b","usages_AT":1}]`, `[{"scope":"a"}]`,
			`[{"exp":9,"scope":"a","usages_AT":3},{"exp":20,"scope":"a","usages_AT":1}]`, []int{0, 1}},
		{"a budget that nobody needs", `[{"exp":9,"scope":"a","usages_AT":3},{"exp":20,"scope":"a b"}]`, `[{"scope":"a"}]`, `[{"exp":20,"scope":"a"}]`, []int{1}},
		{"a limit in one clause", `[{"exp":9,"scope":"a b"}]`, `[{"scope":"a","usages_AT":2}]`, `[{"exp":9,"scope":"a","usages_AT":2}]`, []int{0}},
		{"a limit where it fits", `[{"exp":9,"scope":"a","usages_AT":1},{"exp":9,"scope":"a b","usages_AT":5}]`, `[{"scope":"a","usages_AT":2}]`, `[{"exp":9,"scope":"a","usages_AT":2}]`, []int{1}},
		{"a limit where all of it fits", `[{"exp":9,"scope":"a"},{"exp":20,"scope":"a b"}]`, `[{"scope":"a","usages_AT":2}]`, `[{"exp":20,"scope":"a","usages_AT":2}]`, []int{1}},
		{"no access tokens", `[{"exp":9,"scope":"a"},{"exp":20,"scope":"b"}]`, `[{"usages_AT":0}]`, `[{"exp":9,"scope":"a","usages_AT":0},{"exp":20,"scope":"b","usages_AT":0}]`, []int{0, 1}},
		{"an expired clause", `[{"exp":4,"scope":"a"},{"exp":20,"scope":"b"}]`, `[{"usages_AT":2}]`, `[{"exp":20,"scope":"b","usages_AT":2}]`, []int{1}},
		{"an expired clause alone fits", `[{"exp":4,"scope":"a"},{"exp":20,"scope":"b"}]`, `[{"scope":"a"}]`, `[{"exp":4,"scope":"a"}]`, []int{0}},
		{"equal ones", `[{"exp":9,"usages_AT":3},{"exp":20,"usages_AT":3}]`, `[{"exp":8},{"exp":8}]`, `[{"exp":8,"usages_AT":3}]`, []int{0}},
		{"nothing wanted", `[{"exp":9,"scope":"a"}]`, `[]`, `[{"exp":9,"scope":"a"}]`, []int{0}},
		{"unrestricted parent", `[]`, `[{"scope":"a"}]`, `[{"scope":"a"}]`, []int{-1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			n, err := Intersect(mustParse(t, test.parent), mustParse(t, test.wanted), time.Unix(5, 0), NarrowOptions{})
			require.NoError(t, err)
			require.Equal(t, test.list, mustEncode(t, n.List))
			require.Equal(t, test.draws, n.Draws)
			require.NoError(t, n.Err())
		})
	}
}

// TestIntersectRefuses shows that an error names the clause and the key, what was wanted,
// and what the parent has.
func TestIntersectRefuses(t *testing.T) {
	for _, test := range []struct{ parent, wanted, text string }{
		{`[{"nbf":1800000000}]`, `[{"nbf":1700000000}]`, "clause 0: nbf: the parent allows a time from 2027-01-15T08:00:00Z, not from 2023-11-14T22:13:20Z; ask for no more, or leave the key out"},
		{`[{"exp":1800000000}]`, `[{"exp":1800000001}]`, "clause 0: exp: the parent allows a time until 2027-01-15T08:00:00Z, not until 2027-01-15T08:00:01Z; ask for no more, or leave the key out"},
		{`[{"scope":"a b","exp":9}]`, `[{"exp":9,"scope":"a"},{"scope":"a c d"}]`, "clause 1: scope: the parent allows a b, not c d; ask for no more, or leave the key out"},
		{`[{"audience":["x"]}]`, `[{"audience":["x","y"]}]`, "clause 0: audience: the parent allows x, not y; ask for no more, or leave the key out"},
		{`[{"hosts":["192.0.2.0/24","*.example.org"]}]`, `[{"hosts":["192.0.3.1","192.0.2.1","example.com"]}]`, "clause 0: hosts: the parent allows 192.0.2.0/24 *.example.org, not 192.0.3.1 example.com; ask for no more, or leave the key out"},
		{`[{"geoip_allow":["DE"]}]`, `[{"geoip_allow":["de","FR"]}]`, "clause 0: geoip_allow: the parent allows DE, not FR; ask for no more, or leave the key out"},
		{`[{"geoip_disallow":["DE","FR"]}]`, `[{"geoip_disallow":["fr"]}]`, "clause 0: geoip_disallow: the parent also excludes DE; ask for no more, or leave the key out"},
		{`[{"usages_AT":3}]`, `[{"usages_AT":4}]`, "clause 0: usages_AT: the parent allows 3, not 4; ask for no more, or leave the key out"},
		{`[{"usages_other":3}]`, `[{"usages_other":4}]`, "clause 0: usages_other: the parent allows 3, not 4; ask for no more, or leave the key out"},
		{`[{"x":"secret"}]`, `[{"x":"hidden"}]`, "clause 0: x: the value is not known to be within the parent's"},
		{`[{"exp":1800000000,"scope":"a"}]`, `[{"exp":1800000001,"scope":"b"}]`, "clause 0: exp: the parent allows a time until 2027-01-15T08:00:00Z, not until 2027-01-15T08:00:01Z; ask for no more, or leave the key out; clause 0: scope: the parent allows a, not b; ask for no more, or leave the key out"},
		{`[{"scope":"a","exp":9},{"scope":"b","exp":20}]`, `[{"scope":"b","exp":21}]`, "clause 0: exp: the parent allows a time until 1970-01-01T00:00:20Z, not until 1970-01-01T00:00:21Z; ask for no more, or leave the key out"},
		{`[{"exp":9}]`, `[{"nbf":10}]`, "clause 0: nbf: the parent allows a time until 1970-01-01T00:00:09Z, not from 1970-01-01T00:00:10Z"},
		{`[{"nbf":9}]`, `[{"exp":8}]`, "clause 0: exp: the parent allows a time from 1970-01-01T00:00:09Z, not until 1970-01-01T00:00:08Z"},
		{`[{"geoip_disallow":["DE"]}]`, `[{"geoip_allow":["DE"]}]`, "clause 0: geoip_allow: the parent excludes DE"},
		{`[{"geoip_allow":["DE"]}]`, `[{"geoip_disallow":["DE"]}]`, "clause 0: geoip_disallow: the parent allows DE alone"},
		{`[{"exp":9,"scope":"a"},{"exp":20,"scope":"b"}]`, `[{"usages_AT":2}]`, "clause 0: usages_AT: one limit cannot count for several clauses of the parent, such as 0 and 1; ask for a clause for each, with a limit of its own"},
		{`[{"usages_AT":2,"scope":"a b"},{"scope":"a"}]`, `[{"usages_AT":4}]`, "clause 0: usages_AT: one limit cannot count for several clauses of the parent, such as 0 and 1; ask for a clause for each, with a limit of its own"},
		{`[{"scope":"a"}]`, `[{"scope":"b"},{"scope":"c"},{"scope":"d"},{"scope":"e"},{"scope":"f"}]`, "clause 0: scope: the parent allows a, not b; ask for no more, or leave the key out; clause 1: scope: the parent allows a, not c; ask for no more, or leave the key out; clause 2: scope: the parent allows a, not d; ask for no more, or leave the key out; clause 3: scope: the parent allows a, not e; ask for no more, or leave the key out; and 1 more"},
	} {
		n, err := Intersect(mustParse(t, test.parent), mustParse(t, test.wanted), time.Unix(5, 0), NarrowOptions{})
		var child *ChildError
		if !assert.ErrorAs(t, err, &child, test.wanted) {
			continue
		}
		assert.Empty(t, n)
		assert.Equal(t, "restriction: "+test.text, err.Error())
		assert.Equal(t, test.text, Reason(err))
		var first *ClauseError
		require.ErrorAs(t, err, &first)
		assert.Equal(t, child.Clauses[0], first)
	}
}

// TestNarrowedErr explains what the protocol's rule drops, keys that were left out among
// them.
func TestNarrowedErr(t *testing.T) {
	for _, test := range []struct{ parent, wanted, text string }{
		{`[{"exp":1800000000,"scope":"a b","x":"secret"}]`, `[{"scope":"a"},{"scope":"a"},{"exp":1800000000,"scope":"a c","x":"secret"}]`,
			"clause 0: exp: it is missing, and the parent has 2027-01-15T08:00:00Z; state it; clause 0: x: it is missing, and the parent has it; state it; clause 2: scope: the parent allows a b, not c; ask for no more, or leave the key out"},
		{`[{"usages_AT":3,"hosts":["192.0.2.0/24"]}]`, `[{"exp":9}]`, "clause 0: hosts: it is missing, and the parent has 192.0.2.0/24; state it; clause 0: usages_AT: it is missing, and the parent has 3; state it"},
	} {
		n := Narrow(mustParse(t, test.parent), mustParse(t, test.wanted), NarrowOptions{})
		assert.EqualError(t, n.Err(), "restriction: "+test.text)
	}
	// A key that only a program can write leads to a text, not to a panic.
	n := Narrow(List{{Extra: []Extra{{KeyGeoIPAllow, []byte(`["DE"]`)}}}}, List{{GeoIPAllow: []string{"DE"}}}, NarrowOptions{})
	assert.ErrorContains(t, n.Err(), beyondUnknown)
}

// TestIntersectDrawsWhereEnoughIsLeft: of clauses that are equal for the child, it draws
// on one that has uses left.
//
// proves P4
func TestIntersectDrawsWhereEnoughIsLeft(t *testing.T) {
	parent := mustParse(t, `[{"exp":9,"usages_AT":3},{"exp":20,"usages_AT":3}]`)
	for _, test := range []struct {
		wanted string
		spent  int64 // of the first clause
		draws  int
	}{
		{`[{"exp":8}]`, 0, 0},
		{`[{"exp":8}]`, 1, 1}, // the clause has the whole limit
		{`[{"exp":8,"usages_AT":2}]`, 1, 0},
		{`[{"exp":8,"usages_AT":2}]`, 2, 1},
		{`[{"usages_AT":2}]`, 0, 1}, // the first one ends too early
	} {
		n, err := Intersect(parent, mustParse(t, test.wanted), time.Time{}, NarrowOptions{Used: []Usage{{AT: test.spent}, {}}})
		require.NoError(t, err)
		assert.Equal(t, []int{test.draws}, n.Draws, "%s, %d spent", test.wanted, test.spent)
	}
}

// TestIntersectWithIndependentBudgets: siblings of one request share the parent's limit,
// because nothing else bounds them together.
//
// proves P3
func TestIntersectWithIndependentBudgets(t *testing.T) {
	parent := mustParse(t, `[{"exp":9,"scope":"a b","usages_AT":3}]`)
	options := NarrowOptions{IndependentBudgets: true}
	n, err := Intersect(parent, mustParse(t, `[{"scope":"a","usages_AT":2},{"scope":"b"}]`), time.Time{}, options)
	require.NoError(t, err)
	assert.Equal(t, `[{"exp":9,"scope":"a","usages_AT":2},{"exp":9,"scope":"b","usages_AT":1}]`, mustEncode(t, n.List))
	_, err = Intersect(parent, mustParse(t, `[{"scope":"a"},{"scope":"b"}]`), time.Time{}, options)
	assert.EqualError(t, err, "restriction: clause 1: usages_AT: the clauses before it take all that the parent allows; state a limit in each of them")
	_, err = Intersect(parent, mustParse(t, `[{"scope":"a","usages_AT":2},{"scope":"b","usages_AT":2}]`), time.Time{}, options)
	assert.EqualError(t, err, "restriction: clause 1: usages_AT: the parent allows 1, not 2; ask for no more, or leave the key out")
}

// TestIntersectSharesNoMemory changes the result and looks at the arguments.
func TestIntersectSharesNoMemory(t *testing.T) {
	parent, wanted := mustParse(t, `[{"exp":9,"scope":"a b","hosts":["192.0.2.1"],"usages_AT":3,"x":[1]}]`), mustParse(t, `[{"audience":["y"],"z":[2]}]`)
	parentBefore, wantedBefore := mustEncode(t, parent), mustEncode(t, wanted)
	for range 2 {
		n, err := Intersect(parent, wanted, time.Time{}, NarrowOptions{})
		require.NoError(t, err)
		c := &n.List[0]
		c.Scopes[0], c.Hosts[0], c.Audiences[0], *c.UsagesAT = "changed", "changed", "changed", 99
		for i := range c.Extra {
			copy(c.Extra[i].Value, "###")
		}
	}
	assert.Equal(t, parentBefore, mustEncode(t, parent))
	assert.Equal(t, wantedBefore, mustEncode(t, wanted))
}

// TestIntersectOfHostileLists: the work and the result are bounded, although each wanted
// clause may have something in common with each clause of the parent.
func TestIntersectOfHostileLists(t *testing.T) {
	var parent, wanted List
	for i := range MaxClauses {
		parent = append(parent, Clause{Scopes: []string{fmt.Sprint("s", i)}})
		wanted = append(wanted, Clause{Audiences: []string{fmt.Sprint("a", i)}})
	}
	_, err := Intersect(parent, wanted, time.Time{}, NarrowOptions{})
	require.ErrorIs(t, err, ErrTooLarge)
	n, err := Intersect(parent, wanted[:1], time.Time{}, NarrowOptions{})
	require.NoError(t, err)
	require.Len(t, n.List, MaxClauses)
	require.True(t, slices.IsSorted(n.Draws))

	// Every wanted clause overlaps with every clause of the parent.
	parent, wanted = nil, nil
	for i := range MaxClauses {
		hosts := []string{fmt.Sprintf("10.1.%d.0/24", i%256), "*.example.org"}
		parent = append(parent, Clause{Expires: int64(i + 9), Hosts: hosts})
		wanted = append(wanted, Clause{Hosts: hosts, Scopes: []string{fmt.Sprint("s", i)}})
	}
	_, err = Intersect(parent, wanted, time.Time{}, NarrowOptions{})
	var limit *LimitError
	require.ErrorAs(t, err, &limit)
	require.Equal(t, "clauses in common", limit.What)
	n, err = Intersect(parent[:64], wanted[:64], time.Time{}, NarrowOptions{})
	require.NoError(t, err)
	require.Less(t, len(n.List), 3*64)
}

// TestIntersectOfClausesThatMakeNoSense: a token may hold a negative limit, and a program a
// key that it states twice. The child gets no clause that such a parent does not have, and
// never an empty list, which would restrict nothing.
//
// proves P1
func TestIntersectOfClausesThatMakeNoSense(t *testing.T) {
	twice := Clause{Expires: 9, Extra: []Extra{{"k", []byte("1")}, {"k", []byte("2")}}}
	for _, independent := range []bool{false, true} {
		for name, parent := range map[string]List{
			"negative limits":          mustParse(t, `[{"exp":9,"usages_AT":-1,"usages_other":-2}]`),
			"a negative limit, shared": mustParse(t, `[{"exp":9,"usages_AT":-1},{"exp":20,"scope":"b","usages_AT":1}]`),
			"a key twice":              {twice},
			"a key twice, in one":      {{Expires: 9, UsagesAT: Usages(1)}, twice},
		} {
			for _, wanted := range []string{`[{"scope":"a"}]`, `[{"scope":"a"},{"exp":8}]`, `[{"usages_AT":-1},{"audience":["x"]}]`, `[{"usages_AT":-3},{"k":1}]`} {
				n, err := Intersect(parent, mustParse(t, wanted), time.Unix(5, 0), NarrowOptions{IndependentBudgets: independent})
				if err != nil {
					assert.NotEmpty(t, err.(*ChildError).Clauses, name)
					continue
				}
				assert.NotEmpty(t, n.List, "%s: %s", name, wanted)
				for i, draws := range n.Draws {
					assert.True(t, Within(n.List[i:i+1], parent[draws:draws+1], nil), "%s: %s: clause %d: %#v", name, wanted, i, n.List)
				}
			}
		}
	}
}
