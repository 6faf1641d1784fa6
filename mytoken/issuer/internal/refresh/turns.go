package refresh

import (
	"cmp"
	"slices"

	"github.com/mytoken-go/sdk/store"
)

// turns is the tree of the tokens that have places in a line. At each token, its own
// places and the subtree of each child take turns. So a token delays its parent and its
// siblings by no more than one turn, however many tokens are derived from it.
//
// A branch goes to the back when a refresh in it starts and when it ends. A branch
// without places keeps its turn until it is pruned.
type turns struct {
	top    *branch                   // above all roots
	tokens map[store.TokenID]*branch // the subtree of each token
	drawn  uint64                    // number of the newest turn
	leaves int
}

// branch is the subtree of a token, or a leaf of it: the places of the token itself.
type branch struct {
	token    store.TokenID
	parent   *branch
	children []*branch // in no particular order; the leaf is one of them
	own      *branch   // the leaf, if there is one
	loose    bool      // the ancestors are not known: it is below the top for now

	next    uint64   // the sibling with the lowest number comes next
	running int      // refreshes in the branch
	waiting int      // places in the branch
	unused  int      // leaves without places in the branch
	places  []*place // those that wait; of a leaf
}

func newTurns() *turns {
	return &turns{top: new(branch), tokens: make(map[store.TokenID]*branch)}
}

// known reports whether the tree has the token and its ancestors.
func (t *turns) known(token store.TokenID) bool {
	b, found := t.tokens[token]
	return found && !b.loose
}

// leaf returns the leaf of a token. The path is as in [grantQueue.enter]. If it is nil
// and the tree does not have the token, its branch is loose until another path has it,
// and what is put into it has to run at once.
func (t *turns) leaf(token store.TokenID, path []store.TokenID) *branch {
	if path == nil {
		b, found := t.tokens[token]
		if !found {
			b = t.grow(t.top, token)
			b.loose = true
			t.tokens[token] = b
		}
		return t.ownLeaf(b)
	}
	above := t.top
	for _, token := range path {
		b, found := t.tokens[token]
		switch {
		case !found:
			b = t.grow(above, token)
			t.tokens[token] = b
		case b.loose:
			t.move(b, above)
		}
		above = b
	}
	return t.ownLeaf(above)
}

func (t *turns) ownLeaf(b *branch) *branch {
	if b.own == nil {
		b.own = t.grow(b, b.token)
		t.leaves++
		b.own.count(0, 0)
	}
	return b.own
}

func (t *turns) grow(parent *branch, token store.TokenID) *branch {
	t.drawn++
	b := &branch{token: token, parent: parent, next: t.drawn}
	parent.children = append(parent.children, b)
	return b
}

// move takes a loose branch, which runs, to where it belongs.
func (t *turns) move(b, above *branch) {
	t.top.cut(b)
	b.loose, b.parent = false, above
	above.children = append(above.children, b)
	for ; above != t.top; above = above.parent {
		above.running += b.running
		above.waiting += b.waiting
		above.unused += b.unused
	}
	t.back(b)
}

func (b *branch) cut(child *branch) {
	n := slices.Index(b.children, child)
	b.children = slices.Delete(b.children, n, n+1)
}

// back sends the branch and those above it behind their siblings.
func (t *turns) back(b *branch) {
	t.drawn++
	for ; b != t.top; b = b.parent {
		b.next = t.drawn
	}
}

// count adds to the numbers of a leaf and of everything above it.
func (b *branch) count(running, waiting int) {
	unused := -b.unused
	if b.running+running+b.waiting+waiting == 0 {
		unused++
	}
	for ; b != nil; b = b.parent {
		b.running += running
		b.waiting += waiting
		b.unused += unused
	}
}

// wait puts a place behind the others of the leaf.
func (t *turns) wait(leaf *branch, p *place) {
	p.leaf = leaf
	leaf.places = append(leaf.places, p)
	leaf.count(0, 1)
}

// start returns the place whose turn it is, which runs from now on. It returns nil if
// none waits.
func (t *turns) start() *place {
	if t.top.waiting == 0 {
		return nil
	}
	b := t.top
	for len(b.children) > 0 {
		var next *branch
		for _, c := range b.children {
			if c.waiting > 0 && (next == nil || c.next < next.next) {
				next = c
			}
		}
		b = next
	}
	p := b.places[0]
	b.places = slices.Delete(b.places, 0, 1)
	b.count(1, -1)
	t.back(b)
	return p
}

// end takes a place that runs out of the tree.
func (t *turns) end(p *place) {
	p.leaf.count(-1, 0)
	t.back(p.leaf)
	if p.leaf.unused > 0 {
		t.prune(p.leaf)
	}
}

// withdraw takes a place that waits out of the tree. Its leaf keeps its turn. It reports
// whether the place did wait.
func (t *turns) withdraw(p *place) bool {
	n := slices.Index(p.leaf.places, p)
	if n < 0 {
		return false
	}
	p.leaf.places = slices.Delete(p.leaf.places, n, n+1)
	p.leaf.count(0, -1)
	return true
}

// tidy forgets turns of leaves without places, of the branches that have most of them,
// if the tree has too many leaves.
func (t *turns) tidy(limit int) {
	for t.leaves > limit && t.top.unused > 0 {
		t.prune(t.heaviest(func(b *branch) int { return b.unused }))
	}
}

// prune removes a leaf without places, and the branches that end with it.
func (t *turns) prune(leaf *branch) {
	for b := leaf; b != nil; b = b.parent {
		b.unused--
	}
	t.leaves--
	leaf.parent.own = nil
	for b := leaf; b != t.top && len(b.children) == 0; b = b.parent {
		b.parent.cut(b)
		if b != leaf {
			delete(t.tokens, b.token)
		}
	}
}

// heaviest walks down to a leaf, at each branch to the child of the most weight. Of those
// that weigh the same, it takes the one whose turn comes last.
func (t *turns) heaviest(weight func(*branch) int) *branch {
	b := t.top
	for len(b.children) > 0 {
		b = slices.MaxFunc(b.children, func(x, y *branch) int {
			return cmp.Or(cmp.Compare(weight(x), weight(y)), cmp.Compare(x.next, y.next))
		})
	}
	return b
}

// surplus returns the place to give up if one more does not fit: the newest one that
// waits in the heaviest branch. Between branches with as many places, the newcomer's has
// to give way.
func (t *turns) surplus(newcomer *place) *place {
	above := make(map[*branch]bool)
	for b := newcomer.leaf; b != nil; b = b.parent {
		above[b] = true
	}
	leaf := t.heaviest(func(b *branch) int {
		if above[b] {
			return 2*b.waiting + 1
		}
		return 2 * b.waiting
	})
	return leaf.places[len(leaf.places)-1]
}

// before returns how many places get their turns before another one of the leaf would.
func (b *branch) before() int {
	n := len(b.places)
	for ; b.parent != nil; b = b.parent {
		others := 0
		for _, c := range b.parent.children {
			switch {
			case c == b:
			case c.next < b.next:
				others += min(c.waiting, n+1)
			default:
				others += min(c.waiting, n)
			}
		}
		n += others
	}
	return n
}
