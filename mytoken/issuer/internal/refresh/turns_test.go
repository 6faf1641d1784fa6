package refresh

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mytoken-go/sdk/store"
)

// slowTurns does what turns does, from a list of places and the instants at which
// something happened below a prefix of a path.
type slowTurns struct {
	now    int
	last   map[string]int // instant at which the prefix went to the back
	places []slowPlace    // oldest first
	idle   []string       // leaves that keep their turns
}

type slowPlace struct {
	leaf    string // a letter for each token of the path, and a dot
	running bool
	p       *place
}

// sameBranch returns the prefix of the leaf that is one longer than above.
func sameBranch(above, leaf string) (string, bool) {
	if len(leaf) > len(above) && leaf[:len(above)] == above {
		return leaf[:len(above)+1], true
	}
	return "", false
}

// below counts what waits in each child of the prefix.
func (s *slowTurns) below(above string) map[string]int {
	out := make(map[string]int)
	for _, p := range s.places {
		if child, ok := sameBranch(above, p.leaf); ok && !p.running {
			out[child]++
		}
	}
	return out
}

// touch sends all prefixes of the leaf to the back, or only those that are new.
func (s *slowTurns) touch(leaf string, all bool) {
	for n := range leaf {
		s.now++
		if _, known := s.last[leaf[:n+1]]; all || !known {
			s.last[leaf[:n+1]] = s.now
		}
	}
}

// forget drops the instants of the prefixes that nobody uses.
func (s *slowTurns) forget() {
	for prefix := range s.last {
		used := func(leaf string) bool { return len(leaf) >= len(prefix) && leaf[:len(prefix)] == prefix }
		if !slices.ContainsFunc(s.idle, used) && !slices.ContainsFunc(s.places, func(p slowPlace) bool { return used(p.leaf) }) {
			delete(s.last, prefix)
		}
	}
}

// choose walks down to the leaf for which less is true at each prefix.
func (s *slowTurns) choose(less func(a, b string, waiting map[string]int) bool) string {
	at := ""
	for len(at) == 0 || at[len(at)-1] != '.' {
		waiting, best := s.below(at), ""
		for child := range waiting {
			if best == "" || less(child, best, waiting) {
				best = child
			}
		}
		at = best
	}
	return at
}

func (s *slowTurns) start() *place {
	leaf := s.choose(func(a, b string, _ map[string]int) bool { return s.last[a] < s.last[b] })
	n := slices.IndexFunc(s.places, func(p slowPlace) bool { return p.leaf == leaf && !p.running })
	s.places[n].running = true
	s.touch(leaf, true)
	return s.places[n].p
}

// surplus returns the newest place of the branch that has most.
func (s *slowTurns) surplus(newcomer string) *place {
	leaf := s.choose(func(a, b string, waiting map[string]int) bool {
		own := func(prefix string) bool { return newcomer[:min(len(prefix), len(newcomer))] == prefix }
		switch {
		case waiting[a] != waiting[b]:
			return waiting[a] > waiting[b]
		case own(a) != own(b):
			return own(a)
		}
		return s.last[a] > s.last[b]
	})
	var newest *place
	for _, p := range s.places {
		if p.leaf == leaf && !p.running {
			newest = p.p
		}
	}
	return newest
}

// before starts all that waits in a copy, and counts until a new place of the leaf comes.
func (s *slowTurns) before(leaf string) (n int) {
	c := &slowTurns{now: s.now, last: make(map[string]int), places: slices.Clone(s.places)}
	for prefix, at := range s.last {
		c.last[prefix] = at
	}
	wanted := new(place)
	c.touch(leaf, false)
	c.places = append(c.places, slowPlace{leaf, false, wanted})
	for c.start() != wanted {
		n++
	}
	return n
}

func pathOf(leaf string) (path []store.TokenID) {
	for _, c := range leaf[:len(leaf)-1] {
		path = append(path, store.TokenID{byte(c)})
	}
	return path
}

// requireSums checks the counters of a branch against its children.
func requireSums(t *testing.T, b *branch) (leaves int) {
	t.Helper()
	if len(b.children) == 0 {
		require.Len(t, b.places, b.waiting)
		return 1
	}
	var running, waiting, unused int
	for _, c := range b.children {
		require.Same(t, b, c.parent)
		leaves += requireSums(t, c)
		running, waiting, unused = running+c.running, waiting+c.waiting, unused+c.unused
	}
	require.Equal(t, [3]int{running, waiting, unused}, [3]int{b.running, b.waiting, b.unused})
	return leaves
}

// The tree takes the same decisions as a slow model without counters and pointers.
func TestTurnsAreThoseOfTheModel(t *testing.T) {
	leaves := []string{"a.", "ab.", "abc.", "abd.", "abde.", "af.", "afg.", "h.", "hi."}
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		fast, slow := newTurns(), &slowTurns{last: make(map[string]int)}
		for range 200 {
			leaf := leaves[rnd.IntN(len(leaves))]
			if rnd.IntN(2) == 0 { // a branch with more than its share
				leaf = leaves[rnd.IntN(5)]
			}
			var waiting, running []slowPlace
			for _, p := range slow.places {
				if p.running {
					running = append(running, p)
				} else {
					waiting = append(waiting, p)
				}
			}
			drop := func(p slowPlace) {
				slow.places = slices.DeleteFunc(slow.places, func(o slowPlace) bool { return o.p == p.p })
			}
			switch what := rnd.IntN(8); {
			case what < 4:
				path := pathOf(leaf)
				b, p := fast.leaf(path[len(path)-1], path), new(place)
				slow.touch(leaf, false)
				require.Equal(t, slow.before(leaf), b.before())
				fast.wait(b, p)
				slow.places = append(slow.places, slowPlace{leaf, false, p})
				slow.idle = slices.DeleteFunc(slow.idle, func(o string) bool { return o == leaf })
				require.Same(t, slow.surplus(leaf), fast.surplus(p))
			case what < 6 && len(waiting) > 0:
				require.Same(t, slow.start(), fast.start())
			case what == 6 && len(running) > 0:
				p := running[rnd.IntN(len(running))]
				fast.end(p.p)
				drop(p)
				slow.touch(p.leaf, true)
				slow.forget()
			case what == 7 && len(waiting) > 0:
				p := waiting[rnd.IntN(len(waiting))]
				require.True(t, fast.withdraw(p.p))
				drop(p)
				if !slices.ContainsFunc(slow.places, func(o slowPlace) bool { return o.leaf == p.leaf }) {
					slow.idle = append(slow.idle, p.leaf)
				}
			}
			if fast.leaves > 0 {
				require.Equal(t, fast.leaves, requireSums(t, fast.top))
			}
			require.Equal(t, len(slow.idle), fast.top.unused)
		}
		for _, p := range slow.places {
			if p.running || !fast.withdraw(p.p) {
				fast.end(p.p)
			}
		}
		fast.tidy(0)
		require.Empty(t, fast.top.children, "nothing is left behind")
		require.Empty(t, fast.tokens)
		require.Zero(t, [4]int{fast.leaves, fast.top.running, fast.top.waiting, fast.top.unused})
	}
}

// A token that ran before its ancestors were known takes its subtree and its turn to
// where it belongs.
func TestTurnsLearnAncestors(t *testing.T) {
	r := newTurns()
	root, child, grandchild := store.TokenID{1}, store.TokenID{2}, store.TokenID{3}
	for _, token := range []store.TokenID{root, child} {
		r.wait(r.leaf(token, nil), new(place))
		require.Equal(t, token, r.start().leaf.token)
		require.False(t, r.known(token))
	}
	for _, path := range [][]store.TokenID{{root, child, grandchild}, {root}} {
		r.wait(r.leaf(path[len(path)-1], path), new(place))
	}
	require.True(t, r.known(root) && r.known(child) && r.known(grandchild))
	requireSums(t, r.top)
	require.Equal(t, []*branch{r.tokens[root]}, r.top.children)
	require.Equal(t, 2, r.tokens[child].running+r.tokens[child].waiting)
	require.Same(t, r.tokens[root], r.tokens[child].parent)
	require.Equal(t, root, r.start().leaf.token, "the child is behind its parent, since it runs")
	require.Equal(t, grandchild, r.start().leaf.token)
}
