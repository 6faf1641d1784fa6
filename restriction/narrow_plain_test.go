package restriction

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// plainNarrow is Narrow without an index: it compares each wanted clause with each clause
// of the parent, and asks for one key after the other.
func plainNarrow(parent, wanted List, o NarrowOptions) Narrowed {
	var origin []int
	if o.IndependentBudgets {
		for i := range wanted {
			origin = append(origin, i)
		}
	} else {
		var merged List
		for i := range wanted {
			if !slices.ContainsFunc(merged, func(c Clause) bool { return c.Equal(&wanted[i]) }) {
				merged, origin = append(merged, wanted[i]), append(origin, i)
			}
		}
		wanted = merged
	}
	if len(wanted) == 0 {
		return inherit(parent)
	}
	if len(parent) == 0 {
		return Narrowed{List: wanted.Clone(), Draws: slices.Repeat([]int{NoClause}, len(wanted))}
	}
	var n Narrowed
	parents, children := newFittings(parent, o.Conditions), newFittings(wanted, o.Conditions)
	var left []limits
	for i := range parents {
		left = append(left, parents[i].limits())
		if !o.IndependentBudgets && i < len(o.Used) {
			left[i] = left[i].minus(limits{o.Used[i].AT, o.Used[i].Other})
		}
	}
	for k := range children {
		w, chosen := &children[k], NoClause
		for i := range parents {
			if !plainFits(w, &parents[i]) {
				continue
			}
			if enough := left[i].cover(w.limits()); enough || chosen == NoClause {
				chosen = i
				if enough {
					break
				}
			}
		}
		if chosen == NoClause {
			closest := Dropped{Clause: origin[k]}
			for i := range parents {
				if keys := w.misfits(&parents[i]); i == 0 || len(keys) < len(closest.Keys) {
					closest.Closest, closest.Keys = i, keys
				}
			}
			n.Dropped = append(n.Dropped, closest)
			continue
		}
		left[chosen] = left[chosen].minus(w.limits())
		if o.IndependentBudgets {
			parents[chosen].at.limit, parents[chosen].other.limit = left[chosen].at, left[chosen].other
		}
		n.List, n.Draws = append(n.List, wanted[k].Clone()), append(n.Draws, chosen)
	}
	if len(n.List) == 0 {
		dropped := n.Dropped
		n = inherit(parent)
		n.Dropped = dropped
	}
	return n
}

// plainFits stops at the first key in which w goes beyond p.
func plainFits(w, p *fitting) bool {
	for _, k := range keys {
		if parent, child := p.partOf(k), w.partOf(k); parent != nil && (child == nil || !child.within(parent)) {
			return false
		}
	}
	return !slices.ContainsFunc(p.source.Extra, func(e Extra) bool { return !w.extraWithin(p, &e) })
}

// TestNarrowIsThatOfThePlainSearch compares results with the plain search, including why
// clauses are dropped and on which clauses the others draw.
//
// proves P1
func TestNarrowIsThatOfThePlainSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parent, wanted := drawFamily(t)
		for range rapid.IntRange(0, 6).Draw(t, "more") {
			more, others := drawFamily(t)
			parent, wanted = append(parent, more...), append(wanted, others...)
		}
		options := NarrowOptions{Conditions: worldConditions(), IndependentBudgets: rapid.Bool().Draw(t, "independent")}
		if rapid.Bool().Draw(t, "known") {
			for range parent {
				options.Used = append(options.Used, Usage{AT: rapid.Int64Range(0, 3).Draw(t, "AT"), Other: rapid.Int64Range(0, 3).Draw(t, "other")})
			}
		}
		if rapid.IntRange(0, 4).Draw(t, "without conditions") == 0 {
			options.Conditions = nil
		}
		got, want := Narrow(parent, wanted, options), plainNarrow(parent, wanted, options)
		if !got.List.Equal(want.List) || !slices.Equal(got.Draws, want.Draws) || got.Inherited != want.Inherited || !reflect.DeepEqual(got.Dropped, want.Dropped) {
			t.Fatalf("%+v\nwant\n%+v", got, want)
		}
		want = plainNarrow(parent, wanted, NarrowOptions{Conditions: options.Conditions})
		if within := Within(wanted, parent, options.Conditions); within != (len(parent) == 0 || len(wanted) > 0 && want.OK()) {
			t.Fatalf("within: %v, but %+v", within, want)
		}
	})
}

// countedKey counts comparisons of its parts.
type countedKey struct {
	indexedKey
	compared *int
}

type countedPart struct {
	part
	compared *int
}

func (k countedKey) part(c *clause) part {
	if p := k.indexedKey.part(c); p != nil {
		return countedPart{p, k.compared}
	}
	return nil
}

func (p countedPart) within(parent part) bool {
	*p.compared++
	return p.part.within(parent.(countedPart).part)
}

func (k countedKey) index(parents []part) keyIndex {
	return countedIndex{k.indexedKey.index(uncounted(parents...))}
}

type countedIndex struct{ keyIndex }

func (x countedIndex) covering(child part) set { return x.keyIndex.covering(uncounted(child)[0]) }

func uncounted(parts ...part) []part {
	out := slices.Clone(parts)
	for i, p := range out {
		if counted, ok := p.(countedPart); ok {
			out[i] = counted.part
		}
	}
	return out
}

// hostileLists returns a parent and wanted clauses of a thousand each that make the plain
// search compare each with each.
func hostileLists() map[string][2]List {
	lists := make(map[string][2]List)
	add := func(name string, parent, wanted func(i int) Clause) {
		var l [2]List
		for i := range 1000 {
			l[0], l[1] = append(l[0], parent(i)), append(l[1], wanted(999-i))
		}
		lists[name] = l
	}
	far := epoch.Add(time.Hour).Unix()
	address := func(i int) []string { return []string{fmt.Sprintf("10.1.%d.%d", i/250, i%250)} }
	same := func(clause func(i int) Clause) (_, _ func(int) Clause) { return clause, clause }
	parent, wanted := same(func(i int) Clause { return Clause{Expires: far, Hosts: address(i)} })
	add("reversed hosts", parent, wanted)
	parent, wanted = same(func(i int) Clause { return Clause{Scopes: []string{fmt.Sprint("s", i)}, Audiences: []string{"a"}} })
	add("reversed scopes", parent, wanted)
	add("times that fit late", func(i int) Clause { return Clause{Expires: far + int64(i), Scopes: []string{"a"}} },
		func(i int) Clause {
			return Clause{Expires: far + 999, UsagesAT: Usages(int64(i)), Scopes: []string{"a"}}
		})
	add("used up", func(i int) Clause { return Clause{UsagesAT: Usages(1), Expires: far + int64(i)} },
		func(i int) Clause { return Clause{UsagesAT: Usages(1), Expires: far - int64(i)} })
	add("nothing fits", func(i int) Clause { return Clause{Expires: far, Hosts: address(i)} },
		func(i int) Clause { return Clause{Expires: far + 1, Hosts: address(i)} })
	return lists
}

// TestNarrowComparesLittle: the work does not grow with the product of two lists.
func TestNarrowComparesLittle(t *testing.T) {
	compared := 0
	before := keys
	t.Cleanup(func() { keys = before })
	keys = slices.Clone(keys)
	for n, k := range keys {
		if k, ok := k.(indexedKey); ok {
			keys[n] = countedKey{k, &compared}
		}
	}
	count := func(do func()) int {
		compared = 0
		do()
		return compared
	}
	for name, l := range hostileLists() {
		var got, want Narrowed
		plain := count(func() { want = plainNarrow(l[0], l[1], NarrowOptions{}) })
		if name != "used up" && plain < 400_000 {
			t.Errorf("%s: the plain search makes %d comparisons", name, plain)
		}
		if n := count(func() { got = Narrow(l[0], l[1], NarrowOptions{}) }); n > 10*1000 {
			t.Errorf("%s: %d comparisons", name, n)
		}
		if n := count(func() { Within(l[1], l[0], nil) }); n > 10*1000 {
			t.Errorf("%s: %d comparisons in Within", name, n)
		}
		if got.misfits = nil; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: another result", name)
		}
	}
}

// TestNarrowKeepsNoCoverers: each of the many networks that cover an address is looked
// up. They are not kept for all addresses of a clause.
func TestNarrowKeepsNoCoverers(t *testing.T) {
	var hosts []string
	for i := range MaxEntries {
		hosts = append(hosts, fmt.Sprintf("::%x", i))
	}
	parent, wanted := List{{Hosts: []string{"::/0"}}}, List{{Hosts: hosts}}
	if n := testing.AllocsPerRun(3, func() { Narrow(parent, wanted, NarrowOptions{}) }); n > 3*MaxEntries {
		t.Errorf("%v allocations for %d addresses", n, MaxEntries)
	}
}

// TestNarrowTellsListsWithoutCountriesApart: lists that name no country cover each other
// only if they are equal.
//
// proves P1
func TestNarrowTellsListsWithoutCountriesApart(t *testing.T) {
	lists := [][]string{{}, {""}, {"", ""}, {"a b"}, {"a", "b"}, {"a\x00b"}}
	for i, parent := range lists {
		for k, child := range lists {
			if got := Within(List{{GeoIPAllow: child}}, List{{GeoIPAllow: parent}}, nil); got != (i == k) {
				t.Errorf("%q within %q: %v", child, parent, got)
			}
		}
	}
}
