package restriction

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/mytoken-go/sdk/internal/clip"
)

// wordsKey is the shape of a list that limits the scopes or the audiences of access
// tokens. A word is one scope or one audience.
type wordsKey struct {
	listKey
	words func(*clause) *words
	asked func(*Request) []string
	marks func(*Policy, *gate) (*markedWords, *marks)
}

// compile copies the list. A list without entries admits nothing.
func (k *wordsKey) compile(c *Clause, to *clause) part {
	entries := *k.field(c)
	if len(entries) == 0 {
		to.never(k.wire, "an entry", badValue(ErrInvalid, "the list has no entries"))
	}
	w := k.words(to)
	*w = words{key: k, list: slices.Clone(entries)}
	if len(entries) > longList {
		w.index = make(map[string]struct{}, len(entries))
		for _, entry := range entries {
			w.index[entry] = struct{}{}
		}
	}
	return nil
}

func (k *wordsKey) part(c *clause) part { return k.words(c) }

func (k *wordsKey) index(parents []part) keyIndex {
	return newListIndex(parents, func(p part) (all []string, has bool) {
		w := p.(*words)
		return w.list, w.key != nil
	}, func(p part) (needs iter.Seq[[]string], has bool) {
		w := p.(*words)
		return slices.Chunk(w.list, 1), w.key != nil
	})
}

// longList is the length above which a list gets an index.
const longList = 16

// words is the part for a wordsKey. The zero words limit nothing.
type words struct {
	key   *wordsKey
	list  []string
	index map[string]struct{} // of a long list
}

// lists reports whether the list contains the word.
func (w *words) lists(word string) bool {
	if w.index != nil {
		_, ok := w.index[word]
		return ok
	}
	for i := range w.list {
		if w.list[i] == word {
			return true
		}
	}
	return false
}

// missing returns the first wanted word that is not allowed.
func (w *words) missing(wanted []string) (word string, missing bool) {
	if w.key == nil {
		return "", false
	}
	for _, word := range wanted {
		if !w.lists(word) {
			return word, true
		}
	}
	return "", false
}

// admits looks at access tokens only. Other kinds of use have no scopes and audiences.
func (w *words) admits(q query) bool {
	return w.key == nil || q.Kind != AT || w.has(w.key.asked(q.Request))
}

// has reports whether all wanted words are allowed.
func (w *words) has(wanted []string) bool {
	_, missing := w.missing(wanted)
	return !missing
}

func (w *words) object(q query) Objection {
	word, _ := w.missing(w.key.asked(q.Request))
	return Objection{Key: w.key.wire, Need: fmt.Sprintf("%s among %s, not %q", w.key.what, listed(w.list), clip.Name(word))}
}

func (w *words) first(q query, t time.Time) Earliest { return lasting(w.admits(q), nil, t) }

func (w *words) narrow(p *Policy, g *gate) asks {
	if w.key == nil {
		return askNever
	}
	marked, of := w.key.marks(p, g)
	var listed marks
	for _, word := range w.list {
		listed |= marked.add(word)
	}
	*of &= listed
	if listed&sharedMarks != 0 {
		return askShared
	}
	return askNever
}

func (w *words) within(parent part) bool {
	p := parent.(*words)
	return p.key == nil || w.key != nil && !slices.ContainsFunc(w.list, func(word string) bool { return !p.lists(word) })
}

func (w *words) excess(parent part) string {
	p := parent.(*words)
	beyond := slices.DeleteFunc(slices.Clone(w.list), p.lists)
	return "the parent allows " + listed(p.list) + ", not " + listed(beyond)
}

func (k *wordsKey) common(child, parent part) []string {
	p := parent.(*words)
	return slices.DeleteFunc(slices.Clone(child.(*words).list), func(word string) bool { return !p.lists(word) })
}

// entries returns a copy of the list, or nil if there is no limit.
func (w *words) entries() []string {
	if w.key == nil {
		return nil
	}
	return append([]string{}, w.list...)
}
